/**
 * Gives each member the same partitions of all topics of its group: a checkout's messages lie on the same partition of
 * each, so one process handles all of them, and what it remembers of a stream is right. kafkajs's own round robin does
 * so only where the number of partitions is a multiple of the number of members.
 */
import './quirks/before-kafkajs.ts'
import type { PartitionAssigner } from 'kafkajs'
import kafkajs from 'kafkajs'

const { MemberAssignment, MemberMetadata } = kafkajs.AssignerProtocol

interface Cluster {
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number }[]
}

const name = 'SagascopeCoPartitionedAssigner'
const version = 0
const userData = Buffer.alloc(0)

export const coPartitionedAssigner: PartitionAssigner = (config) => {
  const cluster = config.cluster as unknown as Cluster // its types leave out what assigners are made of
  return {
    name,
    version,
    assign: ({ members, topics }) => {
      const memberIds = members.map(({ memberId }) => memberId).sort()
      const assignments = memberIds.map((memberId, index) => {
        const assignment = Object.fromEntries(
          topics.map((topic) => [
            topic,
            cluster
              .findTopicPartitionMetadata(topic)
              .map(({ partitionId }) => partitionId)
              .filter((partition) => partition % memberIds.length === index)
              .sort((a, b) => a - b),
          ]),
        )
        return { memberId, memberAssignment: MemberAssignment.encode({ version, assignment, userData }) }
      })
      return Promise.resolve(assignments)
    },
    protocol: ({ topics }) => ({ name, metadata: MemberMetadata.encode({ version, topics, userData }) }),
  }
}
