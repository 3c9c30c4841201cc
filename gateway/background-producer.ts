/**
 * A producer that connects in the background and never keeps the gateway waiting: while Kafka is away a send
 * fails at once, and the outbox's sweep sends it later.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { ProducerMessage, Send } from '../shared/kafka/kafka.ts'
import type { Logger } from '../shared/telemetry/logger.ts'

export type KafkaState = 'connecting' | 'connected' | 'unreachable'

interface Producer {
  readonly send: Send
  readonly disconnect: () => Promise<void>
}

export class KafkaUnreachable extends Error {
  readonly code = 'kafka_unreachable'
  readonly retriable = true
  constructor(state: KafkaState) {
    super(`not sent: Kafka is ${state}`)
    this.name = 'KafkaUnreachable'
  }
}

export interface BackgroundProducerOptions {
  /** Creates what is missing and connects; tried until it succeeds. */
  readonly connect: () => Promise<Producer>
  readonly log: Logger
  /** Aborted when the process drains. */
  readonly signal: AbortSignal
  readonly retryIntervalMillis?: number
  /** The client tries for half a minute; what waits this long says that Kafka is away. */
  readonly patienceMillis?: number
  /** Each send under way is held in memory, by the client too. */
  readonly underWayLimit?: number
}

export class BackgroundProducer {
  readonly #options: BackgroundProducerOptions
  /** When each send under way began, by `performance.now()`. */
  readonly #underWay = new Set<{ readonly beganAt: number }>()
  #producer: Producer | undefined
  #lastFailed = false

  constructor(options: BackgroundProducerOptions) {
    this.#options = options
  }

  /** Connects, however long it takes. Never rejects; resolves when connected or drained. */
  async start(): Promise<void> {
    const { connect, log, signal, retryIntervalMillis = 2_000 } = this.#options
    while (!signal.aborted) {
      try {
        this.#producer = await connect()
        log.info({ 'event.name': 'kafka.connected' }, 'connected to Kafka')
        return
      } catch (error) {
        log.warn(
          { 'event.name': 'kafka.not_connected', err: error },
          'no Kafka yet; requests wait in the store',
        )
        await delay(retryIntervalMillis, undefined, { signal }).catch(() => undefined)
      }
    }
  }

  get state(): KafkaState {
    if (!this.#producer) return 'connecting'
    return this.#lastFailed || this.#isStuck() ? 'unreachable' : 'connected'
  }

  /** @throws KafkaUnreachable at once when not connected, or when earlier sends wait too long or are too many */
  readonly send: Send = async (messages: readonly ProducerMessage[]): Promise<void> => {
    const { underWayLimit = 2_000 } = this.#options
    if (!this.#producer || this.#isStuck() || this.#underWay.size >= underWayLimit) {
      throw new KafkaUnreachable(this.state)
    }
    const sending = { beganAt: performance.now() }
    this.#underWay.add(sending)
    try {
      await this.#producer.send(messages)
      this.#lastFailed = false
    } catch (error) {
      this.#lastFailed = true
      throw error
    } finally {
      this.#underWay.delete(sending)
    }
  }

  async stop(): Promise<void> {
    await this.#producer?.disconnect()
  }

  #isStuck(): boolean {
    const [oldest] = this.#underWay // a set keeps the order in which it was filled
    if (!oldest) return false
    return performance.now() - oldest.beganAt > (this.#options.patienceMillis ?? 10_000)
  }
}
