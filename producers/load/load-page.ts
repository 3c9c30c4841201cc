/** The result as a page that stands alone: figures, warnings, and plots that need no network (uPlot is written into it). */
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { distributionOf } from './latency-histogram.ts'
import { summary } from './load-report.ts'
import type { Latency, LoadResult } from './load-result.ts'

type Series = readonly [label: string, values: readonly (number | null)[]]

interface Chart {
  readonly title: string
  readonly x: readonly number[]
  readonly xAxis: 'seconds' | 'percentile'
  readonly unit: 'a second' | 'ms'
  readonly series: readonly Series[]
}

const asset = (name: string): string =>
  readFileSync(fileURLToPath(import.meta.resolve(`uplot/dist/${name}`)), 'utf8')

/** @param faults as in the summary: the thresholds that are exceeded */
export function toPage(result: LoadResult, faults: readonly string[]): string {
  const title = `Load ${result.run}${result.tag === undefined ? '' : ` (${result.tag})`}`
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>${escaped(title)}</title>
<style>
${asset('uPlot.min.css')}
:root { color-scheme: light dark; font: 14px system-ui, sans-serif }
body { margin: 1rem auto; max-width: 60rem; padding: 0 1rem }
pre { white-space: pre-wrap; font-size: 13px; line-height: 1.4 }
h1 { font-size: 1.3rem } h2 { font-size: 1rem; margin: 2rem 0 0.3rem }
ul { padding-left: 1.2rem } .warnings { border-left: 4px solid #d97706; padding-left: 1.8rem }
.u-legend { text-align: left }
</style>
<h1>${escaped(title)}</h1>
<p>${escaped(`${result.startedAt} to ${result.endedAt}, ${result.settings.gatewayUrl}`)}</p>
${list([...faults.map((fault) => `FAILED: ${fault}`), ...result.warnings])}
<pre>${escaped(summary({ ...result, warnings: [] }, []).join('\n'))}</pre>
<div id="charts"></div>
<details><summary>Settings</summary><pre>${escaped(JSON.stringify(result.settings, undefined, 2))}</pre></details>
<script>${asset('uPlot.iife.min.js')}</script>
<script type="application/json" id="data">${inScript(chartsOf(result))}</script>
<script>${draw}</script>
</html>
`
}

/** No `<` may stand in it: it could end the script. */
const inScript = (data: unknown): string => JSON.stringify(data).replaceAll('<', '\\u003c')

const escaped = (text: string): string =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('"', '&quot;')

const list = (lines: readonly string[]): string =>
  lines.length === 0
    ? ''
    : `<ul class="warnings">${lines.map((line) => `<li>${escaped(line)}</li>`).join('')}</ul>`

function chartsOf({ seconds, overall, byKind }: LoadResult): Chart[] {
  const x = seconds.map(({ second }) => second)
  const at = (percentile: 'p50' | 'p99' | 'max', what: 'toAccepted' | 'toEnd') =>
    seconds.map((each) => atLeastMicros(each[what]?.[percentile] ?? null))
  return [
    {
      title: 'Rate, by the second in which a checkout was due',
      x,
      xAxis: 'seconds',
      unit: 'a second',
      series: [
        ['scheduled', seconds.map(({ scheduledRatePerSecond }) => scheduledRatePerSecond)],
        ['arrived', seconds.map(({ arrived }) => arrived)],
        ['accepted', seconds.map(({ accepted }) => accepted)],
        ['refused or failed', seconds.map(({ refused, failed }) => refused + failed)],
        ['at no end', seconds.map(({ open }) => open)],
      ],
    },
    {
      title: 'Latency, by the second in which a checkout was due',
      x,
      xAxis: 'seconds',
      unit: 'ms',
      series: [
        ['202, p50', at('p50', 'toAccepted')],
        ['202, p99', at('p99', 'toAccepted')],
        ['end, p50', at('p50', 'toEnd')],
        ['end, p99', at('p99', 'toEnd')],
        ['end, max', at('max', 'toEnd')],
        ['tool late, max', seconds.map(({ generatorLagMax }) => atLeastMicros(generatorLagMax))],
      ],
    },
    byPercentile([
      ['202', overall.toAccepted],
      ['end', overall.toEnd],
      ...Object.entries(byKind).map(([name, { toEnd }]): [string, Latency] => [`end, ${name}`, toEnd]),
    ]),
  ]
}

/** A logarithmic axis has no 0. */
const atLeastMicros = (millis: number | null): number | null => millis && Math.max(0.001, millis)

/** As HdrHistogram is plotted: by 1 / (1 - share), logarithmically, each as far as it has values. */
function byPercentile(latencies: readonly (readonly [label: string, latency: Latency])[]): Chart {
  const most = Math.max(1, ...latencies.map(([, { count }]) => count))
  const ticksPerDecade = 20
  const steps = Math.ceil(Math.log10(most) * ticksPerDecade)
  const x = Array.from({ length: steps + 1 }, (_, step) => 10 ** (step / ticksPerDecade))
  return {
    title: 'Latency by percentile',
    x,
    xAxis: 'percentile',
    unit: 'ms',
    series: latencies.map(([label, latency]): Series => {
      const distribution = distributionOf(latency)
      const valueAt = (inverse: number) =>
        inverse > latency.count ? null : atLeastMicros(distribution.atPercentile(100 * (1 - 1 / inverse)))
      return [label, x.map(valueAt)]
    }),
  }
}

/** What runs in the browser. */
const draw = `
'use strict'
const dark = matchMedia('(prefers-color-scheme: dark)').matches
const ink = dark ? '#ddd' : '#222', grid = dark ? '#333' : '#e5e5e5'
const colours = ['#888', '#2563eb', '#16a34a', '#dc2626', '#d97706', '#9333ea', '#0891b2', '#db2777', '#65a30d', '#78716c']
const inMillis = (value) => value == null ? '' : value >= 10000 ? (value / 1000).toFixed(1) + ' s' : Number(value.toPrecision(3)) + ' ms'
const isDecade = (tick) => tick > 0 && Number.isInteger(Math.round(Math.log10(tick) * 1e6) / 1e6)
const percentile = (inverse) => Number((100 * (1 - 1 / inverse)).toFixed(6)) + ' %'
for (const { title, x, xAxis, unit, series } of JSON.parse(document.getElementById('data').textContent)) {
  const heading = document.createElement('h2')
  heading.textContent = title + (unit === 'ms' ? '' : ', ' + unit)
  const place = document.createElement('div')
  document.getElementById('charts').append(heading, place)
  const isTime = xAxis === 'seconds'
  const axis = { stroke: ink, grid: { stroke: grid }, ticks: { stroke: grid } }
  const xAxisOptions = isTime
    ? { ...axis, values: (_, ticks) => ticks.map((tick) => tick + ' s') }
    : { ...axis, values: (_, ticks) => ticks.map((tick) => isDecade(tick) ? percentile(tick) : '') }
  const yAxisOptions = unit === 'ms'
    ? { ...axis, size: 80, values: (_, ticks) => ticks.map((tick) => isDecade(tick) ? inMillis(tick) : '') }
    : { ...axis, size: 80 }
  const options = {
    width: place.clientWidth, height: 300,
    scales: { x: isTime ? { time: false } : { time: false, distr: 3 }, y: unit === 'ms' ? { distr: 3 } : { range: (_, least, most) => [0, most * 1.05 || 1] } },
    axes: [xAxisOptions, yAxisOptions],
    series: [
      { label: isTime ? 'second' : 'percentile', value: (_, at) => at == null ? '' : isTime ? at + ' s' : percentile(at) },
      ...series.map(([label], index) => ({
        label, stroke: colours[index % colours.length], width: 1.5, spanGaps: true, points: { show: x.length < 3 },
        value: (_, at) => unit === 'ms' ? inMillis(at) : at == null ? '' : Number(at.toFixed(1)),
      })),
    ],
  }
  const chart = new uPlot(options, [x, ...series.map(([, values]) => values)], place)
  addEventListener('resize', () => chart.setSize({ width: place.clientWidth, height: 300 }))
}
`
