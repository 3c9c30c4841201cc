/** One checkout as the backends have it: its steps, its trace, its log lines. */
import type { CheckoutView } from './checkouts.ts'
import type { LogLine } from '../../shared/backends/elasticsearch.ts'
import { arrivalOf, expectedEdges, hopsOf } from './edges.ts'
import { logsOfTrace } from '../../shared/backends/elasticsearch.ts'
import { eventually } from './eventually.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { fetchTrace } from '../../shared/backends/jaeger.ts'
import { drawTree, treeOf } from './trace-tree.ts'

export interface Backends {
  readonly gatewayUrl: string
  readonly jaegerUrl: string
  readonly elasticsearchUrl: string
  readonly prometheusUrl: string
}

export interface CheckoutReport {
  readonly view: CheckoutView
  readonly spans: readonly TraceSpan[]
  readonly logs: readonly LogLine[]
}

/**
 * What is still on its way, in words: all must hang below one root, and every step was sent and taken as the flow table
 * has it, whoever sent it: what a gateway could not send, another gateway or checkout sends. More may be there: after a
 * crash, what was sent may be sent once more.
 */
export function missingOf(
  spans: readonly TraceSpan[],
  { steps }: Pick<CheckoutView, 'steps'>,
): readonly string[] {
  if (spans.length === 0) return ['everything']
  const roots = treeOf(spans).filter((line) => line.depth === 0)
  const sent = spans.filter((span) => span.kind === 'producer').length
  const seen = countsOf(
    hopsOf(spans)
      .filter((hop) => hop.producer)
      .map((hop) => arrivalOf(hop.edge)),
  )
  const places = roots.map(({ span }) => `${span.service}: ${span.name}`)
  return [
    ...(roots.length === 1 ? [] : [`one root instead of ${roots.length} (${places.join(', ')})`]),
    ...(roots.length === 1 && roots[0]?.span.parentSpanId !== undefined
      ? [`the parent of ${places[0]}`]
      : []),
    ...(sent >= steps.length ? [] : [`${steps.length - sent} of ${steps.length} producers`]),
    ...[...countsOf(expectedEdges(steps).map(arrivalOf))]
      .map(([arrival, count]) => ({ arrival, count, missing: count - (seen.get(arrival) ?? 0) }))
      .filter(({ missing }) => missing > 0)
      .map(({ arrival, count, missing }) => `${missing} of ${count} ${arrival}`),
  ]
}

/** True when nothing is still on its way. */
export const isWhole = (spans: readonly TraceSpan[], view: Pick<CheckoutView, 'steps'>): boolean =>
  missingOf(spans, view).length === 0

/**
 * The spans, when nothing is still on its way.
 * @throws Error that says what is missing
 */
export function whole(
  spans: readonly TraceSpan[] | undefined,
  view: Pick<CheckoutView, 'steps'>,
): readonly TraceSpan[] {
  const missing = missingOf(spans ?? [], view)
  if (missing.length > 0) throw new Error(`missing of ${spans?.length ?? 0} spans: ${missing.join('; ')}`)
  return spans ?? []
}

const countsOf = (texts: readonly string[]): ReadonlyMap<string, number> =>
  new Map([...Map.groupBy(texts, (text) => text)].map(([text, all]) => [text, all.length]))

/** True when the gateway's line is there, one for each message that was handled, and that of an expiry. */
function hasEveryLine(logs: readonly LogLine[], { steps }: CheckoutView): boolean {
  const named = (name: string) => logs.filter((line) => line.attributes['event.name'] === name).length
  const expired = steps.filter((step) => step.type === 'CheckoutExpired').length
  return (
    named('http.request') > 0 &&
    named('message.handled') >= expectedEdges(steps).length &&
    named('checkout.expired') >= expired
  )
}

/**
 * Reads a checkout that has ended back from the backends, waiting until they have all of it.
 * @throws NotInTime naming what was missing
 */
export async function readBack(backends: Backends, view: CheckoutView): Promise<CheckoutReport> {
  const { traceId } = view
  const [spans, logs] = await Promise.all([
    eventually(`the whole trace ${traceId} in Jaeger`, async () =>
      whole(await fetchTrace(backends.jaegerUrl, traceId), view),
    ),
    eventually(`the log lines of trace ${traceId} in Elasticsearch`, async () => {
      const found = await logsOfTrace(backends.elasticsearchUrl, traceId)
      return hasEveryLine(found, view) ? found : undefined
    }),
  ])
  return { view, spans, logs }
}

/** Where a person finds the same things. */
export const urlsOf = ({ gatewayUrl, jaegerUrl, elasticsearchUrl }: Backends, view: CheckoutView) => ({
  checkout: `${gatewayUrl}/checkouts/${view.checkoutId}`,
  trace: `${jaegerUrl}/api/v3/traces/${view.traceId}`,
  logs: `${elasticsearchUrl}/sagascope-logs*/_search?q=trace_id:${view.traceId}&sort=@timestamp&size=100`,
})

/** The report as lines of text. */
export function describe(title: string, report: CheckoutReport, backends: Backends): string[] {
  const { view, spans, logs } = report
  const urls = urlsOf(backends, view)
  const because = view.reason === undefined ? '' : `, reason ${view.reason}`
  return [
    `${title}: ${view.status}${because}`,
    '',
    '  Steps',
    ...view.steps.map(
      (step) =>
        `    +${String(step.sinceRequestMillis).padStart(5)} ms  ${step.type.padEnd(21)} ${step.service}`,
    ),
    `    ${urls.checkout}`,
    '',
    `  Trace ${view.traceId}: ${spans.length} spans (~ is also linked to its producer, ! failed)`,
    ...drawTree(spans).map((line) => `    ${line}`),
    `    ${urls.trace}`,
    '',
    `  Log lines with that trace_id: ${logs.length}`,
    ...logs.map(
      (line) =>
        `    ${new Date(line.time).toISOString().slice(11, 23)}  ${line.service.padEnd(9)} ${line.severity.padEnd(5)} ${line.message}`,
    ),
    `    ${urls.logs}`,
  ]
}
