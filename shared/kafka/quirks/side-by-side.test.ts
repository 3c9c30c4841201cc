import { deepEqual, equal, rejects } from 'node:assert/strict'
import { createRequire } from 'node:module'
import type { KafkaMessage } from 'kafkajs'
import './before-kafkajs.ts'
import type { FetchedBatch } from './side-by-side.ts'
import { withBatchesTakenBy } from './side-by-side.ts'

interface Runner {
  running: boolean
  handleBatch(batch: object): Promise<void>
}
const Runner = createRequire(import.meta.url)('kafkajs/src/consumer/runner') as new (
  options: object,
) => Runner

const messages = ['40', '41', '43'].map((offset) => ({ offset }) as KafkaMessage)
const batch = {
  topic: 'orders',
  partition: 3,
  messages,
  firstOffset: () => '40',
  lastOffset: () => '45',
  offsetLag: () => '0',
  offsetLagLow: () => '0',
  isEmpty: () => false,
  isEmptyDueToFiltering: () => false,
}

const logger: object = {
  namespace: () => logger,
  debug: () => undefined,
  error: () => undefined,
}

/** kafkajs's own runner, and what it tells its group. */
function runner({ seeks = false } = {}) {
  const handled: string[] = []
  const resolved: string[] = []
  const group = {
    groupId: 'sagascope-orders',
    offsetManager: {},
    hasSeekOffset: () => seeks,
    resolveOffset: ({ offset }: { offset: string }) => resolved.push(offset),
    isPaused: () => false,
    heartbeat: () => Promise.resolve(),
  }
  const own = new Runner({
    logger,
    consumerGroup: group,
    instrumentationEmitter: { emit: () => undefined },
    concurrency: 1,
    autoCommit: false,
    eachMessage: ({ message }: { message: KafkaMessage }) => {
      handled.push(message.offset)
      return Promise.resolve()
    },
  })
  own.running = true
  return { own, group, handled, resolved }
}

describe('batches of kafkajs', () => {
  it('are handled one message after the other where nobody takes them', async () => {
    const { own, handled, resolved } = runner()
    await own.handleBatch(batch)
    deepEqual(handled, ['40', '41', '43'])
    deepEqual(resolved, ['40', '41', '43'])
  })

  it('are given to whoever takes them, and the next comes as soon as they are taken', async () => {
    const { own, handled, resolved } = runner()
    let taken: FetchedBatch | undefined
    await withBatchesTakenBy(
      (given) => {
        taken = given
        return Promise.resolve()
      },
      () => own.handleBatch(batch),
    )
    deepEqual([taken?.topic, taken?.partition, taken?.lastOffset], ['orders', 3, '45'])
    deepEqual(taken?.messages, messages)
    deepEqual(handled, [])
    deepEqual(resolved, ['45'], 'what is fetched next')
    await taken.eachMessage(messages[1] as KafkaMessage)
    deepEqual(handled, ['41'], 'by what kafkajs was given, and so under what wraps that')
  })

  it('that are refused are fetched again', async () => {
    const { own, resolved } = runner()
    const lost = new Error('the group is divided anew')
    const taking = withBatchesTakenBy(
      () => Promise.reject(lost),
      () => own.handleBatch(batch),
    )
    await rejects(taking, lost)
    deepEqual(resolved, [])
  })

  it('that a division of the group has overtaken move nothing in the new one: none is passed over', async () => {
    const { own, group, resolved } = runner()
    await withBatchesTakenBy(
      () => {
        group.offsetManager = {}
        return Promise.resolve()
      },
      () => own.handleBatch(batch),
    )
    deepEqual(resolved, [])
  })

  it('are not given to anyone when the consumer has been sent elsewhere', async () => {
    const { own, resolved } = runner({ seeks: true })
    let taken = 0
    await withBatchesTakenBy(
      () => (taken++, Promise.resolve()),
      () => own.handleBatch(batch),
    )
    equal(taken, 0)
    deepEqual(resolved, [])
  })

  it('are taken by the consumer that was started so, and by no other', async () => {
    const [one, other] = [runner(), runner()]
    let taken = 0
    const run = withBatchesTakenBy(
      () => (taken++, Promise.resolve()),
      () => one.own.handleBatch(batch),
    )
    await Promise.all([run, other.own.handleBatch(batch)])
    equal(taken, 1)
    deepEqual(other.handled, ['40', '41', '43'])
  })
})
