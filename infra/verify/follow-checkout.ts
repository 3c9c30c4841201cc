/** Reads one checkout from all backends at once; one that is down takes nothing from the others. */
import type { Backends } from './checkout-report.ts'
import type { AnyCheckoutView } from './checkouts.ts'
import { fetchCheckout } from './checkouts.ts'
import type { LogLine } from '../../shared/backends/elasticsearch.ts'
import { logsOfSaga, logsOfTrace } from '../../shared/backends/elasticsearch.ts'
import { exemplarSelector, rangeSecondsOf } from './follow-links.ts'
import type { Followed } from './follow-links.ts'
import { isTraceId } from './follow-options.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { fetchTrace, findTracesOfSaga } from '../../shared/backends/jaeger.ts'
import { queryExemplars } from '../../shared/backends/prometheus.ts'
import { BackendUnavailable } from '../../shared/backends/read-json.ts'
import type { TimelineEntry } from './timeline.ts'
import { buildTimeline } from './timeline.ts'

export interface FollowedCheckout extends Followed {
  readonly status: string | undefined
  readonly reason: string | undefined
  readonly entries: readonly TimelineEntry[]
  /** Why there is less than one would look for, in sentences. */
  readonly notes: readonly string[]
  /** The backends that could not be asked, in their own words. */
  readonly unavailable: readonly string[]
}

/** @returns no entries when no backend that could be asked knows the id */
export async function followCheckout(backends: Backends, id: string): Promise<FollowedCheckout> {
  const reader = new Reader(backends)
  const asTrace = isTraceId(id) ? await reader.readTrace(id.toLowerCase()) : undefined
  // An id of 32 hexadecimal digits may be a checkout's as well.
  const checkoutId = asTrace?.isKnown ? asTrace.sagaId : id
  const asCheckout = checkoutId === undefined ? undefined : await reader.readCheckout(checkoutId)

  const { view } = asCheckout ?? {}
  const asked = asTrace?.isKnown ? id.toLowerCase() : undefined
  const spans = withoutQuestions(unique([...(asCheckout?.spans ?? []), ...(asTrace?.spans ?? [])]), asked)
  const logs = withoutQuestionLines([...(asCheckout?.logs ?? []), ...(asTrace?.logs ?? [])], asked)
  const traceIds = [
    ...new Set([
      ...(asked === undefined ? [] : [asked]),
      ...(view?.traceId ? [view.traceId] : []),
      ...spans.map((span) => span.traceId),
      ...logs.map((line) => line.traceId).filter((traceId) => traceId !== ''),
    ]),
  ]
  const sources = { steps: view?.steps ?? [], spans, logs, exemplars: [] }
  const times = buildTimeline(sources).map((entry) => entry.timeMicros / 1_000)
  const [fromMillis, toMillis] =
    times.length === 0 ? [Date.now(), Date.now()] : [Math.min(...times), Math.max(...times)]
  const exemplars = await reader.readExemplars(traceIds, fromMillis, toMillis)

  return {
    checkoutId: view || spans.length + logs.length > 0 ? checkoutId : undefined,
    status: view?.status,
    reason: view?.reason,
    traceIds,
    fromMillis,
    toMillis,
    entries: buildTimeline({ ...sources, exemplars }),
    notes: notesOn(reader, view, traceIds, spans, checkoutId),
    unavailable: reader.unavailable,
  }
}

/** Asks the backends, and remembers which of them could not be asked. */
class Reader {
  readonly #backends: Backends
  readonly #failures = new Map<string, string>()

  constructor(backends: Backends) {
    this.#backends = backends
  }

  get unavailable(): string[] {
    return [...this.#failures.values()]
  }

  canAsk(backend: string): boolean {
    return !this.#failures.has(backend)
  }

  async readTrace(traceId: string) {
    const { jaegerUrl, elasticsearchUrl } = this.#backends
    const [spans, logs] = await Promise.all([
      this.#ask('Jaeger', () => fetchTrace(jaegerUrl, traceId)),
      this.#ask('Elasticsearch', () => logsOfTrace(elasticsearchUrl, traceId)),
    ])
    const sagaIds = [
      ...(spans ?? []).map((span) => span.attributes['saga.id']),
      ...(logs ?? []).map((line) => line.attributes['saga.id']),
    ]
    const sagaId = sagaIds.find((sagaId) => typeof sagaId === 'string')
    const isKnown = (spans?.length ?? 0) + (logs?.length ?? 0) > 0
    return { spans: spans ?? [], logs: logs ?? [], sagaId, isKnown }
  }

  async readCheckout(checkoutId: string) {
    const { gatewayUrl, jaegerUrl, elasticsearchUrl } = this.#backends
    const [view, spans, logs] = await Promise.all([
      this.#ask('the gateway', () => fetchCheckout(gatewayUrl, checkoutId)),
      this.#ask('Jaeger', () => findTracesOfSaga(jaegerUrl, checkoutId)),
      this.#ask('Elasticsearch', () => logsOfSaga(elasticsearchUrl, checkoutId)),
    ])
    return { view, spans: spans ?? [], logs: logs ?? [] }
  }

  async readExemplars(traceIds: readonly string[], fromMillis: number, toMillis: number) {
    const range = rangeSecondsOf({ fromMillis, toMillis })
    const { prometheusUrl } = this.#backends
    const found = await this.#ask('Prometheus', () =>
      queryExemplars(prometheusUrl, exemplarSelector, ...range),
    )
    return (found ?? []).filter(({ traceId }) => traceId !== undefined && traceIds.includes(traceId))
  }

  async #ask<T>(backend: string, read: () => Promise<T>): Promise<T | undefined> {
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof BackendUnavailable)) throw error
      this.#failures.set(backend, error.message)
      return undefined
    }
  }
}

const unique = (spans: readonly TraceSpan[]): TraceSpan[] => [
  ...new Map(spans.map((span) => [`${span.traceId}/${span.spanId}`, span])).values(),
]

/** Whoever reads a checkout at the gateway leaves a trace that names it; that is no part of the checkout. */
function withoutQuestions(spans: readonly TraceSpan[], asked: string | undefined): TraceSpan[] {
  const questions = new Set(
    spans
      .filter((span) => span.kind === 'server' && span.attributes['http.request.method'] === 'GET')
      .map((span) => span.traceId),
  )
  return spans.filter(({ traceId }) => traceId === asked || !questions.has(traceId))
}

function withoutQuestionLines(lines: readonly LogLine[], asked: string | undefined): LogLine[] {
  const isQuestion = ({ attributes, traceId }: LogLine) =>
    attributes['http.request.method'] === 'GET' && traceId !== asked
  const keyOf = (line: LogLine) => JSON.stringify([line.time, line.service, line.spanId, line.message])
  const found = new Map(lines.map((line) => [keyOf(line), line]))
  return [...found.values()].filter((line) => !isQuestion(line))
}

function notesOn(
  reader: Reader,
  view: AnyCheckoutView | undefined,
  traceIds: readonly string[],
  spans: readonly TraceSpan[],
  checkoutId: string | undefined,
): string[] {
  const withSpans = new Set(spans.map((span) => span.traceId))
  const empty = reader.canAsk('Jaeger') ? traceIds.filter((traceId) => !withSpans.has(traceId)) : []
  return [
    ...empty.map(
      (traceId) =>
        `Trace ${traceId} has no spans in Jaeger: it was not sampled, is not exported yet, or has expired.`,
    ),
    ...(view?.traceId === null
      ? ['The gateway ran without telemetry when it was asked for this checkout.']
      : []),
    ...(checkoutId !== undefined && !view && reader.canAsk('the gateway') && spans.length > 0
      ? [`The gateway does not know checkout ${checkoutId}.`]
      : []),
  ]
}
