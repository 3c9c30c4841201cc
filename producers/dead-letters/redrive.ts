/**
 * Sends dead letters to their topics again. A message keeps its id and key, so whoever has handled it drops it, and
 * it comes after what is known of its checkout. Its trace is a new one, with links to the span in which it failed and
 * to the one that sent it first: a trace must not go on after hours, and who reads one finds the other.
 */
import type { Attributes, SpanContext, Tracer } from '@opentelemetry/api'
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { setTimeout as delay } from 'node:timers/promises'
import type { DeadLetterHeader } from '../../shared/messaging/dead-letter-headers.ts'
import { redriveHeader } from '../../shared/messaging/dead-letter-headers.ts'
import type { ProducerMessage, Send } from '../../shared/messaging/kafka.ts'
import { deadLetterTopic } from '../../shared/messaging/middleware/dead-letter.ts'
import { removePropagationHeaders } from '../../shared/telemetry/propagation.ts'
import { withSagaId } from '../../shared/telemetry/saga-id.ts'
import { traceparentOf } from '../../shared/telemetry/traceparent.ts'
import type { DeadLetter } from './dead-letter.ts'

export interface RedriveTools {
  readonly tracer?: Tracer
  readonly now?: () => Date
}

/**
 * Redrives the letters in their order, at most so many a second.
 * @throws what `send` throws; those before are sent and noted then
 */
export async function redriveAll(
  letters: readonly DeadLetter[],
  send: Send,
  ratePerSecond: number,
  onRedriven: (letter: DeadLetter, span: SpanContext) => void,
): Promise<void> {
  const startedAt = performance.now()
  for (const [index, letter] of letters.entries()) {
    await delay(Math.max(0, startedAt + (index * 1_000) / ratePerSecond - performance.now()))
    onRedriven(letter, await redrive(letter, send))
  }
}

/** @returns the span that redrove it */
export async function redrive(
  letter: DeadLetter,
  send: Send,
  { tracer = trace.getTracer('sagascope'), now = () => new Date() }: RedriveTools = {},
): Promise<SpanContext> {
  const links = [letter.failedIn, letter.sentIn].filter((span) => span !== undefined)
  const options = {
    root: true,
    kind: SpanKind.INTERNAL,
    links: links.map((context) => ({ context })),
    attributes: attributesOf(letter),
  }
  const redriveInSpan = () =>
    tracer.startActiveSpan('redrive dead letter', options, async (span) => {
      try {
        await send([toOriginal(letter)])
        // After it, not before: a crash in between redrives once more, which is harmless, and never not at all.
        await send([toNote(letter, span.spanContext(), now())])
        return span.spanContext()
      } catch (error) {
        span.recordException(error as Error)
        span.setStatus({ code: SpanStatusCode.ERROR })
        throw error
      } finally {
        span.end()
      }
    })
  return letter.checkoutId === undefined ? redriveInSpan() : withSagaId(letter.checkoutId, redriveInSpan)
}

const attributesOf = ({ id, origin, consumerGroup, errorCode }: DeadLetter): Attributes => ({
  'dead_letter.id': id,
  'messaging.destination.name': origin.topic,
  'messaging.consumer.group.name': consumerGroup,
  'error.type': errorCode,
})

function toOriginal({ id, message }: DeadLetter): ProducerMessage {
  const headers: Record<string, string> = { ...message.headers, [redriveHeader]: id }
  removePropagationHeaders(headers)
  return { topic: message.topic, key: message.key ?? null, value: message.value, headers }
}

/** Under the letter's key, so that it lies on the letter's partition, behind it. */
function toNote({ id, message }: DeadLetter, span: SpanContext, at: Date): ProducerMessage {
  const traceparent = traceparentOf(span)
  const headers: Partial<Record<DeadLetterHeader, string>> = {
    'dead-letter-id': id,
    'dead-letter-redriven-at': at.toISOString(),
    ...(traceparent !== undefined && { 'dead-letter-redrive-traceparent': traceparent }),
  }
  return { topic: deadLetterTopic, key: message.key ?? null, value: null, headers }
}
