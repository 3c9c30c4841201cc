/** Small charts of rate, duration and failures. */
import type { TemplateResult } from 'lit-html'
import { html, nothing } from 'lit-html'
import type uPlot from 'uplot'
import type { Chart, ChartName, ChartRange } from './api.ts'
import type { App } from './app.ts'
import { chartNames } from './app.ts'
import { tickLabel } from './format.ts'
import { failure } from './parts.ts'

const titles: Readonly<Record<ChartName, string>> = {
  rate: 'Checkouts a minute',
  duration: 'Duration',
  failures: 'Failures a minute',
}
const ranges: readonly ChartRange[] = ['15m', '1h', '6h']
const heightPixels = 130

/** The variable of style.css, by what a series means. */
const colours: Readonly<Record<string, string>> = {
  requested: '--accent',
  completed: '--good',
  p50: '--accent',
  p95: '--warn',
  compensated: '--warn',
  rejected: '--bad',
  expired: '--payments',
  'dead letters': '--text',
}

const styleOf = (name: string): string =>
  getComputedStyle(document.documentElement).getPropertyValue(name).trim()

/** Loaded beside the page, which goes on without it: it refuses to load where the browser's language is none it knows. */
let Plotter: typeof uPlot | undefined
let loadingError: string | undefined

/** Loads the library that draws. Never rejects. */
export async function loadPlotter(): Promise<void> {
  try {
    Plotter = (await import('uplot')).default
    for (const plot of Object.values(plots)) plot.draw()
  } catch (error) {
    loadingError = `The charts cannot be drawn: ${(error as Error).message}`
  }
}

/** A drawing of uPlot's, which keeps its own element and its size. */
class Plot {
  readonly element = document.createElement('div')
  #plot: uPlot | undefined
  #chart: Chart | undefined

  constructor() {
    this.element.className = 'plot'
    new ResizeObserver(() => {
      if (this.#plot && this.element.clientWidth > 0) {
        this.#plot.setSize({ width: this.element.clientWidth, height: heightPixels })
      } else this.draw()
    }).observe(this.element)
    matchMedia('(prefers-color-scheme: dark)').addEventListener('change', () => this.draw())
  }

  show(chart: Chart | undefined): void {
    if (chart === this.#chart) return
    const hasSameSeries = this.#chart?.series.length === chart?.series.length
    this.#chart = chart
    if (this.#plot && chart && hasSameSeries) this.#plot.setData(dataOf(chart))
    else this.draw()
  }

  draw(): void {
    this.#plot?.destroy()
    this.#plot = undefined
    const chart = this.#chart
    const width = this.element.clientWidth
    if (!Plotter || !chart || width === 0) return
    const axis = {
      stroke: styleOf('--quiet'),
      font: `11px ${styleOf('--sans')}`,
      grid: { stroke: styleOf('--line'), width: 1 },
      ticks: { show: false },
    }
    this.#plot = new Plotter(
      {
        width,
        height: heightPixels,
        padding: [8, 8, 0, 0],
        legend: { show: false },
        cursor: { show: false },
        scales: { y: { range: (_plot, _min, max) => [0, max > 0 ? max * 1.15 : 1] } },
        axes: [
          { ...axis, size: 22, space: 70, values: '{HH}:{mm}' },
          {
            ...axis,
            size: 52,
            space: 28,
            values: (_plot, ticks) => ticks.map((tick) => labelOf(tick, chart.unit)),
          },
        ],
        series: [
          {},
          ...chart.series.map(({ name }) => {
            const colour = styleOf(colours[name] ?? '--accent')
            return { stroke: colour, width: 1.5, points: { show: true, size: 4, fill: colour, filter: lone } }
          }),
        ],
      },
      dataOf(chart),
      this.element,
    )
  }
}

/** A quantile of a minute in which nothing ended is a gap: what stands between two of them is drawn as a point. */
const lone: uPlot.Series.Points.Filter = ({ data }, series) => {
  const values = data[series] ?? []
  const isThere = (index: number): boolean => values[index] !== null && values[index] !== undefined
  return [...values.keys()].filter((index) => isThere(index) && !isThere(index - 1) && !isThere(index + 1))
}

const labelOf = (tick: number, unit: Chart['unit']): string =>
  unit === 'ms' ? tickLabel(tick * 1_000) : String(tick)

const dataOf = ({ times, series }: Chart): uPlot.AlignedData =>
  [[...times], ...series.map(({ values }) => [...values])] as uPlot.AlignedData

const plots: Readonly<Record<ChartName, Plot>> = {
  rate: new Plot(),
  duration: new Plot(),
  failures: new Plot(),
}

export function chartsView(app: App): TemplateResult {
  return html`<section class="charts" aria-labelledby="charts-title">
    <header>
      <h2 id="charts-title">How it is going</h2>
      <div class="ranges" role="group" aria-label="Range">
        ${ranges.map(
          (range) =>
            html`<button
              aria-pressed=${range === app.range ? 'true' : 'false'}
              @click=${() => app.show(range)}
            >
              ${range}
            </button>`,
        )}
      </div>
    </header>
    <div class="figures">${chartNames.map((name) => figure(app, name))}</div>
  </section>`
}

function figure(app: App, name: ChartName): TemplateResult {
  const { value, error, isLoading } = app.charts[name]
  const plot = plots[name]
  plot.show(value)
  const isEmpty = value?.series.every(({ values }) =>
    values.every((number) => number === null || number === 0),
  )
  return html`<figure class="card">
    <figcaption>
      <h3>${titles[name]}</h3>
      ${
        value
          ? html`<ul>
              ${value.series.map(
                ({ name: title, values }) =>
                  html`<li .style=${`--colour:var(${colours[title] ?? '--accent'})`}>
                    ${title} <b class="number">${latest(values, value.unit)}</b>
                  </li>`,
              )}
            </ul>`
          : nothing
      }
    </figcaption>
    ${failure(error ?? loadingError, value !== undefined && error !== undefined)}
    <div class="drawing" aria-hidden="true">${plot.element}</div>
    ${isEmpty ? html`<p class="quiet over">Nothing in this time</p>` : nothing}
    ${!value && isLoading ? html`<p class="quiet over">Loading …</p>` : nothing}
  </figure>`
}

/** The last number that there is. */
function latest(values: readonly (number | null)[], unit: Chart['unit']): string {
  const number = values.findLast((one) => one !== null) ?? undefined
  if (number === undefined) return '–'
  if (unit === 'ms') return number < 10_000 ? `${number.toFixed(0)} ms` : `${(number / 1_000).toFixed(1)} s`
  return number.toFixed(number < 10 ? 1 : 0)
}
