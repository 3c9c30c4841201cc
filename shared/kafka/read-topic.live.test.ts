import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { createRecordingLogger } from '../telemetry/recording-logger.ts'
import type { IncomingMessage } from './cloud-events.ts'
import { KafkaConnection } from './kafka.ts'
import { offsetRanges, readRanges } from './read-topic.ts'

describe('a topic, read as it lies there', function () {
  this.timeout(60_000)

  const topic = `read-${randomUUID()}`
  const perPartition = 300
  const partitions = 3
  /** Between the first and the second hundred of each partition. */
  let between: number
  let kafka: KafkaConnection

  before(async () => {
    const stack = await stackForTests()
    await stack.ready('kafka')
    const { log } = createRecordingLogger()
    kafka = new KafkaConnection({ brokers: [stack.urls.kafkaBrokers], clientId: 'tests' }, log)
    const admin = kafka.client.admin()
    await admin.connect()
    await admin.createTopics({
      topics: [
        { topic, numPartitions: partitions },
        { topic: `${topic}-empty`, numPartitions: 1 },
      ],
      waitForLeaders: true,
    })
    await admin.disconnect()
    const startMillis = Date.now() - 3_600_000
    between = startMillis + 99_500
    const producer = kafka.client.producer({
      createPartitioner:
        () =>
        ({ message }) =>
          Number(message.key),
    })
    await producer.connect()
    const messages = Array.from({ length: partitions }, (_, partition) =>
      Array.from({ length: perPartition }, (_, index) => ({
        key: String(partition),
        value: String(index),
        timestamp: String(startMillis + index * 1_000),
      })),
    )
    await producer.send({ topic, messages: messages.flat() })
    await producer.disconnect()
  })

  async function read(...[ranges]: [Parameters<typeof readRanges>[2]]): Promise<IncomingMessage[]> {
    const messages: IncomingMessage[] = []
    await readRanges(kafka, topic, ranges, (message) => void messages.push(message))
    return messages
  }
  const offsetsOf = (messages: readonly IncomingMessage[], partition: number) =>
    messages.filter((message) => message.partition === partition).map(({ offset }) => Number(offset))
  const numbers = (from: number, to: number) => Array.from({ length: to - from }, (_, index) => from + index)

  it('is read whole, in the order of each partition, and a second time as well', async () => {
    const ranges = await offsetRanges(kafka, topic)
    for (let time = 0; time < 2; time++) {
      const messages = await read(ranges)
      for (const partition of numbers(0, partitions)) {
        deepEqual(offsetsOf(messages, partition), numbers(0, perPartition))
      }
      equal(messages.length, partitions * perPartition)
    }
  })

  it('is read from a time on', async () => {
    const messages = await read(await offsetRanges(kafka, topic, between))
    for (const partition of numbers(0, partitions)) {
      deepEqual(offsetsOf(messages, partition), numbers(100, perPartition))
    }
  })

  it('has nothing from a time on at which it was silent', async () => {
    deepEqual(await offsetRanges(kafka, topic, Date.now()), [])
  })

  it('is read in the middle of one partition', async () => {
    const messages = await read([{ partition: 1, from: 120n, to: 123n }])
    deepEqual(
      messages.map(({ partition, offset }) => [partition, offset]),
      [
        [1, '120'],
        [1, '121'],
        [1, '122'],
      ],
    )
  })

  it('gives nothing where there is nothing: no messages, no topic', async () => {
    deepEqual(await offsetRanges(kafka, `${topic}-empty`), [])
    deepEqual(await offsetRanges(kafka, `${topic}-of-nobody`), [])
    deepEqual(await read([]), [])
  })

  it('is given one message at a time', async () => {
    let underWay = 0
    await readRanges(kafka, topic, [{ partition: 0, from: 0n, to: 20n }], async () => {
      underWay += 1
      equal(underWay, 1)
      await new Promise((resolve) => setImmediate(resolve))
      underWay -= 1
    })
  })

  it('is read no further once a message could not be taken', async () => {
    let taken = 0
    const reading = readRanges(kafka, topic, await offsetRanges(kafka, topic), () => {
      taken += 1
      if (taken === 5) throw new Error('no more')
    })
    await rejects(reading, /no more/)
    equal(taken, 5)
  })

  it('leaves no group behind', async () => {
    await read([{ partition: 0, from: 0n, to: 1n }])
    const admin = kafka.client.admin()
    await admin.connect()
    const { groups } = await admin.listGroups()
    await admin.disconnect()
    ok(!groups.some(({ groupId }) => groupId.startsWith('sagascope-reading-')))
  })
})
