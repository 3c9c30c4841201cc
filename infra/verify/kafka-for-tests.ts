/** The real Kafka for a live test: sends what it is given and reads along on whole topics. */
import { randomUUID } from 'node:crypto'
import '../../shared/kafka/quirks/before-kafkajs.ts'
import kafkajs from 'kafkajs'
import type { Topic } from '../../shared/saga/events.ts'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import type { Send } from '../../shared/kafka/kafka.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import { eventually } from './eventually.ts'
import { stackForTests } from './stack-for-tests.ts'

/** Where a message lies. */
export type Place = Pick<IncomingMessage, 'topic' | 'partition' | 'offset'>

export interface KafkaForTests {
  readonly send: Send
  /** Everything on the topics, from their beginning on; grows while it is read along. */
  readonly messages: readonly IncomingMessage[]
  /** Waits until one of the messages is as asked. */
  untilMessage(label: string, isWanted: (message: IncomingMessage) => boolean): Promise<IncomingMessage>
  /** Up to where a consumer group has committed, by `topic/partition`: the next offset that it would read. */
  committedBy(groupId: string): Promise<ReadonlyMap<string, bigint>>
  /** Waits until a consumer group has committed that it is past all of the places. */
  untilPast(groupId: string, places: readonly Place[]): Promise<void>
  stop(): Promise<void>
}

const partitions = 6

export async function kafkaForTests(topics: readonly (Topic | 'dead-letters')[]): Promise<KafkaForTests> {
  const stack = await stackForTests()
  await stack.ready('kafka')
  const { log } = createRecordingLogger()
  const brokers = [stack.urls.kafkaBrokers]
  const connection = new KafkaConnection({ brokers, clientId: 'tests' }, log)
  await connection.ensureTopics(partitions)
  const producer = await connection.connectProducer()
  const admin = new kafkajs.Kafka({ brokers, logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()

  const messages: IncomingMessage[] = []
  const consumer = await connection.startConsumer({
    groupId: `tests-${randomUUID()}`,
    topics,
    offsetCommitIntervalMillis: 60_000,
    handle: (message) => {
      messages.push(message)
      return Promise.resolve()
    },
    onFatal: (error) => {
      throw error
    },
  })

  const committedBy = async (groupId: string) => {
    const offsets = await admin.fetchOffsets({ groupId })
    return new Map(
      offsets.flatMap(({ topic, partitions: committed }) =>
        committed.map(({ partition, offset }) => [`${topic}/${partition}`, BigInt(offset)] as const),
      ),
    )
  }

  return {
    send: producer.send,
    messages,
    untilMessage: (label, isWanted) =>
      eventually(label, () => Promise.resolve(messages.find(isWanted)), { intervalMillis: 20 }),
    committedBy,
    untilPast: (groupId, places) =>
      eventually(`${groupId} past what was sent`, async () => {
        const committed = await committedBy(groupId)
        const isPast = ({ topic, partition, offset }: Place) =>
          (committed.get(`${topic}/${partition}`) ?? -1n) > BigInt(offset)
        return places.every(isPast) || undefined
      }).then(() => undefined),
    stop: async () => {
      await Promise.all([consumer.stop(), producer.disconnect(), admin.disconnect()])
    },
  }
}
