/**
 * Spans in OTLP's JSON, which Jaeger answers in and the Collector can send. What is left out there is empty or 0.
 * See https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
 */
import { z } from 'zod'
import type { TraceSpan } from '../traces/trace.ts'

// OTLP's AnyValue: { stringValue: 'x' }, { intValue: '1' }, { arrayValue: { values: [...] } }, ...
const scalar = z.union([z.string(), z.number(), z.boolean()]).transform(String)
const value = z
  .record(z.string(), z.union([scalar, z.unknown().transform((content) => JSON.stringify(content))]))
  .transform((any) => Object.values(any)[0] ?? '')
const attributes = z
  .array(z.object({ key: z.string(), value }))
  .default([])
  .transform((list) => Object.fromEntries(list.map((entry) => [entry.key, entry.value])))
const enumeration = z.union([z.number(), z.string()])
const spanSchema = z.object({
  traceId: z.string(),
  spanId: z.string(),
  parentSpanId: z.string().default(''),
  traceState: z.string().default(''),
  name: z.string(),
  kind: enumeration.default(0),
  startTimeUnixNano: z.string(),
  endTimeUnixNano: z.string(),
  attributes,
  links: z.array(z.object({ traceId: z.string(), spanId: z.string() })).default([]),
  status: z.object({ code: enumeration.default(0) }).default({ code: 0 }),
})

/** `TracesData`, and `ExportTraceServiceRequest`, which has the same shape. */
export const tracesData = z.object({
  resourceSpans: z
    .array(
      z.object({
        resource: z.object({ attributes }),
        scopeSpans: z.array(z.object({ spans: z.array(spanSchema).default([]) })).default([]),
      }),
    )
    .default([]),
})

/** What W3C has as `tracestate` beside what all that looks at traces has of a span. */
export interface OtlpSpan extends TraceSpan {
  readonly traceState: string
}

/** In the order in which they stand there. */
export const spansOf = ({ resourceSpans }: z.infer<typeof tracesData>): OtlpSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap(({ spans }) =>
      spans.map((span) => toSpan(resource.attributes['service.name'] ?? 'unknown', span)),
    ),
  )

const kinds = ['unspecified', 'internal', 'server', 'client', 'producer', 'consumer'] as const

function toSpan(service: string, span: z.infer<typeof spanSchema>): OtlpSpan {
  const start = BigInt(span.startTimeUnixNano)
  return {
    traceId: span.traceId,
    spanId: span.spanId,
    traceState: span.traceState,
    parentSpanId: span.parentSpanId === '' ? undefined : span.parentSpanId,
    name: span.name,
    kind: kindOf(span.kind),
    service,
    startMicros: Number(start / 1_000n),
    durationMicros: Number((BigInt(span.endTimeUnixNano) - start) / 1_000n),
    attributes: span.attributes,
    links: span.links,
    failed: span.status.code === 2 || span.status.code === 'STATUS_CODE_ERROR',
  }
}

const kindOf = (kind: number | string): TraceSpan['kind'] =>
  kinds.find((name, index) => kind === index || kind === `SPAN_KIND_${name.toUpperCase()}`) ?? 'unspecified'
