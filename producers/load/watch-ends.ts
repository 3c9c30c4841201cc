/**
 * Sees accepted checkouts come to their ends. On Kafka, the terminal events of all checkouts are read along, which costs
 * the system one more reader of one topic. At the gateway, each look reads every service's store; so it is asked for few
 * while the load lasts, and for the others afterwards. Both give the time that the terminal event has itself, so what a
 * checkout took does not depend on when somebody looked.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { typeOf } from '../../shared/kafka/cloud-events.ts'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import { followTopic } from '../../shared/kafka/follow-topic.ts'
import type { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { within } from '../../shared/process/deadline.ts'
import { checkoutNamedBy } from '../../shared/kafka/public-names.ts'
import { topicOf } from '../../shared/saga/events.ts'
import type { EndSeen, GatewayClient } from './gateway-client.ts'
import { endOf } from './gateway-client.ts'

export type EndSource =
  { readonly by: 'kafka'; readonly kafka: Pick<KafkaConnection, 'client'> } | { readonly by: 'gateway' }

/** 20 looks a second while the load lasts: all of a small load, a sample of a large one. */
const sampleIntervalMillis = 50
const readsAtOnce = 8
const pauseBetweenPassesMillis = 500
const lookMillis = 50
const leaveMillis = 5_000

/** Kafka does not answer, or has no topic to follow; the message says what to do. */
export class KafkaAway extends Error {
  readonly code = 'kafka_away'
  readonly retriable = true
}

export interface EndsSeen {
  readonly missedByKafka: number
  readonly gatewayReads: number
  /** What could not be asked for the last time that it was tried, and why. */
  readonly unanswered: number
  readonly lostKafka: Error | undefined
}

export class EndWatch {
  readonly #client: Pick<GatewayClient, 'readEnd'>
  readonly #rememberMillis: number
  readonly #open = new OpenCheckouts()
  /** Ends of checkouts that nobody has told us of yet; most are strangers'. */
  readonly #early = new Map<string, { readonly seen: EndSeen; readonly seenAt: number }>()
  readonly #unanswered = new Set<string>()
  #gatewayReads = 0
  #missedByKafka = 0
  #lostKafka: Error | undefined
  #unfollow: (() => Promise<void>) | undefined
  #sampling: NodeJS.Timeout | undefined

  /** @param rememberMillis how much later than its end a checkout may be told of: the longest that an answer takes */
  constructor(client: Pick<GatewayClient, 'readEnd'>, rememberMillis: number) {
    this.#client = client
    this.#rememberMillis = rememberMillis
  }

  /** @throws KafkaAway */
  async start(source: EndSource): Promise<void> {
    if (source.by === 'gateway') {
      let looking = false
      this.#sampling = setInterval(() => {
        const checkoutId = this.#open.any()
        if (looking || checkoutId === undefined) return
        looking = true
        void this.#read(checkoutId).finally(() => {
          looking = false
        })
      }, sampleIntervalMillis)
      return
    }
    this.#unfollow = await followTopic(source.kafka, topicOf.CheckoutCompleted, {
      onMessage: (message) => this.see(message),
      onLost: (error) => {
        this.#lostKafka = error
      },
    }).catch((cause: unknown) => {
      throw new KafkaAway(`Kafka cannot be followed: ${(cause as Error).message}.`, { cause })
    })
  }

  /** Watches a checkout; `onEnd` is called once, or never. */
  watch(checkoutId: string, onEnd: (seen: EndSeen) => void): void {
    this.#open.add(checkoutId, onEnd)
    const early = this.#early.get(checkoutId)
    if (!early) return
    this.#early.delete(checkoutId)
    this.#ended(checkoutId, early.seen)
  }

  /** Takes notice of a message of the topic, if it says that a checkout has ended. */
  see(message: IncomingMessage): void {
    const end = endOf[typeOf(message) ?? '']
    const checkoutId = checkoutNamedBy(message)
    const atMillis = Date.parse(message.headers.ce_time ?? '')
    if (!end || checkoutId === undefined || Number.isNaN(atMillis)) return
    const seen = { end, atMillis }
    if (!this.#ended(checkoutId, seen)) this.#early.set(checkoutId, { seen, seenAt: performance.now() })
  }

  /** Forgets ends that nobody will ask for any more; to be called now and then. */
  forgetStrangers(): void {
    const before = performance.now() - this.#rememberMillis
    for (const [checkoutId, { seenAt }] of this.#early) {
      if (seenAt > before) return
      this.#early.delete(checkoutId)
    }
  }

  /**
   * Waits until all are at their ends, or the deadline has passed and the gateway was asked once more for the others.
   * @param deadlineAt by `performance.now()`
   */
  async settle(deadlineAt: number, signal?: AbortSignal): Promise<void> {
    clearInterval(this.#sampling)
    const isOver = () => this.#open.size === 0 || signal?.aborted === true
    while (this.#unfollow && !this.#lostKafka && !isOver() && performance.now() < deadlineAt) {
      await delay(lookMillis)
    }
    while (!isOver()) {
      const isLast = performance.now() >= deadlineAt
      await this.#readAll(signal)
      if (isLast) return
      if (!isOver())
        await delay(Math.max(0, Math.min(pauseBetweenPassesMillis, deadlineAt - performance.now())))
    }
  }

  async stop(): Promise<EndsSeen> {
    clearInterval(this.#sampling)
    const unfollowed = this.#unfollow?.()
    this.#unfollow = undefined
    // A Kafka that is lost cannot be left in form.
    if (unfollowed) await within(leaveMillis, 'leaving Kafka', unfollowed).catch(() => undefined)
    return {
      missedByKafka: this.#missedByKafka,
      gatewayReads: this.#gatewayReads,
      unanswered: this.#unanswered.size,
      lostKafka: this.#lostKafka,
    }
  }

  #ended(checkoutId: string, seen: EndSeen): boolean {
    const onEnd = this.#open.take(checkoutId)
    onEnd?.(seen)
    return onEnd !== undefined
  }

  async #readAll(signal?: AbortSignal): Promise<void> {
    const left = this.#open.ids()
    const readOn = async () => {
      for (let id = left.pop(); id !== undefined && !signal?.aborted; id = left.pop()) await this.#read(id)
    }
    await Promise.all(Array.from({ length: readsAtOnce }, readOn))
  }

  async #read(checkoutId: string): Promise<void> {
    this.#gatewayReads += 1
    try {
      const seen = await this.#client.readEnd(checkoutId)
      this.#unanswered.delete(checkoutId)
      if (seen && this.#ended(checkoutId, seen) && this.#unfollow) this.#missedByKafka += 1
    } catch {
      this.#unanswered.add(checkoutId)
    }
  }
}

type OnEnd = (seen: EndSeen) => void

/** A map from which any one can be had at no cost. */
class OpenCheckouts {
  readonly #ids: string[] = []
  readonly #places = new Map<string, { readonly onEnd: OnEnd; index: number }>()

  get size(): number {
    return this.#ids.length
  }

  add(id: string, onEnd: OnEnd): void {
    this.#places.set(id, { onEnd, index: this.#ids.length })
    this.#ids.push(id)
  }

  any(): string | undefined {
    return this.#ids[Math.floor(Math.random() * this.#ids.length)]
  }

  ids(): string[] {
    return [...this.#ids]
  }

  take(id: string): OnEnd | undefined {
    const place = this.#places.get(id)
    const last = this.#ids.pop()
    if (!place || last === undefined) {
      if (last !== undefined) this.#ids.push(last)
      return undefined
    }
    this.#places.delete(id)
    const moved = this.#places.get(last)
    if (moved) {
      moved.index = place.index
      this.#ids[place.index] = last
    }
    return place.onEnd
  }
}
