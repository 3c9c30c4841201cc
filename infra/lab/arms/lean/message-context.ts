/**
 * Trace context in the headers of messages. Nearly all messages have one `traceparent`, in lower case, and nothing else
 * that is read: those are read and written here. All others go through the propagator, with its bounds, its B3 and
 * its baggage (shared/telemetry/propagation.ts): what is read and written is the same.
 */
import type { Context, SpanContext } from '@opentelemetry/api'
import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { parseTraceParent } from '@opentelemetry/core'
import type { IHeaders } from 'kafkajs'
import { producerOf } from '../../../../shared/telemetry/trace-hops.ts'

const { OTEL_PROPAGATORS = 'tracecontext,baggage', TRACE_HOPS = 'parent' } = process.env
const onlyW3C = !OTEL_PROPAGATORS.includes('b3')
const hopsAreChildren = TRACE_HOPS !== 'link'

const traceparentLength = 55
const headerCountLimit = 64

export interface ReadContext {
  /** What the handling of the message goes on in. */
  readonly context: Context
  /** Of the span that has sent it; ProducerLinkProcessor links to it. */
  readonly producer: SpanContext | undefined
}

export function readContext(headers: IHeaders | undefined): ReadContext {
  const traceparent = headers?.traceparent
  if (
    hopsAreChildren &&
    Buffer.isBuffer(traceparent) &&
    traceparent.length === traceparentLength &&
    hasNoOtherContext(headers)
  ) {
    const producer = parseTraceParent(traceparent.toString('latin1'))
    if (!producer) return { context: ROOT_CONTEXT, producer: undefined }
    producer.isRemote = true
    return { context: trace.setSpanContext(ROOT_CONTEXT, producer), producer }
  }
  const context = propagation.extract(ROOT_CONTEXT, headers ?? {})
  return { context, producer: producerOf(context) }
}

/** Writes a span's context, for whoever receives the message. */
export function writeContext(context: Context, span: SpanContext, headers: IHeaders): void {
  const isPlain = onlyW3C && !span.traceState && !propagation.getBaggage(context)
  if (isPlain && hasNoOtherContext(headers)) {
    headers.traceparent = `00-${span.traceId}-${span.spanId}-0${span.traceFlags.toString(16)}`
  } else {
    propagation.inject(trace.setSpanContext(context, span), headers)
  }
}

const [b, t, x] = ['b', 't', 'x'].map((letter) => letter.charCodeAt(0))
const lowerCase = 0x20

/** Headers of trace context begin with one of three letters, and other headers of a message with none of them. */
function hasNoOtherContext(headers: IHeaders | undefined): boolean {
  let count = 0
  for (const name in headers) {
    const first = name.charCodeAt(0) | lowerCase
    if ((first === b || first === t || first === x) && name !== 'traceparent') return false
    count += 1
  }
  return count <= headerCountLimit
}
