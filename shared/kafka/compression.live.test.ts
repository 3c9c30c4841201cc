import { deepEqual, equal, match } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import './quirks/before-kafkajs.ts'
import kafkajs from 'kafkajs'
import type { Message, Producer } from 'kafkajs'
import { eventually } from '../../infra/verify/eventually.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { createRecordingLogger } from '../telemetry/recording-logger.ts'
import type { IncomingMessage } from './cloud-events.ts'
import { fromMessage } from './cloud-events.ts'
import { handlingOf } from './handling-for-tests.ts'
import type { RunningConsumer } from './kafka.ts'
import { KafkaConnection } from './kafka.ts'
import type { SendDeadLetter } from './middleware/dead-letter.ts'
import { deadLettered } from './middleware/dead-letter.ts'
import { decompressedBytesLimit } from './quirks/compression-codecs.ts'

type DeadLetter = Parameters<SendDeadLetter>[0]

const codecs = {
  gzip: kafkajs.CompressionTypes.GZIP,
  snappy: kafkajs.CompressionTypes.Snappy,
  lz4: kafkajs.CompressionTypes.LZ4,
  zstd: kafkajs.CompressionTypes.ZSTD,
}
type CodecName = keyof typeof codecs
const codecNames = Object.keys(codecs) as CodecName[]

const run = randomUUID()
const sentTopic = (name: CodecName): string => `${name}-by-its-sender-${run}`
const brokerTopic = (name: CodecName): string => `${name}-by-the-broker-${run}`
const bombTopic = `bomb-${run}`

/** Enough to compress, in several of the blocks that codecs divide it into. */
const values = Array.from({ length: 1_000 }, (_, index) => `${index}: ${'saga '.repeat(50)}`)
const messages: readonly Message[] = values.map((value) => ({ key: 'key', value }))

describe('compressed batches, on the real Kafka', function () {
  this.timeout(120_000)

  let kafka: KafkaConnection
  let producer: Producer
  const groupId = `compression-${run}`
  const received: IncomingMessage[] = []
  const letters: DeadLetter[] = []
  let consumer: RunningConsumer

  /** What a service does first with each message, and what becomes of one that it cannot read. */
  const read = deadLettered(groupId, (letter) => {
    letters.push(letter)
    return Promise.resolve()
  })(({ message }) => {
    if (message.topic === bombTopic) fromMessage(message)
    received.push(message)
    return Promise.resolve('nothing to answer')
  })
  const startConsumer = (): Promise<RunningConsumer> =>
    kafka.startConsumer({
      groupId,
      topics: [...codecNames.flatMap((name) => [sentTopic(name), brokerTopic(name)]), bombTopic],
      offsetCommitIntervalMillis: 50,
      handle: (message) => read(handlingOf(message).handling).then(() => undefined),
      onFatal: (error) => {
        throw error
      },
    })

  before(async () => {
    const stack = await stackForTests()
    await stack.ready('kafka')
    const { log } = createRecordingLogger()
    kafka = new KafkaConnection({ brokers: [stack.urls.kafkaBrokers], clientId: 'tests' }, log)
    const admin = kafka.client.admin()
    await admin.connect()
    const topicOf = (topic: string, compressionType = 'producer') => ({
      topic,
      numPartitions: 1,
      configEntries: [{ name: 'compression.type', value: compressionType }],
    })
    await admin.createTopics({
      topics: [
        ...codecNames.flatMap((name) => [topicOf(sentTopic(name)), topicOf(brokerTopic(name), name)]),
        topicOf(bombTopic),
      ],
      waitForLeaders: true,
    })
    await admin.disconnect()
    producer = kafka.client.producer({ createPartitioner: kafkajs.Partitioners.DefaultPartitioner })
    await producer.connect()
    consumer = await startConsumer()
  })
  after(async () => {
    await Promise.all([consumer.stop(), producer.disconnect()])
  })

  const untilReceived = (topic: string, count: number): Promise<readonly IncomingMessage[]> =>
    eventually(`${count} messages of ${topic}`, () => {
      const ofTopic = received.filter((message) => message.topic === topic)
      return Promise.resolve(ofTopic.length >= count ? ofTopic : undefined)
    })
  const contents = (ofTopic: readonly IncomingMessage[]) => ofTopic.map(({ value }) => String(value))

  for (const name of codecNames) {
    it(`are read as they were sent: ${name}`, async () => {
      await producer.send({ topic: sentTopic(name), messages: [...messages], compression: codecs[name] })
      deepEqual(contents(await untilReceived(sentTopic(name), values.length)), values)
    })

    it(`are read as the topic's compression.type has the broker compress them: ${name}`, async () => {
      await producer.send({ topic: brokerTopic(name), messages: [...messages] })
      deepEqual(contents(await untilReceived(brokerTopic(name), values.length)), values)
    })
  }

  describe('of which one becomes larger than the limit', () => {
    const committed = async (): Promise<string | undefined> => {
      const admin = kafka.client.admin()
      await admin.connect()
      try {
        const [offsets] = await admin.fetchOffsets({ groupId, topics: [bombTopic] })
        return offsets?.partitions[0]?.offset
      } finally {
        await admin.disconnect()
      }
    }
    const send = (...batch: readonly string[]) =>
      producer.send({
        topic: bombTopic,
        messages: batch.map((value) => ({ value })),
        compression: codecs.zstd,
      })

    it('go to the dead letters as their place, and their partition goes on', async () => {
      await send('before')
      await send('small', 'x'.repeat(decompressedBytesLimit), 'small')
      await send('after')
      await eventually('the partition to be done', async () =>
        (await committed()) === '5' ? true : undefined,
      )
      const [letter, ...others] = letters.filter(
        ({ headers }) => headers['dead-letter-error-code'] === 'unreadable_batch',
      )
      deepEqual(others, [])
      deepEqual([letter?.key, letter?.value], [null, null])
      const { headers = {} } = letter ?? {}
      equal(headers['dead-letter-id'], `${groupId}/${bombTopic}/0/1`)
      equal(headers['dead-letter-origin-offset'], '1')
      equal(headers['dead-letter-origin-last-offset'], '3')
      match(headers['dead-letter-error-message'] ?? '', /3 records at offsets 1 to 3/)
    })

    it('are not met again after a restart', async () => {
      const known = letters.length
      await consumer.stop()
      consumer = await startConsumer()
      await send('later')
      await eventually('the partition to be done', async () =>
        (await committed()) === '6' ? true : undefined,
      )
      equal(letters.filter(({ headers }) => headers['dead-letter-origin-last-offset']).length, 1)
      equal(letters.length, known + 1) // 'later' is no event either
    })
  })
})
