/** One checkout, or one trace, opened: its steps, its waterfall, and what its spans and log lines say. */
import type { TemplateResult } from 'lit-html'
import { html, nothing } from 'lit-html'
import { repeat } from 'lit-html/directives/repeat.js'
import type { CheckoutView, LogLine, Step } from './api.ts'
import type { App } from './app.ts'
import { microsOf, millis, timeOfDay } from './format.ts'
import type { Row, Waterfall } from './layout.ts'
import { layOut } from './layout.ts'
import { linksOf } from './links.ts'
import { failure, outside, serviceChip, statusPill } from './parts.ts'
import { addressOf, compareAddress } from './route.ts'
import type { Subject } from './subject.ts'
import { ends } from './subject.ts'
import { drawWaterfall } from './waterfall.ts'

export function subjectView(app: App, subject: Subject, spanId: string | undefined): TemplateResult {
  const { ref, checkout, spans, logs } = subject
  if (ref.kind === 'checkout' && !checkout.value) return missing(subject)
  const lines = logs.value?.logs ?? []
  const waterfall = layOut(spans.value?.spans ?? [], lines, app)
  return html`${heading(app, subject, waterfall)}
    ${checkout.value ? stepsView(checkout.value, subject) : nothing}
    <div class="opened">
      <section class="card trace" aria-labelledby="trace-title">
        <header>
          <h2 id="trace-title">Trace</h2>
          <label class="check"
            ><input type="checkbox" .checked=${app.showsStore} @change=${() => app.toggleStore()} /> the
            store’s spans</label
          >
        </header>
        ${waterfall.rows.length > 0 ? facts(waterfall, spans.value?.total ?? 0) : nothing}
        ${failure(spans.error, spans.value !== undefined)}
        ${
          spans.value && spans.value.total > spans.value.spans.length
            ? html`<p class="quiet">The first ${spans.value.spans.length} of ${spans.value.total} spans.</p>`
            : nothing
        }
        ${
          waterfall.rows.length > 0
            ? html`${drawWaterfall(waterfall, { selectedSpanId: spanId, onSelect: (id) => app.select(id) })}
                <p class="legend quiet">
                  <span><i class="swatch path"></i> critical path</span>
                  <span><i class="swatch wait"></i> waiting in a queue</span>
                  <span><i class="swatch bar"></i> not on it</span>
                  <span><i class="swatch log"></i> log line</span>
                  ${subject.isSettled ? nothing : html`<span class="live"><i class="beat" aria-hidden="true">●</i> spans are still arriving</span>`}
                </p>`
            : spans.error === undefined
              ? html`<p class="quiet empty">
                  ${
                    subject.isSettled
                      ? 'Jaeger has no spans of it. It may have been restarted since, or telemetry was off.'
                      : 'Waiting for spans. They leave the services in batches, and take a second or two.'
                  }
                </p>`
              : nothing
        }
      </section>
      ${panel(app, subject, waterfall, spanId)}
    </div>`
}

const missing = ({ ref, checkout }: Subject): TemplateResult =>
  html`<header class="heading">
      <h1 tabindex="-1">Checkout <code>${ref.id}</code></h1>
    </header>
    ${
      checkout.error === undefined
        ? html`<p class="quiet">Loading …</p>`
        : html`<section class="card">
            ${failure(checkout.error)}
            <p class="quiet">Checked in the store of every service. <a href="#/">Back to all checkouts</a></p>
          </section>`
    }`

function heading(
  app: App,
  { ref, checkout, spans, isSettled }: Subject,
  waterfall: Waterfall,
): TemplateResult {
  const { value } = checkout
  const traceIds = [...new Set((spans.value?.spans ?? []).map(({ traceId }) => traceId))]
  const begun = value?.steps[0]?.time
  const fromMillis = begun === undefined ? waterfall.startMicros / 1_000 : Date.parse(begun)
  const toMillis = fromMillis + (value?.steps.at(-1)?.sinceRequestMillis ?? waterfall.lengthMicros / 1_000)
  const links = linksOf(
    {
      traceIds: traceIds.length > 0 ? traceIds : value?.traceId ? [value.traceId] : [],
      checkoutId: ref.kind === 'checkout' ? ref.id : undefined,
      fromMillis,
      toMillis,
    },
    app.pages,
  )
  const others = app.recentCheckouts.filter(({ checkoutId }) => checkoutId !== ref.id)
  const sagaId = spans.value?.spans.map(({ attributes }) => attributes['saga.id']).find(Boolean)
  return html`<header class="heading">
    <div>
      <h1 tabindex="-1">${ref.kind === 'checkout' ? 'Checkout' : 'Trace'} <code>${ref.id}</code></h1>
      <p class="line">
        ${value ? html`${statusPill(value.status)} ${value.reason ?? nothing}` : nothing}
        ${begun === undefined ? nothing : html`<time datetime=${begun}>${timeOfDay(begun)}</time>`}
        ${
          value?.traceId && ref.kind === 'checkout'
            ? html`<span class="quiet"
                >trace
                <a href=${addressOf({ kind: 'trace', id: value.traceId })}
                  ><code>${value.traceId}</code></a
                ></span
              >`
            : nothing
        }
        ${traceIds.length > 1 ? html`<span class="quiet">and ${traceIds.length - 1} more traces</span>` : nothing}
        ${
          ref.kind === 'trace' && sagaId
            ? html`<span class="quiet"
                >of checkout
                <a href=${addressOf({ kind: 'checkout', id: sagaId })}><code>${sagaId}</code></a></span
              >`
            : nothing
        }
        ${isSettled ? nothing : html`<span class="live" title="New spans and log lines are looked for"><i class="beat" aria-hidden="true">●</i> live</span>`}
      </p>
    </div>
    <div class="tools">
      ${outside(links)}
      ${
        others.length === 0
          ? nothing
          : html`<label for="compare-with">Compare with</label>
              <select
                id="compare-with"
                @change=${(event: Event) => {
                  const id = (event.target as HTMLSelectElement).value
                  if (id !== '') location.hash = compareAddress(ref, { kind: 'checkout', id })
                }}
              >
                <option value="">…</option>
                ${others.map(
                  ({ checkoutId, status, requestedAt }) =>
                    html`<option value=${checkoutId}>
                      ${timeOfDay(requestedAt)} ${status} ${checkoutId.slice(0, 8)}
                    </option>`,
                )}
              </select>`
      }
    </div>
  </header>`
}

/** What takes something back, or is the reason for it. */
const backward: ReadonlySet<Step['type']> = new Set<Step['type']>([
  'RegistrationRejected',
  'RegistrationRevoked',
  'RegistrationKept',
  'OrderRejected',
  'OrderCancelled',
  'PaymentDeclined',
  'PaymentRefunded',
  'CheckoutExpired',
  'CheckoutCompensated',
  'CheckoutRejected',
])

function stepsView({ steps, deadline, status }: CheckoutView, { stream }: Subject): TemplateResult {
  const isLive = stream !== 'closed' && !ends.includes(status)
  return html`<section class="card steps" aria-labelledby="steps-title">
    <header>
      <h2 id="steps-title">Steps</h2>
      ${stream === 'interrupted' ? failure('The connection is lost; trying again.') : nothing}
      ${
        isLive && stream === 'live'
          ? html`<span class="quiet">as they happen; taken back after ${timeOfDay(deadline)}</span>`
          : nothing
      }
    </header>
    <ol aria-live="polite" aria-relevant="additions" aria-label="Steps of the checkout, now ${status}">
      ${repeat(
        steps,
        ({ id }) => id,
        ({ type, service, sinceRequestMillis, data }) =>
          html`<li class=${backward.has(type) ? 'backward' : ''} data-service=${service}>
            <span class="what"
              >${backward.has(type) ? html`<span class="sign" aria-hidden="true">↩</span>` : nothing}${type}</span
            >
            <span class="quiet"
              >${serviceChip(service)} <span class="number">+${sinceRequestMillis} ms</span></span
            >
            ${'reason' in data ? html`<span class="quiet reason">${data.reason}</span>` : nothing}
            ${'total' in data ? html`<span class="quiet">${(data.total.amount / 100).toFixed(2)} ${data.total.currency}</span>` : nothing}
          </li>`,
      )}
      ${isLive ? html`<li class="pending" aria-hidden="true"><span class="quiet">…</span></li>` : nothing}
    </ol>
  </section>`
}

const facts = ({ lengthMicros, failed, criticalByService }: Waterfall, total: number): TemplateResult =>
  html`<span class="facts">
    <span class="number">${millis(lengthMicros)}</span>
    <span>${total} spans</span>
    ${failed > 0 ? html`<span class="bad">✕ ${failed} failed</span>` : nothing}
    <span class="quiet">critical path:</span>
    ${criticalByService
      .slice(0, 6)
      .map(
        ({ service, micros }) =>
          html`<span data-service=${service} class="share"
            ><i class="dot"></i>${service} <span class="number">${millis(micros)}</span></span
          >`,
      )}
  </span>`

function panel(
  app: App,
  { logs }: Subject,
  waterfall: Waterfall,
  spanId: string | undefined,
): TemplateResult {
  const row = waterfall.rows.find(({ span }) => span.spanId === spanId)
  const all = logs.value?.logs ?? []
  const lines = row ? row.logs : all
  return html`<aside class="card panel" aria-label="Details">
    ${row ? spanDetails(app, row) : nothing}
    <section aria-labelledby="logs-title">
      <header>
        <h2 id="logs-title">${row ? 'Log lines of this span' : 'Log lines'}</h2>
        <span class="quiet number">${lines.length}${row ? ` of ${all.length}` : nothing}</span>
        ${row ? html`<button @click=${() => app.select(undefined)}>All <kbd>Esc</kbd></button>` : nothing}
      </header>
      ${failure(logs.error, logs.value !== undefined)}
      ${
        lines.length === 0
          ? html`<p class="quiet">
              ${
                logs.value
                  ? row
                    ? 'It has written none.'
                    : 'Elasticsearch has none yet.'
                  : logs.error === undefined
                    ? 'Loading …'
                    : nothing
              }
            </p>`
          : html`<ol class="logs">
              ${repeat(
                lines,
                (line, index) => `${line.time}${line.spanId}${index}`,
                (line) => logLine(app, line, waterfall, spanId),
              )}
            </ol>`
      }
    </section>
  </aside>`
}

function spanDetails(
  app: App,
  { span, offsetMicros, selfMicros, waitMicros, critical }: Row,
): TemplateResult {
  const onPath = critical
    .filter(({ isWait }) => !isWait)
    .reduce((sum, { fromMicros, toMicros }) => sum + toMicros - fromMicros, 0)
  const attributes = Object.entries(span.attributes).sort(([a], [b]) => (a < b ? -1 : 1))
  return html`<section class="span-details" data-service=${span.service} aria-labelledby="span-title">
    <header>
      <h2 id="span-title">${span.failed ? html`<span class="bad">✕ failed</span> ` : nothing}${span.name}</h2>
      <button aria-label="Close the span" @click=${() => app.select(undefined)}>✕</button>
    </header>
    <dl>
      <dt>service</dt>
      <dd>${serviceChip(span.service)} <span class="quiet">${span.kind}</span></dd>
      <dt>begins</dt>
      <dd class="number">+${millis(offsetMicros)}</dd>
      <dt>took</dt>
      <dd class="number">${millis(span.durationMicros)}</dd>
      <dt>itself</dt>
      <dd class="number">${millis(selfMicros)}</dd>
      ${
        waitMicros > 0
          ? html`<dt>waited</dt>
              <dd class="number">${millis(waitMicros)}</dd>`
          : nothing
      }
      <dt>on the critical path</dt>
      <dd class="number">${millis(onPath)}</dd>
      <dt>span</dt>
      <dd><code>${span.spanId}</code></dd>
      ${span.links.map(
        (link) =>
          html`<dt>links to</dt>
            <dd>
              <a
                href=${addressOf({ kind: 'trace', id: link.traceId }, link.spanId)}
                @click=${(event: Event) => {
                  if (!document.getElementById(`span-${link.spanId}`)) return
                  event.preventDefault() // it is on this page
                  app.select(link.spanId)
                }}
                ><code>${link.spanId}</code></a
              >
            </dd>`,
      )}
    </dl>
    <details open>
      <summary>${attributes.length} attributes</summary>
      <table>
        <tbody>
          ${attributes.map(
            ([name, value]) =>
              html`<tr>
                <th scope="row">${name}</th>
                <td>${value}</td>
              </tr>`,
          )}
        </tbody>
      </table>
    </details>
  </section>`
}

/** An event's type as the flow names it: `OrderPlaced`, and not `dev.sagascope.OrderPlaced.v1`. */
const withoutPrefix = (text: string): string => text.replace(/^dev\.sagascope\.(\w+)\.v\d+$/, '$1')

/** What of a line's attributes tells it from the next. */
const telling = [
  'cloudevents.event_type',
  'http.request.method',
  'http.route',
  'http.response.status_code',
  'exception.message',
] as const

function logLine(
  app: App,
  line: LogLine,
  { startMicros }: Waterfall,
  selected: string | undefined,
): TemplateResult {
  const told = telling.map((name) => line.attributes[name]).filter((value) => value !== undefined)
  const offset = startMicros === 0 ? '' : `+${millis(microsOf(line.time) - startMicros)}`
  return html`<li data-severity=${line.severity}>
    <button
      title="${timeOfDay(line.time)}, span ${line.spanId}"
      ?disabled=${line.spanId === selected}
      @click=${() => app.select(line.spanId)}
    >
      <span class="number">${offset === '' ? timeOfDay(line.time) : offset}</span>
      <span class="severity">${line.severity}</span>
      ${serviceChip(line.service)}
      <span class="message"
        >${line.message} <span class="quiet">${told.map(String).map(withoutPrefix).join(' ')}</span></span
      >
    </button>
  </li>`
}
