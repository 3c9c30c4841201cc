/**
 * The report as a page that stands alone: no network and no script. Charts are drawn here, from HTML and SVG; whoever
 * points at a mark is told its figures.
 */
import type { Markup } from '../../compare/markup.ts'
import { html } from '../../compare/markup.ts'
import { standalonePage } from '../../compare/standalone-page.ts'
import type { Interval } from '../../statistics/bootstrap.ts'
import type { Part } from '../lab-result.ts'
import { parts } from '../lab-result.ts'
import type { ComparisonAnalysed } from './analyse.ts'
import { controlBounds } from './analyse.ts'
import { cpuKey, phases, phaseTitles, rssKey } from './figures.ts'
import { style } from './lab-style.ts'
import { curves, pairsOverTime } from './line-charts.ts'
import type { Report } from './make-report.ts'
import { byGroup } from './make-report.ts'
import type { TargetJudged } from './targets.ts'
import {
  amount,
  axisTitles,
  bytes,
  digits,
  limitOf,
  measuredOf,
  moment,
  percent,
  timesWithInterval,
  titleOfGroup,
} from './wording.ts'

export function toPage(report: Report): string {
  const { lab } = report
  return standalonePage({
    title: 'What telemetry costs',
    style,
    content: html`<p class="soft">
        ${lab.form} form, ${moment(lab.startedAt)} to ${moment(lab.endedAt)}; ${lab.machine.cores} cores
        (${lab.machine.processor}), Node ${lab.machine.node.replace(/^v/, '')}
      </p>
      ${theControl(report)} ${theTargets(report.targets)} ${ratios(lab.comparisons)}
      ${processorTime(lab.comparisons)} ${memory(lab.comparisons)} ${onTheWire(lab.comparisons)}
      ${growth(report)} ${overTime(lab.comparisons)}`,
  })
}

function theControl({ lab: { control, voidBecause } }: Report): Markup {
  if (voidBecause !== undefined)
    return html`<p class="not-met"><strong>This run is void</strong>: ${voidBecause}.</p>`
  if (!control) return html``
  return html`<p>
    The control, the baseline beside itself: throughput ${timesWithInterval(control.throughput)} in
    ${control.pairCount} pairs. Of differences smaller than
    ${percent(control.throughput.upper - control.throughput.lower)} this run can say little.
  </p>`
}

const classOf = { met: 'met', 'not met': 'not-met', undecided: 'undecided', 'not measured': 'soft' } as const

const theTargets = (targets: readonly TargetJudged[]): Markup =>
  html`<h2>The numbers to reach</h2>
    <div class="scroll" tabindex="0" role="region" aria-label="The numbers to reach">
      <table class="wrapping">
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Verdict</th>
            <th scope="col">Limit</th>
            <th scope="col">Measured</th>
          </tr>
        </thead>
        <tbody>
          ${targets.map(
            (target) =>
              html`<tr>
                <th scope="row" title="${target.how}">${target.what}</th>
                <td><span class="verdict ${classOf[target.verdict]}">${target.verdict}</span></td>
                <td>${limitOf(target)}</td>
                <td>${measuredOf(target, target.measured)}</td>
              </tr> `,
          )}
        </tbody>
      </table>
    </div>`

/** Where a ratio stands on a scale of logarithms, from 0 to 100. */
interface Scale {
  readonly ticks: readonly number[]
  place(ratio: number): number
}

const niceRatios = [
  0.05, 0.1, 0.2, 0.25, 0.33, 0.5, 0.67, 0.8, 0.9, 0.95, 1, 1.05, 1.1, 1.25, 1.5, 2, 3, 4, 5, 10, 20, 50, 100,
]
const fewestTicksApart = 9

function scaleFor(intervals: readonly Interval[], alsoShown: readonly number[]): Scale {
  const all = [...intervals.flatMap(({ lower, upper }) => [lower, upper]), ...alsoShown, 1].filter(
    (ratio) => ratio > 0,
  )
  const [least, most] = [Math.log(Math.min(...all)), Math.log(Math.max(...all))]
  const margin = Math.max(0.03, (most - least) * 0.06)
  const [from, to] = [least - margin, most + margin]
  const place = (ratio: number): number =>
    Math.min(100, Math.max(0, (100 * (Math.log(Math.max(ratio, 1e-9)) - from)) / (to - from)))
  // From 1 outwards, so that 1 always has its line and its neighbours make way.
  const ticks: number[] = []
  for (const ratio of niceRatios.toSorted((a, b) => Math.abs(Math.log(a)) - Math.abs(Math.log(b)))) {
    const isWithin = Math.log(ratio) >= from && Math.log(ratio) <= to
    const isFree = ticks.every((tick) => Math.abs(place(tick) - place(ratio)) >= fewestTicksApart)
    if (isWithin && isFree) ticks.push(ratio)
  }
  return { ticks, place }
}

interface Forest {
  readonly title: string
  readonly key: string
  /** Drawn as a line, and which side of it is the good one. */
  readonly limit?: { readonly at: number; readonly what: string }
}

const forests: readonly Forest[] = [
  {
    title: 'Throughput at saturation',
    key: 'throughput',
    limit: { at: 0.95, what: 'all by off: at least 0.95' },
  },
  { title: 'p50 to the end, at half load', key: 'toEnd.p50' },
  {
    title: 'p99 to the end, at half load',
    key: 'toEnd.p99',
    limit: { at: 1.05, what: 'all by off: at most 1.05' },
  },
  {
    title: 'Processor time of the services a checkout, at saturation',
    key: cpuKey('saturation', 'services'),
  },
  {
    title: 'Resident memory of the services',
    key: rssKey('services'),
    limit: { at: 1.15, what: 'all by off, each service: at most 1.15' },
  },
]

const ratios = (comparisons: readonly ComparisonAnalysed[]): Markup =>
  html`<h2>Each arm by its baseline</h2>
    <p class="soft">
      The dot is the median of the ratios of pairs, the line its 95 % interval, grey where 1, no difference,
      lies in it; dashes are a limit, and the band is what the control may differ by. Logarithmic.
    </p>
    <div class="charts">${forests.map((forest) => drawForest(forest, comparisons))}</div>`

function drawForest({ title, key, limit }: Forest, comparisons: readonly ComparisonAnalysed[]): Markup {
  const rows = comparisons.flatMap((comparison) => {
    const ratio = comparison.figures.get(key)?.ratio
    return ratio ? [{ comparison, ratio }] : []
  })
  const scale = scaleFor(
    rows.map(({ ratio }) => ratio),
    limit ? [limit.at] : [],
  )
  const band = [controlBounds.lower, controlBounds.upper].map((bound) => scale.place(bound))
  const grid = html`${scale.ticks.map(
      (tick) =>
        html`<i class="tick${tick === 1 ? ' one' : ''}" style="left:${place(scale.place(tick))}"></i>`,
    )}<i class="band" style="left:${place(band[0] ?? 0)};width:${place((band[1] ?? 0) - (band[0] ?? 0))}"></i
    >${limit ? html`<i class="limit" style="left:${place(scale.place(limit.at))}"></i>` : ''}`
  return html`<figure>
    <figcaption>${title}${limit ? html`<span class="soft">, ${limit.what}</span>` : ''}</figcaption>
    <div class="forest">
      ${byGroup(rows.map(({ comparison }) => comparison)).map(
        ([group, members]) =>
          html`<p class="group">${titleOfGroup(group)}</p>
            ${members.map((comparison) => {
              const ratio = comparison.figures.get(key)?.ratio
              return ratio ? forestRow(comparison, ratio, scale, grid) : html``
            })}`,
      )}
      <span></span>
      <span class="lane labels" aria-hidden="true"
        >${scale.ticks.map(
          (tick) => html`<i style="left:${place(scale.place(tick))}">${String(tick)}</i>`,
        )}</span
      >
    </div>
  </figure>`
}

const place = (percentage: number): string => `${percentage.toFixed(2)}%`

function forestRow(
  { arm, against, what }: ComparisonAnalysed,
  ratio: Interval,
  scale: Scale,
  grid: Markup,
): Markup {
  const [from, to] = [scale.place(ratio.lower), scale.place(ratio.upper)]
  const side = ratio.lower > 1 ? ' more' : ratio.upper < 1 ? ' less' : ''
  const label = `${arm} by ${against}: ${timesWithInterval(ratio)}. ${what}`
  return html`<span class="name" title="${what}">${arm} <span class="soft">/ ${against}</span></span>
    <span class="lane${side}" role="img" aria-label="${label}" title="${label}"
      >${grid}<i class="whisker" style="left:${place(from)};width:${place(to - from)}"></i
      ><i class="dot" style="left:${place(scale.place(ratio.estimate))}"></i
    ></span>`
}

const partNames: Readonly<Record<Part, string>> = {
  services: 'services',
  collector: 'Collector',
  broker: 'broker',
  store: 'store',
}

const legend = html`<p class="legend">
  ${parts.map((part) => html`<span><i class="${part}"></i>${partNames[part]}</span> `)}
</p>`

interface Bar {
  readonly name: string
  readonly isBaseline: boolean
  readonly values: Readonly<Partial<Record<Part, number>>>
}

/** Each arm, and once each baseline that is no arm above, as it was beside the first of its arms. */
function barsOf(
  comparisons: readonly ComparisonAnalysed[],
  keyOf: (part: Part) => string,
  shown: readonly Part[] = parts,
): Bar[] {
  const valuesOf = (comparison: ComparisonAnalysed, side: 'arm' | 'against') =>
    Object.fromEntries(
      shown.map((part) => [part, comparison.figures.get(keyOf(part))?.[side] ?? 0]),
    ) as Bar['values']
  const seen = new Set<string>()
  return comparisons.flatMap((comparison) => {
    const { arm, against } = comparison
    const baseline = seen.has(against)
      ? []
      : [{ name: against, isBaseline: true, values: valuesOf(comparison, 'against') }]
    seen.add(against).add(arm)
    return [...baseline, { name: arm, isBaseline: false, values: valuesOf(comparison, 'arm') }]
  })
}

function drawBars(title: string, bars: readonly Bar[], write: (value: number) => string): Markup {
  const sum = ({ values }: Bar) => Object.values(values).reduce((total, value) => total + value, 0)
  const longest = Math.max(...bars.map(sum), Number.MIN_VALUE)
  return html`<figure>
    <figcaption>${title}</figcaption>
    <div class="stacks">
      ${bars.map((bar) => {
        const label = `${bar.name}: ${Object.entries(bar.values)
          .map(([part, value]) => `${partNames[part as Part]} ${write(value)}`)
          .join(', ')}`
        return html`<span class="name${bar.isBaseline ? ' soft' : ''}">${bar.name}</span>
          <span class="lane" role="img" aria-label="${label}" title="${label}"
            >${Object.entries(bar.values).map(
              ([part, value]) =>
                html`<i class="${part}" style="width:${place((100 * value) / longest)}"></i>`,
            )}</span
          >
          <span class="number">${write(sum(bar))}</span>`
      })}
    </div>
  </figure>`
}

const processorTime = (comparisons: readonly ComparisonAnalysed[]): Markup =>
  html`<h2>Where processor time goes</h2>
    <p class="soft">Milliseconds a checkout, medians; a baseline as it was beside the first of its arms.</p>
    ${legend}
    <div class="charts">
      ${phases.map((phase) =>
        drawBars(
          phaseTitles[phase],
          barsOf(comparisons, (part) => cpuKey(phase, part)),
          (value) => amount(value, 'ms'),
        ),
      )}
    </div>`

const memory = (comparisons: readonly ComparisonAnalysed[]): Markup =>
  html`<h2>Resident memory at the end of a visit</h2>
    <div class="charts">
      ${drawBars('All services together', barsOf(comparisons, rssKey, ['services']), bytes)}
      ${drawBars('The Collector', barsOf(comparisons, rssKey, ['collector']), bytes)}
    </div>`

function onTheWire(comparisons: readonly ComparisonAnalysed[]): Markup {
  const chart = (key: string, title: string) => {
    const bars = comparisons.flatMap(({ arm, figures }): Bar[] => {
      const value = figures.get(key)?.arm ?? 0
      return value === 0 ? [] : [{ name: arm, isBaseline: false, values: { collector: value } }]
    })
    return bars.length === 0 ? html`` : drawBars(title, bars, bytes)
  }
  return html`<h2>Telemetry on the wire</h2>
    <div class="charts">
      ${chart('wire.perSpan', 'For each span, all signals and headers; the limit for all is 80')}
      ${chart('wire.perCheckout', 'For each checkout')}
    </div>`
}

function growth({ growth: series }: Report): Markup {
  if (series.length === 0) return html``
  return html`<h2>Cost as it grows</h2>
    <p class="soft">
      Processor time a checkout of all parts, by that of the first step, with its interval; the band is 10 %
      to either side.
    </p>
    <div class="charts small">
      ${series.map(({ axis, steps, isFlat, bentBy }) => {
        const verdict = isFlat
          ? 'stays within 10 %'
          : `bends${bentBy ? `: ${bentBy.part}, ${digits(bentBy.fromMillis)} to ${digits(bentBy.toMillis)} ms` : ''}`
        return html`<figure>
          <figcaption>
            ${axisTitles[axis]}:
            <span class="${isFlat ? 'met' : 'not-met'}">${verdict}</span>
          </figcaption>
          ${curves(
            steps.map(({ at, ratio, cpuMillisOfAll }) => ({
              at,
              ratio: ratio ?? { estimate: 1, lower: 1, upper: 1 },
              label: `${at.toLocaleString('en-US')}: ${digits(cpuMillisOfAll)} ms a checkout, ${timesWithInterval(ratio)}`,
            })),
          )}
        </figure>`
      })}
    </div>`
}

const overTime = (comparisons: readonly ComparisonAnalysed[]): Markup =>
  html`<h2>Pair by pair</h2>
    <p class="soft">
      Throughput at saturation. Dots are each pair's ratio, in the order in which they were measured; the line
      is the baseline's own throughput, from its least to its most: where that drifts and the dots do not,
      pairing has done its work.
    </p>
    <div class="charts small">
      ${comparisons.flatMap(({ arm, against, figures }) => {
        const throughput = figures.get('throughput')
        return throughput
          ? [
              html`<figure>
                <figcaption>${arm} <span class="soft">/ ${against}</span></figcaption>
                ${pairsOverTime(throughput.pairs)}
              </figure>`,
            ]
          : []
      })}
    </div>`
