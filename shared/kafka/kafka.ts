/**
 * The only file that knows kafkajs: clients, topics, and a consumer that commits offsets off the hot path.
 *
 * kafkajs had its last release in 2023. What it does not do, or does wrong, is answered here, each at its place.
 */
import type { Admin, KafkaMessage, logCreator, SASLOptions } from 'kafkajs'
import kafkajs from 'kafkajs'
import { topics } from '../saga/events.ts'
import type { KafkaSecurity } from '../process/transport-security.ts'
import { countStall } from '../telemetry/consumer-stalls.ts'
import type { Logger } from '../telemetry/logger.ts'
import { DeadlineExceeded, within } from '../process/deadline.ts'
import { failpoint } from '../process/failpoints.ts'
import { ClientSockets } from './quirks/client-sockets.ts'
import type { IncomingMessage } from './cloud-events.ts'
import { ConsumerWatch } from './consumer-watch.ts'
import { readableHeaders } from './headers.ts'
import './quirks/request-codecs.ts'
import './quirks/idle-timer.ts'
import { deadLetterTopic } from './middleware/dead-letter.ts'
import { OffsetTracker } from './offset-tracker.ts'
import type { KafkaTimings } from './timings.ts'
import { defaultTimings } from './timings.ts'

const { Kafka, KafkaJSError, KafkaJSProtocolError, KafkaJSSASLAuthenticationError, logLevel, Partitioners } =
  kafkajs

export interface KafkaConfig {
  /** host:port, at least one */
  readonly brokers: readonly string[]
  readonly clientId: string
  /** Neither TLS nor a user unless told otherwise. */
  readonly security?: KafkaSecurity
  /** The defaults' own unless told otherwise. */
  readonly timings?: Partial<KafkaTimings>
}

/** What is given to Kafka: the key decides the partition. */
export interface ProducerMessage {
  readonly topic: string
  readonly key: string | null
  readonly value: string | Buffer | null
  readonly headers: Readonly<Record<string, string>>
}

/** @throws KafkaUnavailable when the broker did not take them in time */
export type Send = (messages: readonly ProducerMessage[]) => Promise<void>

export interface PartitionLag {
  readonly topic: string
  readonly partition: number
  /** Messages that the group has not handled yet. */
  readonly messages: number
}

export interface RunningConsumer {
  /** It is a member of its group, hears from the broker, and no handler hangs. */
  readonly isReady: () => boolean
  /** How long the message in hand that has waited longest has given no sign of life; 0 with none in hand. */
  readonly longestSilenceMillis: () => number
  /** How far this member's partitions are behind, by the offsets that the group has committed. */
  lag(): Promise<readonly PartitionLag[]>
  /** Stops fetching, lets handlers finish, commits what they did, and leaves the group; never rejects or hangs. */
  stop(): Promise<void>
}

export interface ConsumerOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  /** How many partitions are handled side by side. */
  readonly concurrency: number
  readonly offsetCommitIntervalMillis: number
  /** `heartbeat` is for a handler that tries again: it says so, and rejects when the message is not its any more. */
  readonly handle: (message: IncomingMessage, heartbeat: () => Promise<void>) => Promise<void>
  /** Called when the consumer will not go on by itself: the process should end and be started again. */
  readonly onFatal: (error: Error) => void
}

const bunyanLogs = (log: Logger): logCreator => {
  const kafkaLog = log.child({ component: 'kafkajs' })
  return () =>
    ({ level, log: entry }) => {
      const { message, groupId, broker, error, retryTime } = entry as Record<string, unknown> & {
        message: string
      }
      const line = { 'event.name': 'kafka.client', groupId, broker, error, retryTime }
      if (level === logLevel.ERROR) kafkaLog.error(line, message)
      else if (level === logLevel.WARN) kafkaLog.warn(line, message)
      else kafkaLog.debug(line, message)
    }
}

/**
 * A heartbeat was refused: the message may be another member's by now, and will be delivered again. Retriable,
 * whatever kafkajs says of its own error (REBALANCE_IN_PROGRESS: not), because the message is not at fault.
 */
class PartitionLost extends Error {
  readonly code = 'partition_lost'
  readonly retriable = true
  constructor(cause: unknown) {
    super('the broker refused a heartbeat while a message was handled', { cause })
    this.name = 'PartitionLost'
  }
}

const partitionLost = (error: unknown): never => {
  throw new PartitionLost(error)
}

/** Kafka is away, or does not answer. It is worth waiting for. */
export class KafkaUnavailable extends Error {
  readonly code = 'kafka_unavailable'
  readonly retriable = true
  constructor(cause: Error) {
    super(`Kafka is unavailable: ${cause.message}`, { cause })
    this.name = 'KafkaUnavailable'
  }
}

/**
 * kafkajs says `retriable: false` of an error that it has retried often enough: to it that is the end, to us Kafka is
 * away, and a message must not become a dead letter for it.
 */
function readably(error: unknown): unknown {
  let first = error
  while (first instanceof Error && first.cause instanceof Error) first = first.cause
  if (first instanceof KafkaJSProtocolError && !first.retriable) return first
  if (first instanceof KafkaJSSASLAuthenticationError) return first
  if (first instanceof KafkaJSError || first instanceof DeadlineExceeded) return new KafkaUnavailable(first)
  return error
}

const unreadable = (error: unknown): never => {
  throw readably(error)
}

/** The consumer's watch and its heartbeats go by this. */
const tickMillis = 250

interface ConnectedAdmin {
  readonly admin: Admin
  readonly disconnect: () => Promise<void>
}

interface Client {
  readonly kafka: InstanceType<typeof Kafka>
  readonly sockets: ClientSockets
}

export class KafkaConnection {
  readonly #log: Logger
  readonly #timings: KafkaTimings
  readonly #createClient: () => Client

  constructor({ brokers, clientId, security = {}, timings = {} }: KafkaConfig, log: Logger) {
    const { tls, sasl } = security
    this.#log = log
    this.#timings = { ...defaultTimings, ...timings }
    const { connectionTimeoutMillis, requestTimeoutMillis } = this.#timings
    this.#createClient = () => {
      const sockets = new ClientSockets(connectionTimeoutMillis)
      const kafka = new Kafka({
        brokers: [...brokers],
        clientId,
        socketFactory: sockets.create,
        ...(tls && { ssl: tls }),
        ...(sasl && { sasl: { ...sasl, password: sasl.password.reveal() } as SASLOptions }),
        logLevel: logLevel.INFO,
        logCreator: bunyanLogs(log),
        // Its own comes second: after it, what the socket says late would be taken for the next one's words.
        connectionTimeout: connectionTimeoutMillis + 1_000,
        requestTimeout: requestTimeoutMillis,
        // About 20 s; whoever calls decides what then. The pauses stay short, so that all go on soon once Kafka is back.
        retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 12 },
      })
      return { kafka, sockets }
    }
  }

  /** kafkajs itself, for tools that live beside this file; their sockets are not watched over. */
  get client(): InstanceType<typeof Kafka> {
    return this.#createClient().kafka
  }

  /**
   * Creates the saga's topics where they are missing; an existing topic is left as it is.
   * @throws KafkaUnavailable after some 20 s without Kafka
   */
  async ensureTopics(partitions: number, replicationFactor = 1): Promise<void> {
    const { admin, disconnect } = await this.#connectAdmin()
    try {
      const existing = new Set(await admin.listTopics())
      const missing = [...topics, deadLetterTopic].filter((topic) => !existing.has(topic))
      if (missing.length === 0) return
      await admin.createTopics({
        topics: missing.map((topic) => ({ topic, numPartitions: partitions, replicationFactor })),
        waitForLeaders: true,
      })
    } catch (error) {
      unreadable(error)
    } finally {
      await disconnect()
    }
  }

  async #connectAdmin(): Promise<ConnectedAdmin> {
    const { kafka, sockets } = this.#createClient()
    const admin = kafka.admin()
    admin.on(admin.events.REQUEST_TIMEOUT, ({ payload }) => sockets.giveUp(payload.broker))
    const disconnect = () => this.#close(() => admin.disconnect(), sockets)
    try {
      await admin.connect()
    } catch (error) {
      await disconnect()
      unreadable(error)
    }
    return { admin, disconnect }
  }

  /**
   * Connects a producer. Not kafkajs's idempotent one: with several sends in flight it can lose messages
   * that the broker acknowledged. All replicas acknowledge; duplicates are dropped by the store.
   * @throws KafkaUnavailable after some 20 s without Kafka
   */
  async connectProducer(): Promise<{ send: Send; disconnect: () => Promise<void> }> {
    const { sendDeadlineMillis, requestTimeoutMillis } = this.#timings
    const { kafka, sockets } = this.#createClient()
    const producer = kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
    })
    producer.on(producer.events.REQUEST_TIMEOUT, ({ payload }) => sockets.giveUp(payload.broker))
    const disconnect = () => this.#close(() => producer.disconnect(), sockets)
    try {
      await producer.connect()
    } catch (error) {
      await disconnect()
      unreadable(error)
    }
    return {
      send: async (messages) => {
        // One headers object a message: the instrumentation writes `traceparent` into it.
        const topicMessages = messages.map(({ topic, key, value, headers }) => ({
          topic,
          messages: [{ key, value, headers: { ...headers } }],
        }))
        // The broker is to give up on its replicas before we give up on it.
        const sent = producer.sendBatch({ topicMessages, acks: -1, timeout: requestTimeoutMillis / 2 })
        await within(sendDeadlineMillis, 'sending to Kafka', sent).catch(unreadable)
      },
      disconnect,
    }
  }

  /** kafkajs waits for answers when it disconnects, and some never come. */
  async #close(disconnect: () => Promise<void>, sockets: ClientSockets): Promise<void> {
    try {
      await within(this.#timings.closeMillis, 'disconnecting from Kafka', disconnect())
    } catch (error) {
      this.#log.warn({ 'event.name': 'kafka.not_disconnected', err: error }, 'closed without goodbye')
    }
    sockets.close()
  }

  /**
   * Starts a consumer; it joins its group in the background, which takes a while where coordinators still load.
   * @throws KafkaUnavailable after some 20 s without Kafka
   */
  async startConsumer(options: ConsumerOptions): Promise<RunningConsumer> {
    const { sessionTimeoutMillis, rebalanceTimeoutMillis, drainMillis, closeMillis } = this.#timings
    const { kafka, sockets } = this.#createClient()
    let stopping = false
    const consumer = kafka.consumer({
      groupId: options.groupId,
      allowAutoTopicCreation: false,
      sessionTimeout: sessionTimeoutMillis,
      heartbeatInterval: Math.floor(sessionTimeoutMillis / 3),
      rebalanceTimeout: rebalanceTimeoutMillis,
      // What is fetched is in memory until it is handled: behind a backlog, kafkajs's own 1 MiB of each partition
      // grew a process by tens of MiB. A message larger than that still comes, by itself.
      maxBytesPerPartition: 128 * 1_024,
      maxBytes: 1_024 * 1_024,
      maxWaitTimeInMs: Math.min(1_000, Math.floor(sessionTimeoutMillis / 4)), // an idle one sends no other heartbeats
      // After these it crashes, joins anew and goes on; also when it was told to stop meanwhile, unless we say no.
      retry: { retries: 12, restartOnFailure: () => Promise.resolve(!stopping) },
    })
    const offsets = new OffsetTracker()
    const watch = new ConsumerWatch(this.#timings, 2 * tickMillis)
    const underWay = new Map<Promise<void>, () => Promise<void>>()

    const commitOffsets = async (): Promise<void> => {
      const batch = offsets.take()
      if (batch.length === 0) return
      try {
        failpoint('offsets-due')
        await consumer.commitOffsets(batch)
        failpoint('offsets-committed')
      } catch (error) {
        // Mostly a rebalance under way. What is not committed is delivered again and found done.
        this.#log.debug({ 'event.name': 'kafka.offsets_not_committed', err: error }, 'offsets not committed')
      }
    }

    let assigned: Readonly<Record<string, readonly number[]>> = {}
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      offsets.clear() // another member may be ahead of us on a partition that came back
      assigned = payload.memberAssignment
      watch.joined()
    })
    consumer.on(consumer.events.REBALANCING, () => void commitOffsets())
    consumer.on(consumer.events.FETCH, () => watch.fetched())
    consumer.on(consumer.events.REQUEST_TIMEOUT, ({ payload }) => sockets.giveUp(payload.broker))
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      watch.left()
      // kafkajs restarts by itself after errors it takes for passing, and stays silent for ever after others.
      if (!payload.restart && !stopping) options.onFatal(payload.error)
    })

    try {
      await consumer.connect()
      await consumer.subscribe({ topics: [...options.topics], fromBeginning: true })
    } catch (error) {
      await this.#close(() => consumer.disconnect(), sockets)
      unreadable(error)
    }
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: options.concurrency,
      eachMessage: async (payload) => {
        // kafkajs still opens the batches that it has fetched before the pause; they are delivered again.
        if (stopping) return
        const { topic, partition, message } = payload
        const incoming = toIncoming(topic, partition, message)
        const watched = watch.began(incoming)
        const handling = options.handle(incoming, () => {
          watched.tried()
          return payload.heartbeat().catch(partitionLost)
        })
        underWay.set(handling, () => payload.heartbeat())
        try {
          await handling
          offsets.handled(topic, partition, message.offset)
          watched.handled()
        } catch (error) {
          watched.failed()
          // kafkajs joins its group again when it sees its own error.
          throw error instanceof PartitionLost ? error.cause : error
        } finally {
          underWay.delete(handling)
        }
      },
    })

    const commitTimer = setInterval(() => void commitOffsets(), options.offsetCommitIntervalMillis)
    let tickedAt = performance.now()
    const tickTimer = setInterval(() => {
      const now = performance.now()
      const stall = watch.tick(now - tickedAt)
      tickedAt = now
      if (stall && !stopping) {
        this.#log.error({ 'event.name': 'kafka.consumer_stalled', ...stall.place, err: stall }, stall.message)
        countStall(options.groupId, stall.code)
        options.onFatal(stall)
      }
      // kafkajs sends a heartbeat after each message only, and one may take longer than a session. It minds the
      // interval itself, and a refusal comes back with the next heartbeat.
      const [heartbeat] = underWay.values()
      heartbeat?.().catch(() => undefined)
    }, tickMillis)

    let admin: Promise<ConnectedAdmin> | undefined
    return {
      isReady: () => !stopping && watch.isReady,
      longestSilenceMillis: () => watch.longestSilenceMillis,
      lag: async () => {
        admin ??= this.#connectAdmin().catch((error: unknown) => {
          admin = undefined
          throw error
        })
        return lagOf((await admin).admin, options.groupId, assigned)
      },
      stop: async () => {
        stopping = true
        clearInterval(commitTimer)
        await admin?.then(({ disconnect }) => disconnect()).catch(() => undefined)
        // consumer.stop() leaves the group, after which no offset can be committed: so pause, finish, commit.
        try {
          consumer.pause(options.topics.map((topic) => ({ topic })))
        } catch {
          // After a crash there is nothing to pause.
        }
        try {
          await within(drainMillis, 'messages in hand', Promise.allSettled(underWay.keys()))
          await within(closeMillis, 'the last offsets', commitOffsets())
        } catch (error) {
          this.#log.warn({ 'event.name': 'kafka.not_drained', err: error }, 'what is left is delivered again')
        }
        clearInterval(tickTimer)
        await this.#close(() => consumer.disconnect(), sockets)
      },
    }
  }
}

async function lagOf(
  admin: Admin,
  groupId: string,
  assigned: Readonly<Record<string, readonly number[]>>,
): Promise<PartitionLag[]> {
  const topics = Object.keys(assigned)
  const committed = await admin.fetchOffsets({ groupId, topics })
  const lags = committed.map(async ({ topic, partitions }) => {
    const ends = new Map((await admin.fetchTopicOffsets(topic)).map((end) => [end.partition, end]))
    return partitions
      .filter(({ partition }) => assigned[topic]?.includes(partition))
      .map(({ partition, offset }) => {
        const end = ends.get(partition)
        const next = offset === '-1' ? end?.low : offset // a group that has committed nothing reads from the start
        return { topic, partition, messages: Math.max(0, Number(end?.high ?? 0) - Number(next ?? 0)) }
      })
  })
  return (await Promise.all(lags)).flat()
}

export function toIncoming(topic: string, partition: number, message: KafkaMessage): IncomingMessage {
  return {
    topic,
    partition,
    offset: message.offset,
    producedAtMillis: Number(message.timestamp),
    key: message.key?.toString(),
    value: message.value,
    headers: readableHeaders(message.headers),
  }
}
