/**
 * Sends dead letters to their topics again. A message keeps its id and key, so whoever has handled it drops it, and
 * it comes after what is known of its checkout. Its trace is a new one, with links to the span in which it failed and
 * to the one that sent it first: a trace must not go on after hours, and who reads one finds the other.
 */
import type { Attributes, SpanContext, Tracer } from '@opentelemetry/api'
import { trace } from '@opentelemetry/api'
import type { DeadLetterHeader } from '../../shared/kafka/dead-letter-headers.ts'
import { redriveHeader } from '../../shared/kafka/dead-letter-headers.ts'
import type { ProducerMessage, Send } from '../../shared/kafka/kafka.ts'
import { deadLetterTopic } from '../../shared/kafka/middleware/dead-letter.ts'
import { traceparentOf } from '../../shared/telemetry/traceparent.ts'
import { paced } from '../replay/paced.ts'
import { inOwnTrace, toSendAgain } from '../replay/send-again.ts'
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
  for await (const letter of paced(letters, ratePerSecond)) onRedriven(letter, await redrive(letter, send))
}

/** @returns the span that redrove it */
export function redrive(
  letter: DeadLetter,
  send: Send,
  { tracer = trace.getTracer('sagascope'), now = () => new Date() }: RedriveTools = {},
): Promise<SpanContext> {
  const ownTrace = {
    name: 'redrive dead letter',
    links: [letter.failedIn, letter.sentIn],
    attributes: attributesOf(letter),
    sagaId: letter.checkoutId,
  }
  return inOwnTrace(tracer, ownTrace, async (span) => {
    await send([toSendAgain(letter.message, { [redriveHeader]: letter.id })])
    // After it, not before: a crash in between redrives once more, which is harmless, and never not at all.
    await send([toNote(letter, span.spanContext(), now())])
    return span.spanContext()
  })
}

const attributesOf = ({ id, origin, consumerGroup, errorCode }: DeadLetter): Attributes => ({
  'dead_letter.id': id,
  'messaging.destination.name': origin.topic,
  'messaging.consumer.group.name': consumerGroup,
  'error.type': errorCode,
})

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
