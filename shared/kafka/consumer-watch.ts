/**
 * Watches a consumer for silence. kafkajs's heartbeats prove nothing: they go on while a handler hangs, and a client
 * that cannot reach its broker tries again for ever. What proves life is handlers that end or try again, and fetches.
 */
import type { IncomingMessage } from './cloud-events.ts'
import { checkoutNamedBy } from './public-names.ts'
import type { KafkaTimings } from './timings.ts'

type Place = Readonly<Record<string, string | number | undefined>>

/** Where a message lies and which checkout it is about, for a log line; nothing of its content. */
export const placeOf = (message: IncomingMessage): Place => ({
  topic: message.topic,
  partition: message.partition,
  offset: message.offset,
  'saga.id': checkoutNamedBy(message),
})

/** The process cannot go on by itself: it should end and be started anew. */
export class ConsumerStalled extends Error {
  readonly code: 'handler_hung' | 'consumer_silent'
  /** Of the message that does not get done. */
  readonly place: Place

  constructor(code: ConsumerStalled['code'], why: string, place: Place = {}) {
    super(why)
    this.name = 'ConsumerStalled'
    this.code = code
    this.place = place
  }
}

/** A message in hand. */
export interface Watched {
  /** The handler lives: it tries again. */
  readonly tried: () => void
  readonly handled: () => void
  readonly failed: () => void
}

type Limits = Pick<KafkaTimings, 'sessionTimeoutMillis' | 'handlerTimeoutMillis' | 'stallLimitMillis'>

export class ConsumerWatch {
  readonly #limits: Limits
  /** A tick that comes this late says that the process stood still, and that time is nobody's fault. */
  readonly #longestTickMillis: number
  readonly #inHand = new Set<{ readonly message: IncomingMessage; silentMillis: number }>()
  #isMember = false
  #wasMember = false
  #failedSinceFetch = false
  #silentMillis = 0
  #stalled: ConsumerStalled | undefined

  /** @param longestTickMillis twice the interval at which `tick` is called, or so */
  constructor(limits: Limits, longestTickMillis: number) {
    this.#limits = limits
    this.#longestTickMillis = longestTickMillis
  }

  /** It is a member of its group, hears from the broker, and no handler hangs. */
  get isReady(): boolean {
    return this.#isMember && !this.#stalled && this.#silentMillis < this.#limits.sessionTimeoutMillis
  }

  /** How long the message that has been silent longest has been so; 0 with none in hand. */
  get longestSilenceMillis(): number {
    return Math.max(0, ...[...this.#inHand].map(({ silentMillis }) => silentMillis))
  }

  joined(): void {
    this.#isMember = true
    this.#wasMember = true
  }

  left(): void {
    this.#isMember = false
  }

  /** To fetch the same message again and again and fail at it is no progress. */
  fetched(): void {
    if (!this.#failedSinceFetch) this.#silentMillis = 0
    this.#failedSinceFetch = false
  }

  began(message: IncomingMessage): Watched {
    const inHand = { message, silentMillis: 0 }
    this.#inHand.add(inHand)
    return {
      tried: () => (inHand.silentMillis = 0),
      handled: () => {
        this.#inHand.delete(inHand)
        this.#silentMillis = 0
      },
      failed: () => {
        this.#inHand.delete(inHand)
        this.#failedSinceFetch = true
      },
    }
  }

  /**
   * Lets time pass.
   * @param elapsedMillis since the last tick
   * @returns why the process should end, once
   */
  tick(elapsedMillis: number): ConsumerStalled | undefined {
    if (this.#stalled) return undefined
    const millis = Math.min(elapsedMillis, this.#longestTickMillis)
    // Before it has ever been a member it waits for Kafka, as long as that takes. With messages in hand it does
    // not fetch, and these are watched themselves.
    if (this.#wasMember && this.#inHand.size === 0) this.#silentMillis += millis
    for (const inHand of this.#inHand) inHand.silentMillis += millis
    this.#stalled = this.#findStall()
    return this.#stalled
  }

  #findStall(): ConsumerStalled | undefined {
    const { handlerTimeoutMillis, stallLimitMillis } = this.#limits
    for (const { message, silentMillis } of this.#inHand) {
      if (silentMillis < handlerTimeoutMillis) continue
      return new ConsumerStalled(
        'handler_hung',
        `a handler has hung for ${handlerTimeoutMillis} ms`,
        placeOf(message),
      )
    }
    if (this.#silentMillis < stallLimitMillis) return undefined
    return new ConsumerStalled('consumer_silent', `the consumer has got nowhere for ${stallLimitMillis} ms`)
  }
}
