/** Whether there is anything to record: asked first of all, so that what is not sampled costs a look at one bit. */
import type { Context, Span, SpanContext } from '@opentelemetry/api'
import { trace, TraceFlags } from '@opentelemetry/api'

const isSampled = ({ traceFlags }: SpanContext): boolean => (traceFlags & TraceFlags.SAMPLED) !== 0

/** Samplers that follow nobody may sample what the caller has not. */
const { OTEL_TRACES_SAMPLER = 'parentbased_always_on' } = process.env
const parentsDecide = OTEL_TRACES_SAMPLER.startsWith('parentbased_')

/** True where the trace is not recorded: no span is to be started, and the trace's own context goes on as it is. */
export const isLeftOut = (parent: SpanContext | undefined): boolean =>
  parent !== undefined && parentsDecide && !isSampled(parent)

/** The span inside which something is done that is recorded only as a part of something. */
export function recordedParent(context: Context): Span | undefined {
  const span = trace.getSpan(context)
  return span && isSampled(span.spanContext()) ? span : undefined
}
