/** A trace as a waterfall: each span a bar in time, below what it is a part of; the critical path in full colour. */
import type { TemplateResult } from 'lit-html'
import { html, nothing } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import { microsOf, millis, tickLabel, ticksFor } from './format.ts'
import type { Row, Waterfall } from './layout.ts'

/** Within the bar's column. CSSOM, not a style attribute, which the page's policy forbids. */
export const placed = (fromMicros: number, toMicros: number, lengthMicros: number): string => {
  const percent = (micros: number): string => `${((micros / Math.max(1, lengthMicros)) * 100).toFixed(3)}%`
  return `left:${percent(fromMicros)};width:max(2px,${percent(toMicros - fromMicros)})`
}

export interface WaterfallEvents {
  readonly selectedSpanId: string | undefined
  readonly onSelect: (spanId: string | undefined) => void
}

export function drawWaterfall(
  waterfall: Waterfall,
  { selectedSpanId, onSelect }: WaterfallEvents,
): TemplateResult {
  const { rows, lengthMicros } = waterfall
  const selectedIndex = rows.findIndex(({ span }) => span.spanId === selectedSpanId)
  const focusable = Math.max(0, selectedIndex)
  const move = (event: KeyboardEvent): void => {
    const current = (event.target as HTMLElement).closest<HTMLElement>('[data-index]')
    const index = Number(current?.dataset.index ?? focusable)
    const to = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: rows.length - 1 }[event.key]
    if (to === undefined) return
    event.preventDefault()
    const row = rows[Math.min(rows.length - 1, Math.max(0, to))]
    if (!row) return
    onSelect(row.span.spanId)
    queueMicrotask(() => document.getElementById(`span-${row.span.spanId}`)?.focus())
  }
  return html`<div class="waterfall">
    <div class="axis" aria-hidden="true">
      <span>service &amp; span</span>
      <span class="ticks">
        ${ticksFor(lengthMicros).map(
          (tick) => html`<i .style=${placed(tick, tick, lengthMicros)}><em>${tickLabel(tick)}</em></i>`,
        )}
      </span>
      <span class="number">duration</span>
    </div>
    <ol role="listbox" aria-label="Spans, in the order of their tree" @keydown=${move}>
      ${repeat(
        rows,
        ({ span }) => `${span.traceId}/${span.spanId}`,
        (row, index) =>
          drawRow(row, index, waterfall, index === focusable, selectedIndex === index, onSelect),
      )}
    </ol>
  </div>`
}

function drawRow(
  { span, depth, critical, logs, offsetMicros, hidden }: Row,
  index: number,
  { lengthMicros, startMicros }: Waterfall,
  isFocusable: boolean,
  isSelected: boolean,
  onSelect: WaterfallEvents['onSelect'],
): TemplateResult {
  const { service, name, failed, durationMicros, links, spanId } = span
  const onPath = critical.some(({ isWait }) => !isWait)
  return html`<li
    role="option"
    id="span-${spanId}"
    data-index=${index}
    data-service=${service}
    class="${failed ? 'failed' : ''} ${onPath ? 'critical' : ''}"
    aria-selected=${isSelected ? 'true' : 'false'}
    tabindex=${isFocusable ? 0 : -1}
    @click=${() => onSelect(isSelected ? undefined : spanId)}
  >
    <span class="name" .style=${`--depth:${Math.min(depth, 24)}`}>
      ${failed ? html`<span class="sign" title="failed" aria-hidden="true">✕</span>` : nothing}
      <span class="service-name">${service}</span> <span class="what">${name}</span>
      ${links.length > 0 ? html`<span class="mark" title="links to another span" aria-hidden="true">~</span>` : nothing}
      ${hidden > 0 ? html`<span class="mark" title="${hidden} spans of the store, hidden">+${hidden}</span>` : nothing}
    </span>
    <span class="track">
      <i class="bar" .style=${placed(offsetMicros, offsetMicros + durationMicros, lengthMicros)}></i>
      ${critical.map(
        ({ fromMicros, toMicros, isWait }) =>
          html`<i
            class=${isWait ? 'wait' : 'path'}
            .style=${placed(fromMicros, toMicros, lengthMicros)}
          ></i>`,
      )}
      ${logs.map(({ time, severity }) => {
        const at = Math.min(lengthMicros, Math.max(0, microsOf(time) - startMicros))
        return html`<i class="log" data-severity=${severity} .style=${placed(at, at, lengthMicros)}></i>`
      })}
    </span>
    <span class="number">${millis(durationMicros)}</span>
    <span class="hidden">
      ${[
        ...(failed ? ['failed'] : []),
        `level ${depth + 1}`,
        `begins after ${millis(offsetMicros)}`,
        ...(onPath ? ['on the critical path'] : []),
        ...(logs.length > 0 ? [`${logs.length} log lines`] : []),
      ].join(', ')}
    </span>
  </li>`
}
