/**
 * The only file that knows kafkajs: clients, topics, and a consumer that commits offsets off the hot path.
 *
 * kafkajs had its last release in 2023. What it does not do, or does wrong, is answered here, each at its place.
 */
import { setTimeout as delay } from 'node:timers/promises'
import './quirks/before-kafkajs.ts'
import type { Admin, KafkaMessage, logCreator, SASLOptions } from 'kafkajs'
import kafkajs from 'kafkajs'
import { topics } from '../saga/events.ts'
import type { KafkaSecurity } from '../process/transport-security.ts'
import { countStall } from '../telemetry/consumer-stalls.ts'
import type { Logger } from '../telemetry/logger.ts'
import { DeadlineExceeded, within } from '../process/deadline.ts'
import { failpoint } from '../process/failpoints.ts'
import type { IncomingMessage } from './cloud-events.ts'
import { ConsumerWatch, placeOf } from './consumer-watch.ts'
import { coPartitionedAssigner } from './co-partitioned-assigner.ts'
import { Lanes } from './lanes.ts'
import { readableHeaders } from './headers.ts'
import { ClientSockets } from './quirks/client-sockets.ts'
import './quirks/compression-codecs.ts'
import './quirks/idle-timer.ts'
import './quirks/request-codecs.ts'
import type { FetchedBatch } from './quirks/side-by-side.ts'
import { withBatchesTakenBy } from './quirks/side-by-side.ts'
import { unreadableBatchOf } from './quirks/unreadable-batches.ts'
import { deadLetterTopic } from './middleware/dead-letter.ts'
import { OffsetTracker } from './offset-tracker.ts'
import type { KafkaTimings } from './timings.ts'
import { defaultTimings } from './timings.ts'

const {
  Kafka,
  KafkaJSError,
  KafkaJSProtocolError,
  KafkaJSSASLAuthenticationError,
  logLevel,
  PartitionAssigners,
  Partitioners,
} = kafkajs

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
  readonly offsetCommitIntervalMillis: number
  /** Whether a message is for `handle`. Of others there is no span and no line; they count as handled. */
  readonly concerns?: (message: IncomingMessage) => boolean
  /**
   * Messages with one key are handled one after the other, different keys side by side.
   * @param heartbeat for a handler that tries again: it says so, and rejects when the message is not its any more
   * @param holdOffset keeps the message's offset from being committed until the work is done; when it fails, the message
   *   is delivered again after the next start
   */
  readonly handle: (
    message: IncomingMessage,
    heartbeat: () => Promise<void>,
    holdOffset: (work: Promise<unknown>) => void,
  ) => Promise<void>
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

const refusals: ReadonlySet<unknown> = new Set([
  'REBALANCE_IN_PROGRESS',
  'UNKNOWN_MEMBER_ID',
  'ILLEGAL_GENERATION',
  'FENCED_INSTANCE_ID',
])

/** The broker says that this member has to join anew. A broker that cannot be asked says nothing. */
const isRefusal = (error: unknown): boolean =>
  error instanceof KafkaJSProtocolError && refusals.has(error.type)

const partitionLost = (error: unknown): void => {
  if (isRefusal(error)) throw new PartitionLost(error)
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

/**
 * What a process has in hand at most, of all its partitions: enough for batches to grow to what the store and the
 * broker take at once, and little enough to be handled within a session.
 */
const inHandLimits = { messages: 1_000, bytes: 8 * 1_024 * 1_024 }
/** What a message takes in memory beside its key and value: its headers, and objects. */
const messageOverheadBytes = 1_024

/**
 * The next fetch waits until what was fetched is handled, or for so long where some of it is slow: under load a fetch
 * for each few messages costs the broker and the services more than the messages do.
 */
const fetchPauseMillis = 25

/** Before a message is handled again that failed and is no dead letter: at first, and at most. */
const redeliveryPauseMillis = { first: 100, longest: 5_000 }

interface ConnectedAdmin {
  readonly admin: Admin
  readonly disconnect: () => Promise<void>
}

/** A message on its way to the handler. */
interface Delivery {
  readonly incoming: IncomingMessage
  readonly heartbeat: () => Promise<void>
  readonly holdOffset: (work: Promise<unknown>) => void
}

/** Taking a batch over does not take long, unless all that may be in hand is. */
const batchesTakenConcurrently = 12

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
    const stopped = new AbortController()
    const consumer = kafka.consumer({
      groupId: options.groupId,
      allowAutoTopicCreation: false,
      sessionTimeout: sessionTimeoutMillis,
      heartbeatInterval: Math.floor(sessionTimeoutMillis / 3),
      // A group that a release before this one is in goes by what both know.
      partitionAssigners: [coPartitionedAssigner, PartitionAssigners.roundRobin],
      rebalanceTimeout: rebalanceTimeoutMillis,
      // What is fetched comes on top of what is in hand: behind a backlog, kafkajs's own 1 MiB of each partition grew a
      // process by tens of MiB. A message larger than that still comes, by itself.
      maxBytesPerPartition: 128 * 1_024,
      maxBytes: 1_024 * 1_024,
      maxWaitTimeInMs: Math.min(1_000, Math.floor(sessionTimeoutMillis / 4)), // an idle one sends no other heartbeats
      // After these it crashes, joins anew and goes on; also when it was told to stop meanwhile, unless we say no.
      retry: { retries: 12, restartOnFailure: () => Promise.resolve(!stopping) },
    })
    const offsets = new OffsetTracker()
    const watch = new ConsumerWatch(this.#timings, 2 * tickMillis)
    const lanes = new Lanes(inHandLimits)
    const inHand = new Set<Promise<void>>()
    /** Of messages that are handled, while something of them is not done. */
    const heldOffsets = new Set<Promise<void>>()
    const untilHandled = async (): Promise<void> => {
      await Promise.allSettled(inHand)
      await Promise.all(heldOffsets)
    }
    /** Since the group was divided last: how to tell the broker that this member lives, and what it answered. */
    let membership: { heartbeat?: () => Promise<void>; lost?: unknown } = {}

    const commitOffsets = async (): Promise<void> => {
      const batch = offsets.take()
      if (batch.length === 0) return
      try {
        failpoint('offsets-due')
        await consumer.commitOffsets(batch)
        failpoint('offsets-committed')
      } catch (error) {
        // Mostly a rebalance under way. What is not committed is delivered again and found done.
        offsets.notCommitted(batch)
        this.#log.debug({ 'event.name': 'kafka.offsets_not_committed', err: error }, 'offsets not committed')
      }
    }

    let assigned: Readonly<Record<string, readonly number[]>> = {}
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      offsets.clear() // another member may be ahead of us on a partition that came back
      membership = {} // and what waits for its lane is delivered again, here or there
      assigned = payload.memberAssignment
      lanes.wakeUp()
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
    /** Under the instrumentation, which has started the message's span. */
    const handle = async (message: KafkaMessage): Promise<void> => {
      const handling = deliveries.get(message)
      if (handling) await options.handle(handling.incoming, handling.heartbeat, handling.holdOffset)
    }
    const deliveries = new WeakMap<KafkaMessage, Delivery>()

    /** Until it is handled, or is somebody else's to handle. Never rejects. */
    const handleInLane = async (
      batch: FetchedBatch,
      message: KafkaMessage,
      incoming: IncomingMessage,
      own: typeof membership,
      done: () => void,
    ) => {
      const isOver = (): boolean => stopping || own !== membership
      if (isOver()) return
      const held: Promise<unknown>[] = []
      const watched = watch.began(incoming)
      deliveries.set(message, {
        incoming,
        holdOffset: (work) => {
          work.catch(() => undefined) // looked at below, once the message is handled
          held.push(work)
        },
        heartbeat: async () => {
          watched.tried()
          if (own !== membership) throw new PartitionLost(new Error('the group was divided anew'))
          await batch.heartbeat().catch(partitionLost)
        },
      })
      for (let pauseMillis = redeliveryPauseMillis.first; ; pauseMillis *= 2) {
        held.length = 0
        try {
          await batch.eachMessage(message)
          watched.handled()
          // Not handled to the end while something of it is not done: then it is delivered again after a restart.
          const remembering = Promise.all(held).then(done, () => undefined)
          heldOffsets.add(remembering)
          void remembering.then(() => heldOffsets.delete(remembering))
          return
        } catch (error) {
          if (isOver() || error instanceof PartitionLost) {
            watched.failed()
            return
          }
          this.#log.warn(
            { 'event.name': 'kafka.message_redelivered', ...placeOf(incoming), err: error },
            'handled again after a pause',
          )
          const { signal } = stopped
          await delay(Math.min(pauseMillis, redeliveryPauseMillis.longest), undefined, { signal }).catch(
            () => undefined,
          )
          if (isOver()) {
            watched.failed()
            return
          }
        }
      }
    }

    const take = async (batch: FetchedBatch): Promise<void> => {
      const { topic, partition, messages, lastOffset } = batch
      membership.heartbeat = batch.heartbeat
      const own = membership
      const goesOn = (): boolean => {
        if (own.lost !== undefined) throw own.lost as Error // kafkajs joins its group again when it sees its own error
        return !stopping && own === membership // what is not begun is delivered again
      }
      const taken: Promise<void>[] = []
      for (const message of messages) {
        if (!goesOn()) return
        const incoming = toIncoming(topic, partition, message)
        if (options.concerns?.(incoming) === false) {
          offsets.passed(topic, partition, message.offset)
          continue
        }
        const bytes = messageOverheadBytes + (message.value?.length ?? 0)
        while (!lanes.hasRoomFor(bytes)) {
          await lanes.changed()
          if (!goesOn()) return
        }
        const done = offsets.began(topic, partition, message.offset)
        const handled = lanes.enter(incoming.key, bytes, () => {
          const handling = handleInLane(batch, message, incoming, own, done)
          inHand.add(handling)
          return handling.finally(() => inHand.delete(handling))
        })
        taken.push(handled)
      }
      offsets.passed(topic, partition, lastOffset)
      if (taken.length > 0) await Promise.race([Promise.all(taken), delay(fetchPauseMillis)])
    }

    await withBatchesTakenBy(take, () =>
      consumer.run({
        autoCommit: false,
        partitionsConsumedConcurrently: batchesTakenConcurrently,
        eachMessage: ({ message }) => handle(message),
      }),
    )

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
      // kafkajs sends heartbeats between fetches only, and while all that may be in hand is, it does not fetch. It minds
      // the interval itself.
      if (inHand.size > 0) {
        const own = membership
        own.heartbeat?.().catch((error: unknown) => {
          if (!isRefusal(error)) return
          own.lost = error
          lanes.wakeUp()
        })
      }
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
        stopped.abort()
        clearInterval(commitTimer)
        await admin?.then(({ disconnect }) => disconnect()).catch(() => undefined)
        // consumer.stop() leaves the group, after which no offset can be committed: so pause, finish, commit.
        try {
          consumer.pause(options.topics.map((topic) => ({ topic })))
        } catch {
          // After a crash there is nothing to pause.
        }
        try {
          lanes.wakeUp()
          await within(drainMillis, 'messages in hand', untilHandled())
        } catch (error) {
          this.#log.warn({ 'event.name': 'kafka.not_drained', err: error }, 'what is left is delivered again')
        }
        await within(closeMillis, 'the last offsets', commitOffsets()).catch(() => undefined)
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
  const unreadableBatch = unreadableBatchOf(message)
  return {
    topic,
    partition,
    offset: message.offset,
    producedAtMillis: Number(message.timestamp),
    key: message.key?.toString(),
    value: message.value,
    headers: readableHeaders(message.headers),
    ...(unreadableBatch && { unreadableBatch }),
  }
}
