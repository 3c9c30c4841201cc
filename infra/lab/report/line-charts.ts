/** Charts with lines, as SVG: drawn for one size and as wide as there is room. */
import type { Markup } from '../../compare/markup.ts'
import { html } from '../../compare/markup.ts'
import type { Interval } from '../../statistics/bootstrap.ts'
import { digits, times } from './wording.ts'

const [width, height] = [320, 150]
const frame = { left: 40, right: 310, top: 10, bottom: 126 }

const x = (share: number): string => (frame.left + share * (frame.right - frame.left)).toFixed(1)
const y = (share: number): string => (frame.bottom - share * (frame.bottom - frame.top)).toFixed(1)

interface Range {
  readonly from: number
  readonly to: number
}

const shareIn = ({ from, to }: Range, value: number): number =>
  to === from ? 0.5 : Math.min(1, Math.max(0, (value - from) / (to - from)))

/** Some steps within the range, at round values. */
function roundSteps({ from, to }: Range): number[] {
  const rough = (to - from) / 3
  const decade = 10 ** Math.floor(Math.log10(rough))
  const step = [1, 2, 5, 10].map((factor) => factor * decade).find((each) => each >= rough) ?? decade
  const first = Math.ceil(from / step)
  return Array.from({ length: Math.floor(to / step) - first + 1 }, (_, index) => (first + index) * step)
}

function gridOf(range: Range): Markup {
  return html`${roundSteps(range).map((value) => {
    const at = y(shareIn(range, value))
    return html`<line class="grid" x1="${frame.left}" x2="${frame.right}" y1="${at}" y2="${at}" /><text
        class="value"
        x="${frame.left - 5}"
        y="${at}"
        >${Number(value.toFixed(3))}</text
      >`
  })}`
}

const chart = (label: string, content: Markup): Markup =>
  html`<svg viewBox="0 0 ${width} ${height}" role="img" aria-label="${label}">${content}</svg>`

/** Lets points not stand on the frame. */
const widened = (values: readonly number[]): Range => {
  const [least, most] = [Math.min(...values), Math.max(...values)]
  const margin = Math.max((most - least) * 0.1, most * 0.01)
  return { from: least - margin, to: most + margin }
}

/** The ratio of each pair as a dot, and the baseline's own course as a line on a scale of its own. */
export function pairsOverTime(pairs: readonly { readonly arm: number; readonly against: number }[]): Markup {
  const ratios = pairs.map(({ arm, against }) => arm / against)
  const range = widened([...ratios, 1])
  const baselines = pairs.map(({ against }) => against)
  const ofBaseline: Range = { from: Math.min(...baselines), to: Math.max(...baselines) }
  const along = (index: number) => x((index + 0.5) / pairs.length)
  const course = baselines.map((value, index) => `${along(index)},${y(shareIn(ofBaseline, value))}`).join(' ')
  const one = y(shareIn(range, 1))
  return chart(
    `${pairs.length} pairs: ratios ${ratios.map(times).join(', ')}`,
    html`${gridOf(range)}<line
        class="one"
        x1="${frame.left}"
        x2="${frame.right}"
        y1="${one}"
        y2="${one}"
      /><polyline class="course" points="${course}" />${pairs.map(({ arm, against }, index) => {
        const title = `pair ${index + 1}: ${times(arm / against)}, ${digits(arm)} by ${digits(against)}`
        return html`<circle class="pair" cx="${along(index)}" cy="${y(shareIn(range, arm / against))}" r="3.5"
          ><title>${title}</title></circle
        >`
      })}<text class="axis" x="${frame.left}" y="${height - 6}">first pair</text
      ><text class="axis end" x="${frame.right}" y="${height - 6}">last</text>`,
  )
}

export interface CurvePoint {
  readonly at: number
  readonly ratio: Interval
  readonly label: string
}

const [flatFrom, flatTo] = [0.9, 1.1]

/** A ratio by what grows, logarithmically, with whiskers; what is flat lies in the band. */
export function curves(points: readonly CurvePoint[]): Markup {
  const range = widened([...points.flatMap(({ ratio }) => [ratio.lower, ratio.upper]), flatFrom, flatTo])
  // A logarithmic axis has no 0: an empty store stands a decade below the next.
  const [least = 1] = points.map(({ at }) => at).filter((at) => at > 0)
  const logOf = (at: number) => Math.log10(at > 0 ? at : least / 10)
  const along: Range = {
    from: Math.min(...points.map(({ at }) => logOf(at))),
    to: Math.max(...points.map(({ at }) => logOf(at))),
  }
  const at = (point: CurvePoint) => x(0.04 + 0.92 * shareIn(along, logOf(point.at)))
  const [top, bottom] = [y(shareIn(range, flatTo)), y(shareIn(range, flatFrom))]
  const line = points.map((point) => `${at(point)},${y(shareIn(range, point.ratio.estimate))}`).join(' ')
  return chart(
    points.map(({ label }) => label).join('; '),
    html`<rect
        class="band"
        x="${frame.left}"
        width="${frame.right - frame.left}"
        y="${top}"
        height="${(Number(bottom) - Number(top)).toFixed(1)}"
      />${gridOf(range)}<polyline class="curve" points="${line}" />${points.map((point) => {
        const { lower, upper, estimate } = point.ratio
        return html`<g
            ><title>${point.label}</title
            ><line
              class="whisker"
              x1="${at(point)}"
              x2="${at(point)}"
              y1="${y(shareIn(range, lower))}"
              y2="${y(shareIn(range, upper))}" /><circle
              class="point"
              cx="${at(point)}"
              cy="${y(shareIn(range, estimate))}"
              r="3.5" /></g
          ><text class="axis middle" x="${at(point)}" y="${height - 6}">${short(point.at)}</text>`
      })}`,
  )
}

/** `1,000`, `100k`, `1M` */
const short = (value: number): string => {
  if (value >= 1e6) return `${digits(value / 1e6).replace(/\.?0+$/, '')}M`
  return value >= 10_000 ? `${value / 1_000}k` : value.toLocaleString('en-US')
}
