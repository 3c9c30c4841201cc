import { countDeadLetter } from '../../telemetry/saga-metrics.ts'
import { isRetriable } from '../failure.ts'
import type { Handling, Middleware } from '../handler.ts'
import type { Headers } from '../headers.ts'

export const deadLetterTopic = 'dead-letters'

/** Sends a message on; resolves when the broker has it. */
export type SendDeadLetter = (message: {
  readonly topic: typeof deadLetterTopic
  readonly key: string | null
  readonly value: Buffer | null
  readonly headers: Headers
}) => Promise<void>

/**
 * Puts what cannot be handled into the dead-letter topic, as it came and with where it came from and why,
 * so that it holds up nobody. What only waits for a server passes through: it is nobody's dead letter.
 *
 * If the dead letter cannot be sent the failure passes on and the message is delivered again: nothing is lost.
 */
export const deadLettered = (consumerGroup: string, send: SendDeadLetter): Middleware => {
  return (next) => async (handling) => {
    try {
      return await next(handling)
    } catch (error) {
      if (isRetriable(error) === true || handling.signal.aborted) throw error
      const code = codeOf(error as Error)
      await send(toDeadLetter(consumerGroup, handling, error as Error))
      countDeadLetter(handling.message.topic, code)
      handling.log.error({ 'event.name': 'message.dead_lettered', err: error }, 'message dead-lettered')
      return 'dead-lettered'
    }
  }
}

const codeOf = (error: Error): string =>
  'code' in error && typeof error.code === 'string' ? error.code : error.name

function toDeadLetter(consumerGroup: string, { message }: Handling, error: Error) {
  return {
    topic: deadLetterTopic,
    key: message.key ?? null,
    value: message.value,
    headers: {
      ...message.headers,
      'dead-letter-origin-topic': message.topic,
      'dead-letter-origin-partition': String(message.partition),
      'dead-letter-origin-offset': message.offset,
      'dead-letter-consumer-group': consumerGroup,
      'dead-letter-error-code': codeOf(error),
      'dead-letter-error-message': error.message.slice(0, 1_000),
    },
  } as const
}
