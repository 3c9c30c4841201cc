/** What a dead letter says about itself, in headers beside those of the message that it was. */
import type { IncomingMessage } from './cloud-events.ts'
import type { Headers } from './headers.ts'

export type DeadLetterHeader =
  /** `<consumer group>/<topic>/<partition>/<offset>`: a letter sent twice has it twice. */
  | 'dead-letter-id'
  | 'dead-letter-origin-topic'
  | 'dead-letter-origin-partition'
  | 'dead-letter-origin-offset'
  /** On the letter of a batch that could not be read: its last offset; its first is the origin's. */
  | 'dead-letter-origin-last-offset'
  | 'dead-letter-consumer-group'
  | 'dead-letter-error-code'
  | 'dead-letter-error-message'
  /** How often it was tried in the delivery that gave up. */
  | 'dead-letter-attempts'
  /** RFC 3339 */
  | 'dead-letter-failed-at'
  /** The consumer span in which it failed. */
  | 'dead-letter-traceparent'
  /** The producer span of the message that failed. */
  | 'dead-letter-origin-traceparent'
  /** Bytes of content that were too large for the dead-letter topic and are only at the origin. */
  | 'dead-letter-left-at-origin'
  /** Not on a letter, but on the note that it has been redriven: when, RFC 3339. */
  | 'dead-letter-redriven-at'
  /** On that note: the span that redrove it. */
  | 'dead-letter-redrive-traceparent'

/** On a message that was a dead letter and has been sent to its topic again: the letter's id. */
export const redriveHeader = 'redrive-of'

export type Origin = Pick<IncomingMessage, 'topic' | 'partition' | 'offset'>

/** Where a message lies, or the batch that could not be read. */
export const originOf = ({ topic, partition, offset, unreadableBatch }: IncomingMessage): Origin => ({
  topic,
  partition,
  offset: unreadableBatch?.firstOffset ?? offset,
})

export const deadLetterIdOf = (consumerGroup: string, { topic, partition, offset }: Origin): string =>
  `${consumerGroup}/${topic}/${partition}/${offset}`

/** The message's own headers: nothing that an earlier life as a dead letter, or a stranger, has put there. */
export const withoutDeadLetterHeaders = (headers: Headers): Headers =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith('dead-letter-')))
