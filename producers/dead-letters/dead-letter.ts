/** The dead letters that a topic holds: what was sent twice is one, and what was redriven says so. */
import type { SpanContext } from '@opentelemetry/api'
import type { Topic } from '../../shared/saga/events.ts'
import { topics } from '../../shared/saga/events.ts'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import { fromMessage, PoisonMessage } from '../../shared/kafka/cloud-events.ts'
import type { DeadLetterHeader, Origin } from '../../shared/kafka/dead-letter-headers.ts'
import { redriveHeader, withoutDeadLetterHeaders } from '../../shared/kafka/dead-letter-headers.ts'
import type { Headers } from '../../shared/kafka/headers.ts'
import { checkoutNamedBy, eventTypeOf, messageIdOf } from '../../shared/kafka/public-names.ts'
import { spanNamedBy } from '../../shared/telemetry/traceparent.ts'

export interface DeadLetter {
  /** `<consumer group>/<topic>/<partition>/<offset>` */
  readonly id: string
  readonly origin: Origin
  /** Of a batch that could not be read: its last offset; its first is the origin's. */
  readonly originLastOffset: string | undefined
  readonly consumerGroup: string
  readonly errorCode: string
  readonly errorMessage: string
  readonly attempts: number
  /** RFC 3339 */
  readonly failedAt: string
  /** How often it was sent: more than once after a crash of the sender. */
  readonly copies: number
  /** As far as they are of the contract's shape. */
  readonly checkoutId: string | undefined
  readonly eventId: string | undefined
  readonly eventType: string | undefined
  /** The consumer span in which it failed, and the producer span of what failed. */
  readonly failedIn: SpanContext | undefined
  readonly sentIn: SpanContext | undefined
  readonly redrives: readonly Redrive[]
  /** The dead letter that this was before it was redriven. */
  readonly redriveOf: string | undefined
  /** What a service would say to it now; undefined when it can be read. */
  readonly unreadable: string | undefined
  /** The message that failed, as it was. */
  readonly message: IncomingMessage
  /** Bytes of content that only the origin has. */
  readonly leftAtOrigin: number | undefined
}

export interface Redrive {
  /** RFC 3339 */
  readonly at: string
  readonly span: SpanContext | undefined
}

export interface DeadLetters {
  /** The oldest failure first. */
  readonly letters: readonly DeadLetter[]
  /** How many messages of the topic are no dead letters and no notes about one. */
  readonly strangers: number
}

/** Takes the messages of the dead-letter topic one by one, in the order of each partition. */
export class DeadLetterCollection {
  readonly #letters = new Map<string, DeadLetter>()
  readonly #redrives = new Map<string, Redrive[]>()
  #strangers = 0

  add(message: IncomingMessage): void {
    const id = headerOf(message, 'dead-letter-id')
    const redrivenAt = headerOf(message, 'dead-letter-redriven-at')
    if (id !== undefined && redrivenAt !== undefined) {
      const span = spanNamedBy(headerOf(message, 'dead-letter-redrive-traceparent'))
      this.#redrives.set(id, [...(this.#redrives.get(id) ?? []), { at: redrivenAt, span }])
      return
    }
    const letter = toDeadLetter(message)
    if (!letter) {
      this.#strangers += 1
      return
    }
    // The first copy tells of the first failure, and the others of the same again.
    const earlier = this.#letters.get(letter.id)
    this.#letters.set(letter.id, earlier ? { ...earlier, copies: earlier.copies + 1 } : letter)
  }

  read(): DeadLetters {
    const letters = [...this.#letters.values()]
      .map((letter) => ({ ...letter, redrives: this.#redrives.get(letter.id) ?? [] }))
      .sort((a, b) => Date.parse(a.failedAt) - Date.parse(b.failedAt))
    return { letters, strangers: this.#strangers }
  }
}

const headerOf = ({ headers }: IncomingMessage, name: DeadLetterHeader): string | undefined => headers[name]

/** @returns undefined for a message without what every dead letter has, or of no topic of the saga's */
function toDeadLetter(message: IncomingMessage): DeadLetter | undefined {
  const id = headerOf(message, 'dead-letter-id')
  const topic = headerOf(message, 'dead-letter-origin-topic')
  const partition = headerOf(message, 'dead-letter-origin-partition')
  const offset = headerOf(message, 'dead-letter-origin-offset')
  const consumerGroup = headerOf(message, 'dead-letter-consumer-group')
  const failedAt = headerOf(message, 'dead-letter-failed-at')
  if (!id || !isTopic(topic) || !isNumber(partition) || !isNumber(offset) || !consumerGroup) return undefined
  if (!failedAt || Number.isNaN(Date.parse(failedAt))) return undefined

  const origin: Origin = { topic, partition: Number(partition), offset }
  const original: IncomingMessage = {
    ...message,
    ...origin,
    headers: withoutDeadLetterHeaders(message.headers),
  }
  const leftAtOrigin = headerOf(message, 'dead-letter-left-at-origin')
  const lastOffset = headerOf(message, 'dead-letter-origin-last-offset')
  const originLastOffset = isNumber(lastOffset) ? lastOffset : undefined
  return {
    id,
    origin,
    originLastOffset,
    consumerGroup,
    errorCode: headerOf(message, 'dead-letter-error-code') ?? 'unknown',
    errorMessage: headerOf(message, 'dead-letter-error-message') ?? '',
    attempts: Number(headerOf(message, 'dead-letter-attempts') ?? 1),
    failedAt,
    copies: 1,
    checkoutId: checkoutNamedBy(original),
    eventId: messageIdOf(original),
    eventType: eventTypeOf(original),
    failedIn: spanNamedBy(headerOf(message, 'dead-letter-traceparent')),
    sentIn: spanNamedBy(headerOf(message, 'dead-letter-origin-traceparent')),
    redrives: [],
    redriveOf: original.headers[redriveHeader],
    unreadable: originLastOffset === undefined ? whyUnreadable(original) : 'unreadable_batch',
    message: original,
    leftAtOrigin: leftAtOrigin === undefined ? undefined : Number(leftAtOrigin),
  }
}

// Whoever forges a letter could have it redriven to any topic that the operator may write to.
const isTopic = (topic: string | undefined): topic is Topic =>
  (topics as readonly (string | undefined)[]).includes(topic)

const isNumber = (text: string | undefined): text is string => text !== undefined && /^\d{1,19}$/.test(text)

function whyUnreadable(message: IncomingMessage): string | undefined {
  try {
    fromMessage(message)
    return undefined
  } catch (error) {
    if (error instanceof PoisonMessage) return error.code
    throw error
  }
}

export interface Filter {
  /** The topic that it failed on. */
  readonly topic?: string
  readonly consumerGroup?: string
  readonly errorCode?: string
  readonly checkoutId?: string
  /** Milliseconds since the epoch; those that failed then or later. */
  readonly sinceMillis?: number
}

export const isWanted =
  ({ topic, consumerGroup, errorCode, checkoutId, sinceMillis = 0 }: Filter) =>
  (letter: DeadLetter): boolean =>
    (topic === undefined || letter.origin.topic === topic) &&
    (consumerGroup === undefined || letter.consumerGroup === consumerGroup) &&
    (errorCode === undefined || letter.errorCode === errorCode) &&
    (checkoutId === undefined || letter.checkoutId === checkoutId) &&
    Date.parse(letter.failedAt) >= sinceMillis

/** Emails and payment tokens, as the Collector knows them too. */
const personal = /[^\s@"'<>(),;:=/\\]+(?:@|%40)[\p{L}\p{N}.-]+\.\p{L}{2,}|tok_[\w-]+/gu

export const masked = (text: string): string => text.replaceAll(personal, '****')

/** What is shown of the headers: nothing whose content is not ours is. */
export function shownHeaders(headers: Headers, withPayload: boolean): Headers {
  const ours = /^(?:ce_\w+|content-type|traceparent|b3|redrive-of)$/
  return Object.fromEntries(
    Object.entries(headers).map(([name, value]) => {
      if (withPayload) return [name, value]
      return [masked(name), ours.test(name) ? masked(value) : '****']
    }),
  )
}
