import { deepEqual, equal } from 'node:assert/strict'
import type { Assigner, Cluster, GroupMember } from 'kafkajs'
import kafkajs from 'kafkajs'
import { coPartitionedAssigner } from './co-partitioned-assigner.ts'

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

function assignerFor(partitions: Readonly<Record<string, number>>): Assigner {
  const cluster = {
    // Kafka gives them in no order.
    findTopicPartitionMetadata: (topic: string) =>
      Array.from({ length: partitions[topic] ?? 0 }, (_, index) => ({ partitionId: index })).reverse(),
  } as unknown as Cluster
  return coPartitionedAssigner({ cluster, groupId: 'sagascope-orders', logger: undefined as never })
}

async function assigned(partitions: Readonly<Record<string, number>>, memberIds: readonly string[]) {
  const members: GroupMember[] = memberIds.map((memberId) => ({ memberId, memberMetadata: Buffer.alloc(0) }))
  const answers = await assignerFor(partitions).assign({ members, topics: Object.keys(partitions) })
  return Object.fromEntries(
    answers.map(({ memberId, memberAssignment }) => [
      memberId,
      MemberAssignment.decode(memberAssignment)?.assignment,
    ]),
  )
}

describe('the co-partitioned assigner', () => {
  it('gives one member everything', async () => {
    deepEqual(await assigned({ users: 3, orders: 3 }, ['a']), {
      a: { users: [0, 1, 2], orders: [0, 1, 2] },
    })
  })

  it('gives each member the same partitions of all topics, also where they do not divide evenly', async () => {
    deepEqual(await assigned({ users: 6, orders: 6, payments: 6 }, ['a', 'b', 'c', 'd']), {
      a: { users: [0, 4], orders: [0, 4], payments: [0, 4] },
      b: { users: [1, 5], orders: [1, 5], payments: [1, 5] },
      c: { users: [2], orders: [2], payments: [2] },
      d: { users: [3], orders: [3], payments: [3] },
    })
  })

  it('gives each partition once, whatever the order in which members are told', async () => {
    const [one, other] = [
      await assigned({ users: 6 }, ['b', 'a', 'c']),
      await assigned({ users: 6 }, ['c', 'b', 'a']),
    ]
    deepEqual(one, other)
    deepEqual(
      Object.values(one)
        .flatMap((assignment) => assignment?.users ?? [])
        .sort(),
      [0, 1, 2, 3, 4, 5],
    )
  })

  it('leaves members without partitions where there are more of them', async () => {
    deepEqual(await assigned({ users: 1 }, ['a', 'b']), { a: { users: [0] }, b: { users: [] } })
  })

  it('tells the group its topics and a name of its own, which no other assignment has', () => {
    const assigner = assignerFor({ users: 1 })
    const { name, metadata } = assigner.protocol({ topics: ['users', 'orders'] })
    equal(name, 'SagascopeCoPartitionedAssigner')
    equal(assigner.name, name)
    deepEqual(MemberMetadata.decode(metadata)?.topics, ['users', 'orders'])
  })
})
