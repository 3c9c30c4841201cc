/**
 * The only file that knows kafkajs: clients, topics, and a consumer that commits offsets off the hot path.
 *
 * kafkajs had its last release in 2023. What it does not do, or does wrong, is answered here, each at its place.
 */
import { connect as connectTcp } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import type { Admin, ISocketFactory, KafkaMessage, logCreator, Producer } from 'kafkajs'
import kafkajs from 'kafkajs'
import { topics } from '../contracts/events.ts'
import type { Logger } from '../telemetry/logger.ts'
import type { IncomingMessage } from './cloud-events.ts'
import { readableHeaders } from './headers.ts'
import './kafkajs-idle-timer.ts'
import { deadLetterTopic } from './middleware/dead-letter.ts'
import { OffsetTracker } from './offset-tracker.ts'

const { Kafka, logLevel, Partitioners } = kafkajs

export interface KafkaConfig {
  /** host:port, at least one */
  readonly brokers: readonly string[]
  readonly clientId: string
}

/** What is given to Kafka: the key decides the partition. */
export interface ProducerMessage {
  readonly topic: string
  readonly key: string | null
  readonly value: string | Buffer | null
  readonly headers: Readonly<Record<string, string>>
}

export type Send = (messages: readonly ProducerMessage[]) => Promise<void>

export interface PartitionLag {
  readonly topic: string
  readonly partition: number
  /** Messages that the group has not handled yet. */
  readonly messages: number
}

export interface RunningConsumer {
  /** True from the first join of the group until the consumer stops or leaves it. */
  readonly joined: () => boolean
  /** How far this member's partitions are behind, by the offsets that the group has committed. */
  lag(): Promise<readonly PartitionLag[]>
  /** Stops fetching, lets handlers finish, commits what they did, and leaves the group. */
  stop(): Promise<void>
}

export interface ConsumerOptions {
  readonly groupId: string
  readonly topics: readonly string[]
  /** How many partitions are handled side by side. */
  readonly concurrency: number
  readonly offsetCommitIntervalMillis: number
  readonly handle: (message: IncomingMessage, heartbeat: () => Promise<void>) => Promise<void>
  /** Called when the consumer has died for good: the process should end and be started again. */
  readonly onFatal: (error: Error) => void
}

// A request of a few hundred bytes must not wait for Nagle's algorithm.
const socketFactory: ISocketFactory = ({ host, port, ssl, onConnect }) => {
  const tls = ssl as ConnectionOptions | undefined // its type says always, but it is there only when asked for
  const socket = tls ? connectTls({ host, port, ...tls }, onConnect) : connectTcp({ host, port }, onConnect)
  socket.setNoDelay(true)
  socket.setKeepAlive(true, 60_000)
  return socket
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

export class KafkaConnection {
  readonly #kafka: InstanceType<typeof Kafka>
  readonly #log: Logger

  constructor({ brokers, clientId }: KafkaConfig, log: Logger) {
    this.#log = log
    this.#kafka = new Kafka({
      brokers: [...brokers],
      clientId,
      socketFactory,
      logLevel: logLevel.INFO,
      logCreator: bunyanLogs(log),
      // Coordinators load for a while after a broker starts; keep asking for about half a minute.
      retry: { initialRetryTime: 100, maxRetryTime: 5_000, retries: 12 },
    })
  }

  /** Creates the saga's topics where they are missing; an existing topic is left as it is. */
  async ensureTopics(partitions: number, replicationFactor = 1): Promise<void> {
    const admin = await this.#connectAdmin()
    try {
      const existing = new Set(await admin.listTopics())
      const missing = [...topics, deadLetterTopic].filter((topic) => !existing.has(topic))
      if (missing.length === 0) return
      await admin.createTopics({
        topics: missing.map((topic) => ({ topic, numPartitions: partitions, replicationFactor })),
        waitForLeaders: true,
      })
    } finally {
      await admin.disconnect()
    }
  }

  async #connectAdmin(): Promise<Admin> {
    const admin = this.#kafka.admin()
    await admin.connect()
    return admin
  }

  /**
   * Connects a producer. Not kafkajs's idempotent one: with several sends in flight it can lose messages
   * that the broker acknowledged. All replicas acknowledge; duplicates are dropped by the store.
   */
  async connectProducer(): Promise<{ send: Send; disconnect: () => Promise<void> }> {
    const producer: Producer = this.#kafka.producer({
      createPartitioner: Partitioners.DefaultPartitioner,
      allowAutoTopicCreation: false,
    })
    await producer.connect()
    return {
      send: async (messages) => {
        // One headers object a message: the instrumentation writes `traceparent` into it.
        const topicMessages = messages.map(({ topic, key, value, headers }) => ({
          topic,
          messages: [{ key, value, headers: { ...headers } }],
        }))
        await producer.sendBatch({ topicMessages, acks: -1 })
      },
      disconnect: () => producer.disconnect(),
    }
  }

  async startConsumer(options: ConsumerOptions): Promise<RunningConsumer> {
    const consumer = this.#kafka.consumer({
      groupId: options.groupId,
      allowAutoTopicCreation: false,
      sessionTimeout: 30_000,
      maxWaitTimeInMs: 1_000,
    })
    const offsets = new OffsetTracker()
    const underWay = new Set<Promise<void>>()
    let joined = false
    let stopping = false

    const commitOffsets = async (): Promise<void> => {
      const batch = offsets.take()
      if (batch.length === 0) return
      try {
        await consumer.commitOffsets(batch)
      } catch (error) {
        // Mostly a rebalance under way. What is not committed is delivered again and found done.
        this.#log.debug({ 'event.name': 'kafka.offsets_not_committed', err: error }, 'offsets not committed')
      }
    }

    let assigned: Readonly<Record<string, readonly number[]>> = {}
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
      offsets.clear() // another member may be ahead of us on a partition that came back
      assigned = payload.memberAssignment
      joined = true
    })
    consumer.on(consumer.events.REBALANCING, () => void commitOffsets())
    consumer.on(consumer.events.CRASH, ({ payload }) => {
      joined = false
      // kafkajs restarts by itself after errors it takes for passing, and stays silent for ever after others.
      if (!payload.restart) options.onFatal(payload.error)
    })

    await consumer.connect()
    await consumer.subscribe({ topics: [...options.topics], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      partitionsConsumedConcurrently: options.concurrency,
      eachMessage: async (payload) => {
        // kafkajs still opens the batches that it has fetched before the pause; they are delivered again.
        if (stopping) return
        const { topic, partition, message } = payload
        const heartbeat = () => payload.heartbeat().catch(partitionLost)
        const handling = options.handle(toIncoming(topic, partition, message), heartbeat)
        underWay.add(handling)
        try {
          await handling
          offsets.handled(topic, partition, message.offset)
        } catch (error) {
          // kafkajs joins its group again when it sees its own error.
          throw error instanceof PartitionLost ? error.cause : error
        } finally {
          underWay.delete(handling)
        }
      },
    })
    const timer = setInterval(() => void commitOffsets(), options.offsetCommitIntervalMillis)

    let admin: Promise<Admin> | undefined
    return {
      joined: () => joined,
      lag: async () => {
        admin ??= this.#connectAdmin()
        return lagOf(await admin, options.groupId, assigned)
      },
      stop: async () => {
        clearInterval(timer)
        await (await admin)?.disconnect()
        joined = false
        stopping = true
        // consumer.stop() leaves the group, after which no offset can be committed: so pause, finish, commit.
        consumer.pause(options.topics.map((topic) => ({ topic })))
        await Promise.allSettled(underWay)
        await commitOffsets()
        await consumer.disconnect()
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

function toIncoming(topic: string, partition: number, message: KafkaMessage): IncomingMessage {
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
