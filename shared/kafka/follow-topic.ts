/**
 * Reads what comes onto a topic from now on, without taking anything away from anybody: for tools. kafkajs reads only as
 * a member of a group, so each following has one of its own, which is deleted afterwards; no offset is ever committed.
 */
import { randomUUID } from 'node:crypto'
import { within } from '../process/deadline.ts'
import type { IncomingMessage } from './cloud-events.ts'
import type { KafkaConnection } from './kafka.ts'
import { toIncoming } from './kafka.ts'

export interface FollowingOptions {
  /** In order within a partition; after the group was divided anew, again for some. */
  readonly onMessage: (message: IncomingMessage) => void
  /** Nothing comes any more: the consumer has given up. */
  readonly onLost: (error: Error) => void
}

/** Joining a group takes the broker's three seconds, and longer where coordinators still load. */
const joinDeadlineMillis = 20_000

/**
 * Resolves when everything that comes onto the topic from then on will be read.
 * @returns what ends it
 * @throws Error when there is no such topic, or the group could not be joined in time
 */
export async function followTopic(
  { client }: Pick<KafkaConnection, 'client'>,
  topic: string,
  { onMessage, onLost }: FollowingOptions,
): Promise<() => Promise<void>> {
  const admin = client.admin()
  const groupId = `sagascope-following-${randomUUID()}`
  const consumer = client.consumer({ groupId, allowAutoTopicCreation: false, maxWaitTimeInMs: 100 })
  const stop = async () => {
    await consumer.disconnect()
    // One that stays behind is in nobody's way: the broker forgets groups without members after a while.
    await admin.deleteGroups([groupId]).catch(() => undefined)
    await admin.disconnect()
  }
  const begin = async () => {
    await admin.connect()
    if (!(await admin.listTopics()).includes(topic)) throw new Error(`there is no topic ${topic}`)
    const ends = await admin.fetchTopicOffsets(topic)
    const next = new Map(ends.map(({ partition, high }) => [partition, BigInt(high)]))
    const joined = Promise.withResolvers<undefined>()
    joined.promise.catch(() => undefined) // looked at below, once the consumer runs
    consumer.on(consumer.events.GROUP_JOIN, () => {
      // Nothing is committed, so whoever joins, joins anew, and is told where to go on.
      for (const [partition, offset] of next) consumer.seek({ topic, partition, offset: String(offset) })
      joined.resolve(undefined)
    })
    consumer.on(consumer.events.CRASH, ({ payload: { restart, error } }) => {
      if (restart) return
      joined.reject(error)
      onLost(error)
    })
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: false })
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch: { partition, messages } }) => {
        for (const message of messages) onMessage(toIncoming(topic, partition, message))
        const last = messages.at(-1)
        if (last) next.set(partition, BigInt(last.offset) + 1n)
        return Promise.resolve()
      },
    })
    await joined.promise
  }
  try {
    await within(joinDeadlineMillis, `following topic ${topic}`, begin())
    return stop
  } catch (error) {
    await within(joinDeadlineMillis, 'leaving Kafka', stop()).catch(() => undefined)
    throw error
  }
}
