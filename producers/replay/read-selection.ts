import type { KafkaConnection } from '../../shared/kafka/kafka.ts'
import type { OffsetRange } from '../../shared/kafka/read-topic.ts'
import { offsetRanges, partitionOf, readRanges } from '../../shared/kafka/read-topic.ts'
import { Chosen } from './chosen.ts'
import type { Selection } from './options.ts'

/** What is chosen of the topics as they are now. */
export async function readSelection(kafka: KafkaConnection, selection: Selection): Promise<Chosen> {
  const { checkoutId } = selection
  const home = await read(kafka, selection, checkoutId)
  // A topic that was given more partitions has what is older elsewhere.
  return checkoutId !== undefined && home.messages.length === 0 ? read(kafka, selection, undefined) : home
}

async function read(
  kafka: KafkaConnection,
  { topics, sinceMillis, untilMillis, offsets, checkoutId }: Selection,
  key: string | undefined,
): Promise<Chosen> {
  const chosen = new Chosen(checkoutId)
  await Promise.all(
    topics.map(async (topic) => {
      const [ranges, home] = await Promise.all([
        offsetRanges(kafka, topic, sinceMillis, untilMillis),
        key === undefined ? undefined : partitionOf(kafka, topic, key),
      ])
      const wanted = ranges.filter(({ partition }) => home === undefined || partition === home)
      await readRanges(kafka, topic, clip(wanted, offsets), (message) => chosen.add(message))
    }),
  )
  return chosen
}

/** The part of what lies there that is asked for. */
export function clip(ranges: readonly OffsetRange[], offsets: Selection['offsets']): OffsetRange[] {
  if (!offsets) return [...ranges]
  return ranges
    .filter(({ partition }) => partition === offsets.partition)
    .map(({ partition, from, to }) => ({
      partition,
      from: offsets.from !== undefined && offsets.from > from ? offsets.from : from,
      to: offsets.to !== undefined && offsets.to + 1n < to ? offsets.to + 1n : to,
    }))
    .filter(({ from, to }) => from < to)
}
