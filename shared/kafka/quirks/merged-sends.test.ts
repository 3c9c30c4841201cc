import { deepEqual, equal, rejects } from 'node:assert/strict'
import { createRequire } from 'node:module'
import './before-kafkajs.ts'
import type { TopicMessages } from 'kafkajs'

interface ProduceRequest {
  readonly acks: number
  readonly timeout: number | undefined
  readonly topicData: readonly {
    readonly topic: string
    readonly partitions: readonly { readonly messages: readonly { readonly value: string }[] }[]
  }[]
}
interface Request {
  readonly acks: number
  readonly timeout?: number
  readonly topicMessages: readonly TopicMessages[]
}
type Send = (request: Request) => Promise<unknown>

const require = createRequire(import.meta.url)
const createSendMessages = require('kafkajs/src/producer/sendMessages') as (options: object) => Send

/** A producer's inside, with a broker that has one partition of each topic and answers when it is told to. */
function producer({ isTransactional = false, producerId = -1 } = {}) {
  const requests: { readonly sent: Record<string, string[]>; readonly acks: number }[] = []
  const underWay: { resolve: () => void; reject: (error: Error) => void }[] = []
  const broker = {
    nodeId: 0,
    produce: ({ acks, topicData }: ProduceRequest) => {
      const sent = Object.fromEntries(
        topicData.map(({ topic, partitions }) => [
          topic,
          partitions.flatMap(({ messages }) => messages.map(({ value }) => value)),
        ]),
      )
      requests.push({ acks, sent })
      const refused = Object.values(sent).flat().includes('too large')
      if (refused) return Promise.reject(Object.assign(new Error('MESSAGE_TOO_LARGE'), { retriable: false }))
      return new Promise((resolve, reject) => {
        underWay.push({ resolve: () => resolve({ topics: [] }), reject })
      })
    },
  }
  const send = createSendMessages({
    logger: { debug: () => undefined, error: () => undefined },
    partitioner: () => 0,
    cluster: {
      addMultipleTargetTopics: () => Promise.resolve(),
      refreshMetadataIfNecessary: () => Promise.resolve(),
      findTopicPartitionMetadata: () => [{ partitionId: 0, leader: 0 }],
      findLeaderForPartitions: () => ({ 0: [0] }),
      findBroker: () => Promise.resolve(broker),
      isConnected: () => true,
    },
    eosManager: {
      acquireBrokerLock: () => Promise.resolve(),
      releaseBrokerLock: () => Promise.resolve(),
      isTransactional: () => isTransactional,
      addPartitionsToTransaction: () => Promise.resolve(),
      getProducerId: () => producerId,
      getProducerEpoch: () => 0,
      getTransactionalId: () => 'transaction',
      getSequence: () => 0,
      updateSequence: () => undefined,
    },
    retrier: (attempt: (bail: (error: Error) => never) => unknown) =>
      attempt((error) => {
        throw error
      }),
  })
  const settled = async (count: number): Promise<void> => {
    while (requests.length < count) await new Promise(setImmediate)
  }
  /** Lets the broker acknowledge as it is asked. */
  const acknowledge = (): void => {
    for (const { resolve } of underWay.splice(0)) resolve()
  }
  return { send, requests, underWay, settled, acknowledge }
}

const message = (value: string, topic = 'orders', acks = -1): Request => ({
  acks,
  topicMessages: [{ topic, messages: [{ key: 'key', value }] }],
})

async function allOf(sends: readonly Promise<unknown>[], acknowledge: () => void): Promise<void> {
  const state = { isOver: false }
  const all = Promise.all(sends).finally(() => (state.isOver = true))
  all.catch(() => undefined)
  while (!state.isOver) {
    acknowledge()
    await new Promise(setImmediate)
  }
  await all
}

describe('sends that are merged', () => {
  it('are one request when they come at the same time, in their order, by topic', async () => {
    const { send, requests, acknowledge } = producer()
    const sends = [message('1'), message('2', 'users'), message('3')].map(send)
    await allOf(sends, acknowledge)
    deepEqual(requests, [{ acks: -1, sent: { orders: ['1', '3'], users: ['2'] } }])
  })

  it('wait for the request under way, and then go together', async () => {
    const { send, requests, settled, acknowledge } = producer()
    const first = send(message('1'))
    await settled(1)
    const others = ['2', '3', '4'].map((value) => send(message(value)))
    await new Promise(setImmediate)
    equal(requests.length, 1)
    await allOf([first, ...others], acknowledge)
    deepEqual(
      requests.map(({ sent }) => sent.orders),
      [['1'], ['2', '3', '4']],
    )
  })

  it('do not wait when there is nothing to wait for', async () => {
    const { send, settled, acknowledge } = producer()
    const sent = send(message('1'))
    await settled(1)
    await allOf([sent], acknowledge)
  })

  it('do not share a request where they ask for different acknowledgements', async () => {
    const { send, requests, acknowledge } = producer()
    await allOf([message('1'), message('2', 'orders', 1), message('3')].map(send), acknowledge)
    deepEqual(
      requests.map(({ acks }) => acks).sort((a, b) => a - b),
      [-1, -1, 1],
    )
  })

  it('do not share a request that would be larger than a broker takes', async () => {
    const { send, requests, acknowledge } = producer()
    const large = 'x'.repeat(300 * 1_024)
    await allOf([message(large), message(large), message('small')].map(send), acknowledge)
    deepEqual(
      requests.map(({ sent }) => sent.orders?.length),
      [1, 2],
    )
  })

  it('do not fail for one among them that the broker refuses', async () => {
    const { send, requests, acknowledge } = producer()
    const sends = [message('1'), message('too large'), message('3')].map(send)
    const refused = rejects(sends[1] as Promise<unknown>, /MESSAGE_TOO_LARGE/)
    await allOf([sends[0], sends[2]] as Promise<unknown>[], acknowledge)
    await refused
    deepEqual(
      requests.map(({ sent }) => sent.orders),
      [['1', 'too large', '3'], ['1'], ['too large'], ['3']],
    )
  })

  it('fail together where the broker is away: alone none of them would fare better', async () => {
    const { send, requests, settled, underWay } = producer()
    const sends = ['1', '2'].map((value) => rejects(send(message(value)), /too often/))
    await settled(1)
    const exhausted = Object.assign(new Error('tried too often'), {
      name: 'KafkaJSNumberOfRetriesExceeded',
      retriable: false,
    })
    for (const { reject } of underWay) reject(exhausted)
    await Promise.all(sends)
    equal(requests.length, 1)
  })

  for (const [what, kind] of Object.entries({
    'a transaction’s': { isTransactional: true, producerId: 7 },
    'an idempotent producer’s': { producerId: 7 },
  })) {
    it(`are none of ${what}`, async () => {
      const { send, requests, acknowledge } = producer(kind)
      await allOf(
        ['1', '2'].map((value) => send(message(value))),
        acknowledge,
      )
      deepEqual(
        requests.map(({ sent }) => sent.orders),
        [['1'], ['2']],
      )
    })
  }
})
