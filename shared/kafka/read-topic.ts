/**
 * Reads a part of a topic once, from beginning to end, without taking anything away from anybody: for tools. kafkajs
 * reads only as a member of a group, so each reading has one of its own, which is deleted afterwards; no offset is ever
 * committed.
 */
import { randomUUID } from 'node:crypto'
import { context, ROOT_CONTEXT } from '@opentelemetry/api'
import './quirks/before-kafkajs.ts'
import type { EachMessagePayload } from 'kafkajs'
import kafkajs from 'kafkajs'
import { forgetActiveSpan } from '../telemetry/span-processors.ts'
import type { IncomingMessage } from './cloud-events.ts'
import type { KafkaConnection } from './kafka.ts'
import { toIncoming } from './kafka.ts'

/** Messages of one partition. */
export interface OffsetRange {
  readonly partition: number
  readonly from: bigint
  /** The first that is not of it. */
  readonly to: bigint
}

/** The end of a topic is known before it is read, so a read that gets nothing for this long has got stuck. */
const longestSilenceMillis = 15_000

export class ReadingStuck extends Error {
  readonly code = 'reading_stuck'
}

/**
 * What lies on a topic now, by partition, those with nothing left out.
 * @param sinceMillis milliseconds since the epoch: only what was produced then or later
 * @param untilMillis only what comes before the first that was produced then or later
 * @returns nothing for a topic that there is not
 */
export async function offsetRanges(
  { client }: Pick<KafkaConnection, 'client'>,
  topic: string,
  sinceMillis?: number,
  untilMillis?: number,
): Promise<OffsetRange[]> {
  const admin = client.admin()
  await admin.connect()
  try {
    if (!(await admin.listTopics()).includes(topic)) return []
    const all = await admin.fetchTopicOffsets(topic)
    // Where nothing is as young as that, it says the end of the partition.
    const offsetsAt = async (millis: number | undefined) => {
      const found = millis === undefined ? [] : await admin.fetchTopicOffsetsByTimestamp(topic, millis)
      return new Map(found.map(({ partition, offset }) => [partition, BigInt(offset)]))
    }
    const starts = await offsetsAt(sinceMillis)
    const ends = await offsetsAt(untilMillis)
    return all
      .map(({ partition, low, high }) => ({
        partition,
        from: starts.get(partition) ?? BigInt(low),
        to: ends.get(partition) ?? BigInt(high),
      }))
      .filter(({ from, to }) => from < to)
  } finally {
    await admin.disconnect()
  }
}

/**
 * The partition on which messages with this key lie, as long as the topic has had no other number of partitions.
 * @returns undefined for a topic that there is not
 */
export async function partitionOf(
  { client }: Pick<KafkaConnection, 'client'>,
  topic: string,
  key: string,
): Promise<number | undefined> {
  const admin = client.admin()
  await admin.connect()
  try {
    if (!(await admin.listTopics()).includes(topic)) return undefined
    const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
    const partitionMetadata = topics[0]?.partitions ?? []
    return kafkajs.Partitioners.DefaultPartitioner()({
      topic,
      partitionMetadata,
      message: { key, value: null },
    })
  } finally {
    await admin.disconnect()
  }
}

/**
 * Reads the ranges, one message at a time: the next is given when the last is done with. In order within a partition,
 * in none between partitions.
 * @throws ReadingStuck; what `onMessage` throws ends the reading
 */
export async function readRanges(
  { client }: Pick<KafkaConnection, 'client'>,
  topic: string,
  ranges: readonly OffsetRange[],
  onMessage: (message: IncomingMessage) => Promise<void> | void,
): Promise<void> {
  const left = new Map(ranges.filter(({ from, to }) => from < to).map((range) => [range.partition, range]))
  if (left.size === 0) return
  const groupId = `sagascope-reading-${randomUUID()}`
  const consumer = client.consumer({
    groupId,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: 100,
    retry: { restartOnFailure: () => Promise.resolve(false) },
  })
  const reading = Promise.withResolvers<undefined>()
  let isOver = false
  const end = (error?: unknown) => {
    isOver = true
    if (error === undefined) reading.resolve(undefined)
    else reading.reject(error)
  }
  const watchdog = createWatchdog(longestSilenceMillis, () => {
    const missing = [...left.values()].map(({ partition, to }) => `${partition} up to ${to}`).join(', ')
    end(
      new ReadingStuck(`topic ${topic}, partitions ${missing}: nothing came for ${longestSilenceMillis} ms`),
    )
  })

  const eachMessage = async (payload: EachMessagePayload): Promise<void> => {
    const { partition, message } = payload
    forgetActiveSpan() // to look at a message is no step of its checkout
    const range = left.get(partition)
    const offset = BigInt(message.offset)
    if (isOver || !range || offset < range.from || offset >= range.to) return
    watchdog.stop() // as long as it takes: a replay may wait between two messages
    await context.with(ROOT_CONTEXT, () => onMessage(toIncoming(topic, partition, message)))
    await payload.heartbeat()
    watchdog.start()
  }
  // By the batch and not by its messages: the last offsets may be a transaction's marks, or compacted away.
  consumer.on(consumer.events.END_BATCH_PROCESS, ({ payload: { partition, lastOffset } }) => {
    const range = left.get(partition)
    if (!range || BigInt(lastOffset) + 1n < range.to) return
    left.delete(partition)
    if (left.size === 0) end()
    else consumer.pause([{ topic, partitions: [partition] }])
  })
  consumer.on(consumer.events.CRASH, ({ payload }) => end(payload.error))
  reading.promise.catch(() => undefined) // looked at below, once the consumer runs
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    watchdog.start()
    await consumer.run({
      autoCommit: false,
      eachMessage: (payload) => eachMessage(payload).catch(end),
    })
    for (const { partition, from } of ranges) consumer.seek({ topic, partition, offset: String(from) })
    await reading.promise
  } finally {
    watchdog.stop()
    await consumer.disconnect()
    await deleteGroup(client, groupId)
  }
}

function createWatchdog(afterMillis: number, bark: () => void) {
  let timer: NodeJS.Timeout | undefined
  const stop = () => clearTimeout(timer)
  return {
    stop,
    start: () => {
      stop()
      timer = setTimeout(bark, afterMillis)
    },
  }
}

/** One that stays behind is in nobody's way: the broker forgets groups without members and offsets after a while. */
async function deleteGroup(client: KafkaConnection['client'], groupId: string): Promise<void> {
  const admin = client.admin()
  try {
    await admin.connect()
    await admin.deleteGroups([groupId])
  } catch {
    return
  } finally {
    await admin.disconnect()
  }
}
