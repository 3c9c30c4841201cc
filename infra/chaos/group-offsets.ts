/** How far consumer groups are, and putting one elsewhere while none of its members runs. */
import '../../shared/kafka/quirks/before-kafkajs.ts'
import kafkajs from 'kafkajs'
import { eventually } from '../verify/eventually.ts'

type Place = { readonly partition: number; readonly offset: string }

export interface GroupOffsets {
  /** Messages that a group has not committed to have handled, over all of its topics. */
  lag(groupId: string, topics: readonly string[]): Promise<number>
  /** Where a group is on a topic. */
  of(groupId: string, topic: string): Promise<readonly Place[]>
  endOf(topic: string): Promise<readonly Place[]>
  /** Waits until the group has no member any more, and puts it there. */
  set(groupId: string, topic: string, places: readonly Place[]): Promise<void>
  close(): Promise<void>
}

export async function connectGroupOffsets(broker: string): Promise<GroupOffsets> {
  const admin = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING }).admin()
  await admin.connect()

  const of = async (groupId: string, topic: string): Promise<readonly Place[]> => {
    const [only] = await admin.fetchOffsets({ groupId, topics: [topic] })
    return only?.partitions.map(({ partition, offset }) => ({ partition, offset })) ?? []
  }
  const endOf = async (topic: string): Promise<readonly Place[]> =>
    (await admin.fetchTopicOffsets(topic)).map(({ partition, high }) => ({ partition, offset: high }))

  return {
    of,
    endOf,
    lag: async (groupId, topics) => {
      let lag = 0
      for (const topic of topics) {
        const places = new Map((await of(groupId, topic)).map(({ partition, offset }) => [partition, offset]))
        for (const { partition, offset } of await endOf(topic)) {
          lag += Number(offset) - Math.max(0, Number(places.get(partition) ?? 0)) // -1: nothing committed yet
        }
      }
      return lag
    },
    set: async (groupId, topic, places) => {
      await eventually(`${groupId} has no member`, async () => {
        const { groups } = await admin.describeGroups([groupId])
        return groups[0]?.state === 'Empty' || groups[0]?.state === 'Dead' || undefined
      })
      await admin.setOffsets({ groupId, topic, partitions: [...places] })
    },
    close: () => admin.disconnect(),
  }
}
