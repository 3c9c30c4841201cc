/**
 * A comparison as a page that stands alone: no network, no script, nothing but what is in it. Whatever spans are
 * called and carry was written by others, so it is text everywhere, and a policy bars the rest.
 */
import type {
  ComparedRow,
  RowSide,
  TraceComparison,
  TraceSummary,
} from '../../shared/traces/compare-traces.ts'
import { contributionsTo } from '../../shared/traces/compare-traces.ts'
import type { MetricComparison, SetComparison, SetRow } from './compare-sets.ts'
import { mainCauseOf } from './compare-sets.ts'
import { millis, nameOf, signedMillis, times, timesWithInterval, titleOf } from './figures.ts'
import { style } from './comparison-style.ts'
import type { Markup } from './markup.ts'
import { html } from './markup.ts'
import { standalonePage } from './standalone-page.ts'

const page = (title: string, content: Markup): string => standalonePage({ title, style, content })

const filter = html`<p class="filter">
  <label><input type="checkbox" id="differences" /> Only what differs</label>
</p>`

/** @param links to Jaeger's own comparison */
export function comparisonPage(comparison: TraceComparison, links: readonly string[]): string {
  const { a, b, rows } = comparison
  const longest = Math.max(1, a.durationMicros, b.durationMicros)
  const contributions = contributionsTo(comparison).slice(0, 5)
  return page(
    'Two traces compared',
    html`<dl>
        <dt>A</dt>
        <dd>${describe(a)}</dd>
        <dt>B</dt>
        <dd>${describe(b)}</dd>
      </dl>
      <p class="${comparison.verdict}">
        B takes ${millis(b.durationMicros)}, A ${millis(a.durationMicros)}:
        ${signedMillis(comparison.differenceMicros)}, ${times(comparison.ratio)}
      </p>
      ${
        contributions.length === 0
          ? ''
          : html`<h2>What made the difference, on the critical path</h2>
              <ul>
                ${contributions.map((row) => html`<li>${signedMillis(row.criticalDifferenceMicros)} ${titleOf(row)}</li>`)}
              </ul>`
      }
      ${linkList(links)}
      <h2>Span by span</h2>
      ${filter}
      <p class="soft">
        Bars in full colour have a share of the critical path; dashed ones are time in a queue, or a gap. Both
        are drawn to one scale.
      </p>
      <div class="scroll" tabindex="0" role="region" aria-label="Spans">
        <table>
          <thead>
            <tr>
              <th scope="col">Span</th>
              <th scope="col">Service</th>
              <th scope="col">What</th>
              <th scope="col" class="bars">A</th>
              <th scope="col" class="number">A</th>
              <th scope="col" class="number">self</th>
              <th scope="col" class="bars">B</th>
              <th scope="col" class="number">B</th>
              <th scope="col" class="number">self</th>
              <th scope="col" class="number">B - A</th>
              <th scope="col" class="number">B / A</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map((row) => traceRow(row, longest))}
          </tbody>
        </table>
      </div>`,
  )
}

const hasFailed = ({ a, b }: ComparedRow): boolean => a?.failed === true || b?.failed === true

function traceRow(row: ComparedRow, longest: number): Markup {
  const { kind, depth, service, verdict, a, b } = row
  const what = [verdict === 'same' ? '' : verdict, ...failuresOf(row)].filter(Boolean).join(', ')
  // A failure on both sides is no difference between them, and still no row to leave out.
  return html`<tr class="${verdict === 'same' && hasFailed(row) ? 'failed' : verdict}">
    <th scope="row" style="padding-left:${(0.5 + depth * 0.8).toFixed(1)}rem">${attributesOf(row)}</th>
    <td class="soft">${service}</td>
    <td>${what}</td>
    ${lane('a', kind, a, longest)}${figures(kind, a)}${lane('b', kind, b, longest)}${figures(kind, b)}
    <td class="number">${a && b ? signedMillis(row.differenceMicros) : ''}</td>
    <td class="number">${times(row.ratio)}</td>
  </tr> `
}

const failuresOf = ({ a, b }: ComparedRow): string[] => {
  if (a?.failed && b?.failed) return ['failed in both']
  return [...(a?.failed ? ['failed in A'] : []), ...(b?.failed ? ['failed in B'] : [])]
}

const share = (part: number, whole: number): string => (Math.min(1, part / whole) * 100).toFixed(2)

function lane(side: 'a' | 'b', kind: ComparedRow['kind'], has: RowSide | undefined, longest: number): Markup {
  if (has === undefined) return html`<td class="bars"></td>`
  const position = `left:${share(has.offsetMicros, longest)}%;width:${share(has.durationMicros, longest)}%`
  const bar = html`<span class="bar${has.criticalMicros > 0 ? ' critical' : ''}" style="${position}"></span>`
  const label = `${side.toUpperCase()}: from ${millis(has.offsetMicros)} on${has.criticalMicros > 0 ? `, ${millis(has.criticalMicros)} on the critical path` : ''}`
  return html`<td class="bars ${side}${kind === 'span' ? '' : ' wait'}">
    <span class="lane" role="img" aria-label="${label}" title="${label}">${bar}</span>
  </td>`
}

const figures = (kind: ComparedRow['kind'], side: RowSide | undefined): Markup =>
  html`<td class="number">${side ? millis(side.durationMicros) : ''}</td>
    <td class="number soft">${side && kind === 'span' ? millis(side.selfMicros) : ''}</td>`

function attributesOf(row: ComparedRow): Markup {
  const sides = (['a', 'b'] as const).flatMap((side) => {
    const span = row[side]?.span
    return row.kind !== 'span' || span === undefined ? [] : [{ side: side.toUpperCase(), span }]
  })
  if (sides.length === 0) return html`${nameOf(row)}`
  return html`<details>
    <summary>${nameOf(row)}</summary>
    ${sides.map(
      ({ side, span }) =>
        html`<p class="soft">${side}: trace ${span.traceId}, span ${span.spanId}</p>
          <dl>
            ${Object.entries(span.attributes).map(
              ([key, value]) =>
                html`<dt>${key}</dt>
                  <dd>${value}</dd>`,
            )}
          </dl>`,
    )}
  </details>`
}

const describe = ({ traceIds, sagaId, spans, failed, durationMicros }: TraceSummary): string =>
  [
    ...(sagaId === undefined ? [] : [`checkout ${sagaId}`]),
    `trace ${traceIds.join(', ')}`,
    `${spans} spans`,
    ...(failed > 0 ? [`${failed} failed`] : []),
    millis(durationMicros),
  ].join(', ')

const linkList = (links: readonly string[]): Markup =>
  html`${links.map((link) => html`<p><a href="${link}" rel="noreferrer">Jaeger's own comparison</a></p>`)}`

export function setsPage(comparison: SetComparison): string {
  const { traces, length, rows, confidence, comparisons } = comparison
  const cause = mainCauseOf(comparison)
  const set = (name: string, count: number, spread: MetricComparison['a']) =>
    html`<dt>${name}</dt>
      <dd>${count} traces, median ${millis(spread.medianMicros)}, p95 ${millis(spread.p95Micros)}</dd>`
  return page(
    'Two sets of traces compared',
    html`<dl>${set('A', traces.a, length.a)}${set('B', traces.b, length.b)}</dl>
      <p class="${comparison.verdict}">
        B against A, in the median: ${signedMillis(length.differenceMicros)}, ${timesWithInterval(length)}
      </p>
      ${cause ? html`<p>Most of it is <strong>${titleOf(cause)}</strong>.</p>` : ''}
      <h2>What contributes most, first</h2>
      ${filter}
      <p class="soft">
        Intervals hold with ${confidence * 100} % confidence, all ${comparisons} comparisons taken together.
      </p>
      <div class="scroll" tabindex="0" role="region" aria-label="Spans">
        <table>
          <thead>
            <tr>
              <th scope="col">Span</th>
              <th scope="col">Service</th>
              <th scope="col">What</th>
              <th scope="col" class="number">On the path, mean</th>
              <th scope="col" class="number">A p50 / p95</th>
              <th scope="col" class="number">B p50 / p95</th>
              <th scope="col">B / A</th>
              <th scope="col">self B / A</th>
              <th scope="col">traces A, B</th>
              <th scope="col">failed A, B</th>
            </tr>
          </thead>
          <tbody>
            ${rows.map(setRow)}
          </tbody>
        </table>
      </div>`,
  )
}

function setRow(row: SetRow): Markup {
  const { duration, self, kind, service, verdict, traces, failed, path, occurrence } = row
  const spread = (side: 'a' | 'b'): string =>
    duration ? `${millis(duration[side].medianMicros)} / ${millis(duration[side].p95Micros)}` : ''
  const what = [
    ...(verdict === 'same' ? [] : [verdict]),
    ...(verdict === 'same' && row.presenceDiffers ? ['there more or less often'] : []),
    ...(row.failuresDiffer ? ['fails more or less often'] : []),
  ]
  const state = what.length > 0 && verdict === 'same' ? 'failed' : verdict
  return html`<tr class="${state}">
    <th scope="row">
      <span title="${[...path, nameOf(row)].join(' > ')}"
        >${nameOf(row)}${occurrence > 1 ? ` #${occurrence}` : ''}</span
      >
    </th>
    <td class="soft">${service}</td>
    <td>${what.join(', ')}</td>
    <td class="number">${signedMillis(row.criticalDifferenceMicros)}</td>
    <td class="number">${spread('a')}</td>
    <td class="number">${spread('b')}</td>
    <td>${timesWithInterval(duration)}</td>
    <td>${kind === 'span' ? timesWithInterval(self) : ''}</td>
    <td>${traces.a}, ${traces.b}</td>
    <td>${failed.a}, ${failed.b}</td>
  </tr> `
}
