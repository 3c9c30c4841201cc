import { deepEqual, equal, rejects } from 'node:assert/strict'
import type { KafkaConnection } from './kafka.ts'
import { followTopic } from './follow-topic.ts'

type Client = KafkaConnection['client']
type Listener = (event: { payload: unknown }) => void

/** A kafkajs whose consumer does what it is told to; what it is asked for is noted. */
function clientForTests(topics: readonly string[]) {
  const noted: string[] = []
  const listeners = new Map<string, Listener>()
  let eachBatch: ((payload: unknown) => Promise<void>) | undefined
  const note = (what: string) => () => {
    noted.push(what)
    return Promise.resolve()
  }
  const emit = (event: string, payload: unknown = {}) => listeners.get(event)?.({ payload })
  const client = {
    admin: () => ({
      connect: note('admin connects'),
      disconnect: note('admin disconnects'),
      listTopics: () => Promise.resolve(topics),
      fetchTopicOffsets: () =>
        Promise.resolve([
          { partition: 0, high: '10' },
          { partition: 1, high: '0' },
        ]),
      deleteGroups: note('group deleted'),
    }),
    consumer: () => ({
      events: { GROUP_JOIN: 'join', CRASH: 'crash' },
      on: (event: string, listener: Listener) => listeners.set(event, listener),
      connect: note('connects'),
      disconnect: note('disconnects'),
      subscribe: note('subscribes'),
      seek: ({ partition, offset }: { partition: number; offset: string }) =>
        noted.push(`seeks ${partition}@${offset}`),
      run: (options: { eachBatch: (payload: unknown) => Promise<void> }) => {
        eachBatch = options.eachBatch
        setImmediate(() => emit('join'))
        return Promise.resolve()
      },
    }),
  }
  const deliver = (partition: number, ...offsets: string[]) => {
    const messages = offsets.map((offset) => ({
      offset,
      key: null,
      value: null,
      timestamp: '0',
      headers: {},
    }))
    return eachBatch?.({ batch: { partition, messages } })
  }
  return { client: client as unknown as Client, noted, emit, deliver }
}

describe('following a topic', () => {
  it('begins where each partition ends, and goes on where it was when the group is joined anew', async () => {
    const { client, noted, emit, deliver } = clientForTests(['checkouts'])
    const got: string[] = []
    const stop = await followTopic({ client }, 'checkouts', {
      onMessage: ({ partition, offset }) => got.push(`${partition}@${offset}`),
      onLost: () => got.push('lost'),
    })
    const seeks = () => noted.splice(0).filter((what) => what.startsWith('seeks'))
    deepEqual(seeks(), ['seeks 0@10', 'seeks 1@0'])
    await deliver(0, '10', '11')
    await deliver(1)
    emit('join')
    deepEqual(seeks(), ['seeks 0@12', 'seeks 1@0'])
    emit('crash', { restart: true, error: new Error('passing') })
    deepEqual(got, ['0@10', '0@11'])
    await stop()
    deepEqual(noted, ['disconnects', 'group deleted', 'admin disconnects'])
  })

  it('says when nothing will come any more', async () => {
    const { client, emit } = clientForTests(['checkouts'])
    let lost: Error | undefined
    await followTopic({ client }, 'checkouts', {
      onMessage: () => undefined,
      onLost: (error) => (lost = error),
    })
    emit('crash', { restart: false, error: new Error('for good') })
    equal(lost?.message, 'for good')
  })

  it('fails for a topic that there is not, and leaves nothing behind', async () => {
    const { client, noted } = clientForTests([])
    const options = { onMessage: () => undefined, onLost: () => undefined }
    await rejects(followTopic({ client }, 'checkouts', options), /there is no topic checkouts/)
    deepEqual(noted, ['admin connects', 'disconnects', 'group deleted', 'admin disconnects'])
  })
})
