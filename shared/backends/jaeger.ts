/**
 * Traces, read from Jaeger's API v3, which answers in OTLP's own shape (links and kinds included).
 *
 * Always as they are, raw: else Jaeger 2.13 sorts their attributes first and drops spans that came twice, and with its
 * store in memory it does so in what it keeps. Two who ask for a trace at the same time then mix up its attributes for
 * good, those of its resources included; a service was found to be called amd64.
 */
import { z } from 'zod'
import { services } from '../saga/events.ts'
import type { TraceSpan } from '../traces/trace.ts'
import { spansOf, tracesData } from './otlp-spans.ts'
import type { ReadLimits } from './read-json.ts'
import { readJson } from './read-json.ts'

const answer = z.object({ result: tracesData })

/**
 * The spans of a trace, the earliest first; undefined when Jaeger has none of it.
 * @throws BackendUnavailable
 */
export async function fetchTrace(
  jaegerUrl: string,
  traceId: string,
  limits?: ReadLimits,
): Promise<TraceSpan[] | undefined> {
  const url = new URL(`/api/v3/traces/${traceId}`, jaegerUrl)
  url.searchParams.set('raw_traces', 'true')
  const body = await readJson('Jaeger', url, undefined, {}, limits)
  if (body === undefined) return undefined
  const spans = spansOf(answer.parse(body).result)
  // What the Collector had to send again is one span all the same.
  const once = new Map(spans.map((span) => [span.spanId, span]))
  return [...once.values()].sort((a, b) => a.startMicros - b.startMicros)
}

const found = z.object({ data: z.array(z.object({ traceID: z.string() })) })

/** More than one checkout has, replays included. */
const searchLimit = 200

export interface TraceSearch {
  readonly service: string
  readonly operation?: string
  /** Of one span or of its resource, all of them. */
  readonly attributes?: Readonly<Record<string, string>>
  /** That span's start lies between them, since the epoch; both or neither. */
  readonly fromMicros?: number
  readonly toMicros?: number
  /** At most so many; 200 unless told. */
  readonly limit?: number
}

/**
 * The traces in which the service has a span as asked for; of more than the limit those that Jaeger picks, with its
 * store in memory those that it heard of last.
 * @throws BackendUnavailable
 */
export async function findTraceIds(
  jaegerUrl: string,
  asked: TraceSearch,
  limits?: ReadLimits,
): Promise<string[]> {
  // The API before v3, which Jaeger's own pages use: over HTTP v3 cannot search by attribute.
  const url = new URL('/api/traces', jaegerUrl)
  url.searchParams.set('raw', 'true')
  url.searchParams.set('service', asked.service)
  if (asked.operation !== undefined) url.searchParams.set('operation', asked.operation)
  if (asked.fromMicros !== undefined) url.searchParams.set('start', String(asked.fromMicros))
  if (asked.toMicros !== undefined) url.searchParams.set('end', String(asked.toMicros))
  url.searchParams.set('tags', JSON.stringify(asked.attributes ?? {}))
  url.searchParams.set('limit', String(asked.limit ?? searchLimit))
  const body = await readJson('Jaeger', url, undefined, {}, limits)
  return body === undefined ? [] : found.parse(body).data.map((trace) => trace.traceID)
}

/**
 * The traces in which the service has a span as asked for, one list of spans each, the earliest first.
 * @throws BackendUnavailable
 */
export async function findTraces(jaegerUrl: string, asked: TraceSearch): Promise<TraceSpan[][]> {
  const traceIds = await findTraceIds(jaegerUrl, asked)
  const traces = await Promise.all(traceIds.map((traceId) => fetchTrace(jaegerUrl, traceId)))
  return traces.filter((spans) => spans !== undefined)
}

/**
 * All spans of all traces of a checkout, the earliest first: one trace where hops are children, one a hop where
 * they are links (TRACE_HOPS). Without the traces of those who only asked how it stands.
 * @throws BackendUnavailable
 */
export async function findTracesOfSaga(jaegerUrl: string, sagaId: string): Promise<TraceSpan[]> {
  const attributes = { 'saga.id': sagaId }
  const found = await Promise.all(
    ['gateway', ...services].map((service) => findTraceIds(jaegerUrl, { service, attributes })),
  )
  const traces = await Promise.all([...new Set(found.flat())].map((id) => fetchTrace(jaegerUrl, id)))
  return traces
    .filter((spans) => spans !== undefined)
    .filter(hasStep)
    .flat()
    .sort((a, b) => a.startMicros - b.startMicros)
}

/** `GET /checkouts/<checkoutId>` carries the saga's id, and is no step of it; parts of its trace may still be missing. */
export const hasStep = (spans: readonly TraceSpan[]): boolean =>
  spans.some(
    ({ kind, attributes }) =>
      kind === 'producer' ||
      kind === 'consumer' ||
      (kind === 'server' && attributes['http.request.method'] === 'POST'),
  )
