/** A span named in one line of text, for a header that is not for propagation: https://www.w3.org/TR/trace-context/#traceparent-header */
import type { SpanContext } from '@opentelemetry/api'
import { isSpanContextValid } from '@opentelemetry/api'
import { parseTraceParent } from '@opentelemetry/core'

/** Undefined where there is no span, or telemetry is off. */
export function traceparentOf(span: SpanContext | undefined): string | undefined {
  if (!span || !isSpanContextValid(span)) return undefined
  return `00-${span.traceId}-${span.spanId}-${span.traceFlags.toString(16).padStart(2, '0')}`
}

export const spanNamedBy = (traceparent: string | undefined): SpanContext | undefined =>
  (traceparent === undefined ? undefined : parseTraceParent(traceparent)) ?? undefined
