/**
 * Tells the caller which trace its request became, in the `traceresponse` header.
 * See https://www.w3.org/TR/trace-context-2/ and its draft on the response header:
 * https://w3c.github.io/trace-context/#traceresponse-header
 */
import type { SpanContext } from '@opentelemetry/api'
import { isSpanContextValid, trace } from '@opentelemetry/api'
import type { Middleware } from 'koa'
import type { RequestState } from './request-state.ts'

/** Stands outermost, where the active span is still the server span that the HTTP instrumentation started. */
export const traceResponse: Middleware<RequestState> = async (ctx, next) => {
  const span = trace.getActiveSpan()
  if (span && isSpanContextValid(span.spanContext())) {
    ctx.state.serverSpan = span
    ctx.set('traceresponse', toTraceResponse(span.spanContext()))
  }
  await next()
}

/** `00-<trace-id>-<span-id>-<flags>` */
export function toTraceResponse({ traceId, spanId, traceFlags }: SpanContext): string {
  return `00-${traceId}-${spanId}-${traceFlags.toString(16).padStart(2, '0')}`
}
