/** Two checkouts, or traces, beside each other: matched by structure, on one scale of time. */
import type { TemplateResult } from 'lit-html'
import { html, nothing } from 'lit-html'
import { compareTraces } from '../../../shared/traces/compare-traces.ts'
import type {
  ComparedRow,
  RowSide,
  TraceComparison,
  TraceSummary,
} from '../../../shared/traces/compare-traces.ts'
import type { TraceSpan } from '../../../shared/traces/trace.ts'
import type { App } from './app.ts'
import { millis, shortId, signedMillis, tickLabel, ticksFor } from './format.ts'
import { isOfStore } from './layout.ts'
import { compareLinks } from './links.ts'
import { failure, outside, statusPill } from './parts.ts'
import { addressOf, compareAddress } from './route.ts'
import type { Subject } from './subject.ts'
import { placed } from './waterfall.ts'

const signs: Readonly<Record<ComparedRow['verdict'], string>> = {
  same: '',
  slower: '▲',
  faster: '▼',
  missing: '−',
  added: '+',
}
const words: Readonly<Record<ComparedRow['verdict'], string>> = {
  same: 'about the same',
  slower: 'slower in B',
  faster: 'faster in B',
  missing: 'only in A',
  added: 'only in B',
}

const none: readonly TraceSpan[] = []

/** The last comparison: the page is drawn far more often than spans arrive. */
let last: { readonly of: readonly (readonly TraceSpan[])[]; readonly comparison: TraceComparison } | undefined

function compareOnce(a: readonly TraceSpan[], b: readonly TraceSpan[]): TraceComparison {
  if (last?.of[0] !== a || last.of[1] !== b) last = { of: [a, b], comparison: compareTraces(a, b) }
  return last.comparison
}

export function compareView(app: App, a: Subject, b: Subject): TemplateResult {
  const comparison = compareOnce(a.spans.value?.spans ?? none, b.spans.value?.spans ?? none)
  const rows = comparison.rows.filter((row) => app.showsStore || !isStoreRow(row))
  const lengthMicros = Math.max(comparison.a.durationMicros, comparison.b.durationMicros)
  const [traceA, traceB] = [comparison.a.traceIds[0], comparison.b.traceIds[0]]
  const isThere = comparison.a.spans > 0 && comparison.b.spans > 0
  const guilty = comparison.rows.reduce<ComparedRow | undefined>(
    (most, row) =>
      Math.abs(row.criticalDifferenceMicros) > Math.abs(most?.criticalDifferenceMicros ?? 0) ? row : most,
    undefined,
  )
  return html`<header class="heading">
      <div>
        <h1 tabindex="-1">Comparison</h1>
        <p>
          ${
            isThere
              ? html`B took <b class="number">${signedMillis(comparison.differenceMicros)}</b> against
                  A${
                    guilty
                      ? html`, most of it in <b>${nameOf(guilty)}</b>
                          <span class="number"
                            >(${signedMillis(guilty.criticalDifferenceMicros)} of the critical path)</span
                          >`
                      : nothing
                  }.`
              : html`<span class="quiet">Waiting for the spans of both …</span>`
          }
        </p>
      </div>
      <div class="tools">
        ${outside(compareLinks(traceA, traceB, app.pages))}
        <a class="button" href=${compareAddress(b.ref, a.ref)}>⇄ Swap</a>
      </div>
    </header>
    <div class="sides">${side('A', a, comparison.a)}${side('B', b, comparison.b)}</div>
    <section class="card compare" aria-labelledby="rows-title">
      <header>
        <h2 id="rows-title">Span by span</h2>
        <span class="facts">${counts(comparison.rows)}</span>
        <label class="check"
          ><input type="checkbox" .checked=${app.showsStore} @change=${() => app.toggleStore()} /> the store’s
          spans</label
        >
      </header>
      ${
        isThere
          ? html`<div class="scroll" tabindex="0" role="region" aria-label="Table of spans, scrolls sideways">
              <table>
                <thead>
                  <tr>
                    <th scope="col">service &amp; span</th>
                    <th scope="col" class="time">
                      <span class="ticks" aria-hidden="true"
                        >${ticksFor(lengthMicros).map(
                          (tick) =>
                            html`<i .style=${placed(tick, tick, lengthMicros)}
                              ><em>${tickLabel(tick)}</em></i
                            >`,
                        )}</span
                      ><span class="hidden">in time</span>
                    </th>
                    <th scope="col" class="number">A</th>
                    <th scope="col" class="number">B</th>
                    <th scope="col" class="number">B − A</th>
                    <th scope="col"><span class="hidden">Verdict</span></th>
                  </tr>
                </thead>
                <tbody>
                  ${rows.map((row) => drawRow(row, lengthMicros))}
                </tbody>
              </table>
            </div>`
          : html`<p class="quiet empty">
              ${
                a.isSettled && b.isSettled
                  ? 'Jaeger does not have the spans of both.'
                  : 'Waiting for spans. They leave the services in batches, and take a second or two.'
              }
            </p>`
      }
    </section>`
}

function side(letter: 'A' | 'B', { ref, checkout, spans }: Subject, summary: TraceSummary): TemplateResult {
  const { value } = checkout
  return html`<section class="card side" data-side=${letter} aria-label=${letter}>
    <h2>
      <span class="letter">${letter}</span> <a href=${addressOf(ref)}><code>${shortId(ref.id)}</code></a>
    </h2>
    <p class="line">
      ${value ? html`${statusPill(value.status)} ${value.reason ?? nothing}` : nothing}
      ${
        summary.spans > 0
          ? html`<span class="number">${millis(summary.durationMicros)}</span>
              <span>${summary.spans} spans</span>
              ${summary.failed > 0 ? html`<span class="bad">✕ ${summary.failed} failed</span>` : nothing}`
          : nothing
      }
    </p>
    ${failure(checkout.error)} ${failure(spans.error, spans.value !== undefined)}
  </section>`
}

const counts = (rows: readonly ComparedRow[]): TemplateResult[] =>
  (['slower', 'faster', 'missing', 'added'] as const)
    .map((verdict) => ({ verdict, count: rows.filter((row) => row.verdict === verdict).length }))
    .filter(({ count }) => count > 0)
    .map(
      ({ verdict, count }) =>
        html`<span data-verdict=${verdict}>${signs[verdict]} ${count} ${words[verdict]}</span>`,
    )

const isStoreRow = ({ a, b }: ComparedRow): boolean => {
  const span = (a ?? b)?.span
  return span !== undefined && isOfStore(span) && !a?.failed && !b?.failed
}

const nameOf = ({ kind, name, service }: ComparedRow): string =>
  kind === 'queue'
    ? `the queue of ${name} before ${service}`
    : kind === 'gap'
      ? `the gap before ${name}`
      : `${service}: ${name}`

function drawRow(row: ComparedRow, lengthMicros: number): TemplateResult {
  const { a, b, depth, service, name, kind, verdict, differenceMicros } = row
  const duration = (of: RowSide | undefined): string => (of ? millis(of.durationMicros) : '–')
  const isCritical = (a?.criticalMicros ?? 0) > 0 || (b?.criticalMicros ?? 0) > 0
  return html`<tr
    data-verdict=${verdict}
    data-service=${service}
    data-kind=${kind}
    class=${isCritical ? 'critical' : ''}
  >
    <th scope="row" class="name" .style=${`--depth:${Math.min(depth, 24)}`}>
      ${
        a?.failed || b?.failed
          ? html`<span class="sign bad" title="failed in ${a?.failed ? 'A' : ''}${b?.failed ? 'B' : ''}"
              >✕${a?.failed && b?.failed ? nothing : a?.failed ? 'A' : 'B'}</span
            >`
          : nothing
      }
      <span class="service-name">${service}</span>
      <span class="what"
        >${kind === 'queue' ? `queue of ${name}` : kind === 'gap' ? `gap before ${name}` : name}</span
      >
    </th>
    <td class="track">
      <span class="pair" aria-hidden="true">
        ${a ? html`<i class="bar a" .style=${placed(a.offsetMicros, a.offsetMicros + a.durationMicros, lengthMicros)}></i>` : nothing}
        ${b ? html`<i class="bar b" .style=${placed(b.offsetMicros, b.offsetMicros + b.durationMicros, lengthMicros)}></i>` : nothing}
      </span>
    </td>
    <td class="number">${duration(a)}</td>
    <td class="number">${duration(b)}</td>
    <td class="number difference">${a && b ? signedMillis(differenceMicros) : ''}</td>
    <td class="verdict">
      <span aria-hidden="true">${signs[verdict]}</span> ${verdict === 'same' ? nothing : words[verdict]}
    </td>
  </tr>`
}
