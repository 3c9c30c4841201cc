/** What a replay and a redrive have in common: the message as it was, in a trace of its own that links to the first. */
import type { Attributes, Span, SpanContext, Tracer } from '@opentelemetry/api'
import { defaultTextMapGetter, ROOT_CONTEXT, SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import type { Headers } from '../../shared/kafka/headers.ts'
import type { ProducerMessage } from '../../shared/kafka/kafka.ts'
import { createPropagator, removePropagationHeaders } from '../../shared/telemetry/propagation.ts'
import { withSagaId } from '../../shared/telemetry/saga-id.ts'

/**
 * Under its own key and id, so that it lies behind what is known of its checkout, and whoever has handled it drops it.
 * @param mark headers that say what it is now
 */
export function toSendAgain({ topic, key, value, headers }: IncomingMessage, mark: Headers): ProducerMessage {
  const marked: Record<string, string> = { ...headers, ...mark }
  removePropagationHeaders(marked)
  return { topic, key: key ?? null, value, headers: marked }
}

const propagator = createPropagator()

/** The span that sent a message, by its headers; undefined when telemetry was off. Needs no telemetry itself. */
export const senderOf = (headers: Headers): SpanContext | undefined =>
  trace.getSpanContext(propagator.extract(ROOT_CONTEXT, headers, defaultTextMapGetter))

export interface OwnTrace {
  readonly name: string
  readonly links: readonly (SpanContext | undefined)[]
  readonly attributes: Attributes
  readonly sagaId?: string | undefined
}

/** A trace must not go on after hours, so what is done late begins one, and who reads one finds the other. */
export function inOwnTrace<T>(
  tracer: Tracer,
  { name, links, attributes, sagaId }: OwnTrace,
  work: (span: Span) => Promise<T>,
): Promise<T> {
  const options = {
    root: true,
    kind: SpanKind.INTERNAL,
    links: links.filter((span) => span !== undefined).map((context) => ({ context })),
    attributes,
  }
  const workInSpan = () =>
    tracer.startActiveSpan(name, options, async (span) => {
      try {
        return await work(span)
      } catch (error) {
        span.recordException(error as Error)
        span.setStatus({ code: SpanStatusCode.ERROR })
        throw error
      } finally {
        span.end()
      }
    })
  return sagaId === undefined ? workInSpan() : withSagaId(sagaId, workInSpan)
}
