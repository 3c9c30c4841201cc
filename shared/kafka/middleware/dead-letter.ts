import { propagation, ROOT_CONTEXT, SpanStatusCode, trace } from '@opentelemetry/api'
import { failpoint } from '../../process/failpoints.ts'
import { countDeadLetter } from '../../telemetry/saga-metrics.ts'
import { traceparentOf } from '../../telemetry/traceparent.ts'
import type { IncomingMessage } from '../cloud-events.ts'
import type { DeadLetterHeader } from '../dead-letter-headers.ts'
import { deadLetterIdOf, originOf, withoutDeadLetterHeaders } from '../dead-letter-headers.ts'
import { isRetriable } from '../failure.ts'
import type { Handling, Middleware } from '../handler.ts'
import type { Headers } from '../headers.ts'

export const deadLetterTopic = 'dead-letters'

interface OutgoingLetter {
  readonly topic: typeof deadLetterTopic
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers: Headers
}

/** Sends a message on; resolves when the broker has it. */
export type SendDeadLetter = (message: OutgoingLetter) => Promise<void>

/**
 * Puts what cannot be handled into the dead-letter topic, as it came and with where it came from and why,
 * so that it holds up nobody. What only waits for a server passes through: it is nobody's dead letter.
 *
 * If the dead letter cannot be sent the failure passes on and the message is delivered again: nothing is lost.
 * After a crash between the sending and the offset it is sent again, under the same id.
 */
export const deadLettered = (
  consumerGroup: string,
  send: SendDeadLetter,
  now: () => Date = () => new Date(),
): Middleware => {
  return (next) => async (handling) => {
    try {
      return await next(handling)
    } catch (error) {
      if (isRetriable(error) === true || handling.signal.aborted) throw error
      const failure: Failure = { consumerGroup, error: error as Error, at: now() }
      markSpan(failure.error)
      await sendWithinLimit(toDeadLetter(handling, failure), send)
      failpoint('dead-letter-sent')
      countDeadLetter(handling.message.topic, codeOf(failure.error))
      handling.log.error(
        {
          'event.name': 'message.dead_lettered',
          err: error,
          'dead_letter.id': deadLetterIdOf(consumerGroup, originOf(handling.message)),
          attempts: handling.attempts.made,
        },
        'put on the dead-letter topic',
      )
      return 'dead-lettered'
    }
  }
}

interface Failure {
  readonly consumerGroup: string
  readonly error: Error
  readonly at: Date
}

const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.name

/** The dead letter leads to this span, and here is what it is looked for. */
function markSpan(error: Error): void {
  const span = trace.getActiveSpan()
  span?.recordException(error)
  span?.setStatus({ code: SpanStatusCode.ERROR })
}

function toDeadLetter({ message, attempts }: Handling, failure: Failure): OutgoingLetter {
  const { consumerGroup, error, at } = failure
  const origin: Partial<Record<DeadLetterHeader, string | undefined>> = {
    'dead-letter-id': deadLetterIdOf(consumerGroup, originOf(message)),
    'dead-letter-origin-topic': message.topic,
    'dead-letter-origin-partition': String(message.partition),
    'dead-letter-origin-offset': originOf(message).offset,
    'dead-letter-origin-last-offset': message.unreadableBatch?.lastOffset,
    'dead-letter-consumer-group': consumerGroup,
    'dead-letter-error-code': codeOf(error),
    'dead-letter-error-message': error.message.slice(0, 1_000),
    'dead-letter-attempts': String(attempts.made),
    'dead-letter-failed-at': at.toISOString(),
    // `traceparent` will name the span that sends the dead letter, so these two are kept beside it.
    'dead-letter-traceparent': traceparentOf(trace.getActiveSpan()?.spanContext()),
    'dead-letter-origin-traceparent': traceparentOf(senderOf(message)),
  }
  return {
    topic: deadLetterTopic,
    key: message.key ?? null,
    value: message.value,
    headers: { ...withoutDeadLetterHeaders(message.headers), ...withoutUndefined(origin) },
  }
}

const senderOf = ({ headers }: IncomingMessage) =>
  trace.getSpanContext(propagation.extract(ROOT_CONTEXT, headers))

const withoutUndefined = (headers: Readonly<Record<string, string | undefined>>): Headers =>
  Object.fromEntries(
    Object.entries(headers).filter((entry): entry is [string, string] => entry[1] !== undefined),
  )

/**
 * A message that just fits a topic does not fit a second one together with why it failed. Its origin is what
 * matters: the content is left out then, and lies where it came from for as long as that topic keeps it.
 */
async function sendWithinLimit(letter: OutgoingLetter, send: SendDeadLetter): Promise<void> {
  try {
    await send(letter)
  } catch (error) {
    if (!isTooLarge(error)) throw error
    const headers = Object.entries(letter.headers).filter(
      ([name, value]) => name.startsWith('dead-letter-') || value.length <= 256,
    )
    const left: DeadLetterHeader = 'dead-letter-left-at-origin'
    const bytes = String(letter.value?.length ?? 0)
    await send({ ...letter, value: null, headers: { ...Object.fromEntries(headers), [left]: bytes } })
  }
}

/** By Kafka's own name of the refusal: https://kafka.apache.org/protocol#protocol_error_codes */
const isTooLarge = (error: unknown): boolean =>
  error instanceof Error && 'type' in error && error.type === 'MESSAGE_TOO_LARGE'
