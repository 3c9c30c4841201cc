/**
 * The bare chain, one process for each of the five services, started as the saga's are.
 *
 * What anybody would write who wants a checkout to go the saga's way and asks for nothing else: the same hops, the same
 * inserts, the same messages, with kafkajs and the driver as they are, used as well as they can be. No stream is read,
 * nothing is checked, counted, logged or swept up; what fails ends the process. It is there to be measured against:
 *
 *     gateway   a request          insert commits                         send CheckoutRequested
 *     users     CheckoutRequested  insert email_register, insert commits  send UserRegistered
 *     orders    UserRegistered     insert commits                         send OrderPlaced
 *     payments  OrderPlaced        insert ledger, insert commits          send PaymentCaptured
 *     orders    PaymentCaptured    insert commits                         send OrderConfirmed
 *     checkout  OrderConfirmed     insert commits                         send CheckoutCompleted
 *
 * That is 8 inserts, 6 messages and 5 messages handled: the saga's own, document by document, with its indexes, and
 * header by header, each by itself: the saga sends together what waits. The saga adds a watermark of each process and a
 * document of deadlines each second, and passes over messages that its services are sent and do not react to; here
 * they are fewer, because nobody listens for what goes wrong.
 */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { json } from 'node:stream/consumers'
import '../../../../shared/kafka/quirks/before-kafkajs.ts'
import kafkajs from 'kafkajs'
import type { EventOf, RecordedEvent, SagaEvent, Service } from '../../../../shared/saga/events.ts'
import { topicOf, topics } from '../../../../shared/saga/events.ts'
import { cloudEventType, toMessage } from '../../../../shared/kafka/cloud-events.ts'
import '../../../../shared/kafka/quirks/request-codecs.ts'
import '../../../../shared/kafka/quirks/idle-timer.ts'
import { OffsetTracker } from '../../../../shared/kafka/offset-tracker.ts'
import { commit, prepareStore, steps, store } from './steps.ts'

const deadlineMillis = 120_000
const offsetCommitIntervalMillis = 1_000

const { KAFKA_BROKERS = '127.0.0.1:9092', KAFKA_TOPIC_PARTITIONS = '6' } = process.env
const { GATEWAY_PORT = '8080', HEALTH_PORT = '0' } = process.env

const kafka = new kafkajs.Kafka({
  brokers: KAFKA_BROKERS.split(','),
  logLevel: kafkajs.logLevel.WARN,
  retry: { initialRetryTime: 100, maxRetryTime: 2_000, retries: 12 },
  socketFactory: ({ host, port, onConnect }) => connect({ host, port }, onConnect).setNoDelay(true),
})
const producer = kafka.producer({
  createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
  allowAutoTopicCreation: false,
})

async function send(by: Service, recorded: RecordedEvent): Promise<void> {
  const { key, value, headers } = toMessage(by, recorded)
  await producer.send({ topic: topicOf[recorded.event.type], acks: -1, messages: [{ key, value, headers }] })
}

async function createTopics(): Promise<void> {
  const admin = kafka.admin()
  await admin.connect()
  const numPartitions = Number(KAFKA_TOPIC_PARTITIONS)
  await admin.createTopics({
    topics: topics.map((topic) => ({ topic, numPartitions, replicationFactor: 1 })),
    waitForLeaders: true,
  }) // those that are there are left as they are
  await admin.disconnect()
}

/** @returns whether it has joined its group, and how to stop */
async function consume(service: Service) {
  const own = steps.filter(({ by }) => by === service)
  const stepOn = new Map(own.map((step) => [cloudEventType(step.on), step]))
  const consumer = kafka.consumer({
    groupId: `bare-${service}`,
    allowAutoTopicCreation: false,
    maxWaitTimeInMs: 1_000,
  })
  let hasJoined = false
  consumer.on(consumer.events.GROUP_JOIN, () => {
    hasJoined = true
  })
  consumer.on(consumer.events.CRASH, ({ payload: { restart, error } }) => {
    if (!restart) throw error
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [...new Set(own.map(({ on }) => topicOf[on]))], fromBeginning: true })

  const offsets = new OffsetTracker()
  await consumer.run({
    autoCommit: false, // before each fetch it would wait for the broker, and a message for it
    partitionsConsumedConcurrently: Number(KAFKA_TOPIC_PARTITIONS),
    eachMessage: async ({ topic, partition, message: { key, value, headers, offset } }) => {
      const done = offsets.began(topic, partition, offset)
      const step = stepOn.get(String(headers?.ce_type))
      if (step) {
        const checkoutId = String(key)
        const event = await step.answer(checkoutId, JSON.parse(String(value)) as SagaEvent['data'])
        const causedBy = String(headers?.ce_id)
        if (event) await send(service, await commit(service, step.version, { checkoutId, causedBy, event }))
      }
      done()
    },
  })
  const commitOffsets = () => consumer.commitOffsets(offsets.take()).catch(() => undefined)
  setInterval(() => void commitOffsets(), offsetCommitIntervalMillis)
  const stop = async () => {
    await commitOffsets()
    await consumer.disconnect()
  }
  return { isReady: () => hasJoined, stop }
}

async function request(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const asked = (await json(incoming)) as Omit<EventOf<'CheckoutRequested'>['data'], 'deadline'>
  const checkoutId = randomUUID()
  const deadline = new Date(Date.now() + deadlineMillis).toISOString()
  const event: SagaEvent = { type: 'CheckoutRequested', data: { ...asked, deadline } }
  const recorded = await commit('checkout', 1, { checkoutId, causedBy: `request/${checkoutId}`, event })
  const self = `/checkouts/${checkoutId}`
  const links = { self, events: `${self}/events` }
  response.writeHead(202, { 'content-type': 'application/json', location: self })
  response.end(JSON.stringify({ checkoutId, status: 'requested', traceId: null, links }))
  await send('checkout', recorded)
}

/** Runs a service until the process is told to stop. */
export async function runBare(name: Service | 'gateway'): Promise<void> {
  await prepareStore(name === 'gateway' ? 'checkout' : name)
  await createTopics()
  await producer.connect()
  const consumer = name === 'gateway' ? undefined : await consume(name)

  const answer: RequestListener = (incoming, response) => {
    if (incoming.url === '/readyz') response.writeHead(consumer?.isReady() === false ? 503 : 200).end()
    else if (name === 'gateway' && incoming.method === 'POST') void request(incoming, response)
    else response.writeHead(404).end()
  }
  const server = createServer({ keepAliveTimeout: 60_000 }, answer)
  server.listen(Number(name === 'gateway' ? GATEWAY_PORT : HEALTH_PORT), '127.0.0.1')

  process.once('SIGTERM', () => {
    void Promise.resolve(consumer?.stop())
      .then(() => producer.disconnect())
      .then(() => store.close())
      .finally(() => process.exit())
  })
}
