/** The gateway as a process of its own, against the real store, without Kafka and with it. */
import { deepStrictEqual, match, ok, rejects, strictEqual } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { connect, createServer } from 'node:net'
import type { Stack } from '../infra/native/open-stack.ts'
import { pickFreePorts } from '../infra/native/ports.ts'
import { eventually } from '../infra/verify/eventually.ts'
import { stackForTests } from '../infra/verify/stack-for-tests.ts'
import { services } from '../shared/saga/events.ts'
import { KafkaConnection } from '../shared/kafka/kafka.ts'
import { EventStore } from '../shared/kernel/event-store.ts'
import type { StoreConnection } from '../shared/kernel/mongo.ts'
import { connectStore } from '../shared/kernel/mongo.ts'
import { createRecordingLogger } from '../shared/telemetry/recording-logger.ts'
import { acceptedView, checkoutView } from './checkout-view.ts'
import type { RunningGateway } from './gateway-process.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { goodRequest } from './gateway-under-test.ts'
import { checkoutIdFor } from './idempotency.ts'

const startMillis = 180_000 // the servers may have to be installed first

describe('the gateway, with the real store and no Kafka', function () {
  this.timeout(60_000)
  const databasePrefix = `gateway-${randomUUID().slice(0, 8)}`
  let stack: Stack
  let connection: StoreConnection
  let kafkaPort: number
  let gateway: RunningGateway

  before(async function () {
    this.timeout(startMillis)
    stack = await stackForTests()
    await stack.ready('mongodb')
    connection = await connectStore({ mongodbUrl: stack.urls.mongodbUrl, databasePrefix })
    kafkaPort = (await pickFreePorts()).kafka // where nobody listens yet
    gateway = await startGatewayProcess({
      MONGODB_URL: stack.urls.mongodbUrl,
      MONGODB_DATABASE_PREFIX: databasePrefix,
      KAFKA_BROKERS: `127.0.0.1:${kafkaPort}`,
    })
  })
  after(async () => {
    gateway.process.kill('SIGKILL')
    await connection.close()
  })

  const post = (headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}/checkouts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(goodRequest),
    })
  const accepted = async (response: Response) => {
    strictEqual(response.status, 202)
    return acceptedView.parse(await response.json())
  }
  const viewOf = async (checkoutId: string) => {
    const response = await fetch(`${gateway.url}/checkouts/${checkoutId}`)
    strictEqual(response.status, 200)
    return checkoutView.parse(await response.json())
  }

  it('is ready, and says that Kafka is not', async () => {
    const response = await fetch(`${gateway.url}/readyz`)
    strictEqual(response.status, 200)
    deepStrictEqual(await response.json(), {
      status: 'ready',
      store: 'reachable',
      kafka: 'connecting',
      draining: false,
    })
  })

  it('accepts checkouts, and never answers 404 after 202', async () => {
    await Promise.all(
      Array.from({ length: 20 }, async () => {
        const { checkoutId, traceId } = await accepted(await post())
        const view = await viewOf(checkoutId)
        deepStrictEqual([view.status, view.traceId], ['requested', traceId])
      }),
    )
  })

  it('continues the trace of its caller', async () => {
    const traceId = '0af7651916cd43dd8448eb211c80319c'
    const response = await post({ traceparent: `00-${traceId}-b7ad6b7169203331-01` })
    match(response.headers.get('traceresponse') ?? '', new RegExp(`^00-${traceId}-[0-9a-f]{16}-01$`))
    strictEqual((await accepted(response)).traceId, traceId)
  })

  it('gives one checkout to 50 requests that race with one key', async () => {
    const key = { 'idempotency-key': randomUUID() }
    const responses = await Promise.all(Array.from({ length: 50 }, () => post(key)))
    const views = await Promise.all(responses.map(accepted))
    strictEqual(new Set(views.map(({ checkoutId, traceId }) => `${checkoutId} ${traceId}`)).size, 1)
    const commits = connection.databaseOf('checkout').collection<{ _id: string }>('commits')
    const { checkoutId = '' } = views[0] ?? {}
    strictEqual(await commits.countDocuments({ checkoutId }), 1)
  })

  it('follows a checkout live across the stores of all services', async () => {
    const { checkoutId } = await accepted(await post())
    const response = await fetch(`${gateway.url}/checkouts/${checkoutId}/events`)
    const { order, payment } = goodRequest
    const stores = Object.fromEntries(
      services.map((service) => [service, new EventStore(connection.databaseOf(service), service)]),
    )
    const commit = { checkoutId, at: new Date(), traceHeaders: {} }
    await stores.users?.append({
      ...commit,
      version: 1,
      causedBy: `checkout/${checkoutId}@1/0`,
      events: [{ type: 'UserRegistered', data: { userId: 'u1', existing: false, order, payment } }],
    })
    await stores.checkout?.append({
      ...commit,
      version: 2,
      causedBy: `users/${checkoutId}@1/0`,
      events: [{ type: 'CheckoutCompleted', data: { orderId: 'o1' } }],
    })
    const text = await response.text() // ends by itself
    match(text, /CheckoutRequested[\s\S]*UserRegistered[\s\S]*CheckoutCompleted[\s\S]*event: end/)
    ok(!text.includes(goodRequest.user.email))
  })

  it('publishes what it accepted once Kafka is there', async function () {
    this.timeout(startMillis)
    const { checkoutId } = await accepted(await post())
    await stack.ready('kafka')
    const door = await openDoor(kafkaPort, stack.ports.kafka)
    const { log } = createRecordingLogger()
    const kafka = new KafkaConnection({ brokers: [stack.urls.kafkaBrokers], clientId: 'test' }, log)
    await kafka.ensureTopics(1)
    const arrived = Promise.withResolvers<undefined>()
    const consumer = await kafka.startConsumer({
      groupId: randomUUID(),
      topics: ['checkouts'],
      offsetCommitIntervalMillis: 1_000,
      onFatal: (error) => arrived.reject(error),
      handle: (message) => {
        if (message.key === checkoutId) arrived.resolve(undefined)
        return Promise.resolve()
      },
    })
    await arrived.promise
    await consumer.stop()
    door.close()
    const readiness = (await (await fetch(`${gateway.url}/readyz`)).json()) as { kafka: string }
    strictEqual(readiness.kafka, 'connected')
  })

  it('ends well on SIGTERM, with an event stream open', async () => {
    const { checkoutId } = await accepted(await post())
    const response = await fetch(`${gateway.url}/checkouts/${checkoutId}/events`)
    const text = response.text()
    const exited = once(gateway.process, 'exit')
    gateway.process.kill('SIGTERM')
    ok(!(await text).includes('event: end'))
    deepStrictEqual(await exited, [0, null])
  })
})

describe('the gateway, with Kafka', () => {
  it('is connected when it first answers: what came before would wait for it', async function () {
    this.timeout(startMillis)
    const stack = await stackForTests()
    await Promise.all([stack.ready('mongodb'), stack.ready('kafka')])
    const gateway = await startGatewayProcess({
      MONGODB_URL: stack.urls.mongodbUrl,
      MONGODB_DATABASE_PREFIX: `gateway-${randomUUID().slice(0, 8)}`,
      KAFKA_BROKERS: stack.urls.kafkaBrokers,
    })
    const exited = once(gateway.process, 'exit')
    try {
      const readiness = (await (await fetch(`${gateway.url}/readyz`)).json()) as { kafka: string }
      strictEqual(readiness.kafka, 'connected')
    } finally {
      gateway.process.kill('SIGTERM')
    }
    deepStrictEqual(await exited, [0, null])
  })
})

describe('what a dead gateway has left', () => {
  const recoveryMillis = 15_000

  it('is on its topic at most 15 s after its death, by another process of the checkout database', async function () {
    this.timeout(startMillis)
    const stack = await stackForTests()
    await Promise.all([stack.ready('mongodb'), stack.ready('kafka')])
    const environment = {
      MONGODB_URL: stack.urls.mongodbUrl,
      MONGODB_DATABASE_PREFIX: `gateway-${randomUUID().slice(0, 8)}`,
      KAFKA_BROKERS: stack.urls.kafkaBrokers,
    }
    const survivor = await startGatewayProcess(environment)
    const dying = await startGatewayProcess({ ...environment, FAILPOINT: 'request-committed' })
    const key = randomUUID()
    const onTopic = new Set<string>()
    const kafka = new KafkaConnection(
      { brokers: [stack.urls.kafkaBrokers], clientId: 'test' },
      createRecordingLogger().log,
    )
    const consumer = await kafka.startConsumer({
      groupId: randomUUID(),
      topics: ['checkouts'],
      offsetCommitIntervalMillis: 60_000,
      onFatal: (error) => {
        throw error
      },
      handle: (message) => {
        if (message.key !== undefined) onTopic.add(message.key)
        return Promise.resolve()
      },
    })
    const isOnTopic = (checkoutId: string, options = {}) =>
      eventually('it on the topic', () => Promise.resolve(onTopic.has(checkoutId) || undefined), options)
    const post = (to: RunningGateway, idempotencyKey: string) =>
      fetch(`${to.url}/checkouts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'idempotency-key': idempotencyKey },
        body: JSON.stringify(goodRequest),
      })
    try {
      const earlier = acceptedView.parse(await (await post(survivor, randomUUID())).json())
      await isOnTopic(earlier.checkoutId) // from now on the topic is read along
      const died = once(dying.process, 'exit')
      await rejects(post(dying, key))
      deepStrictEqual(await died, [null, 'SIGKILL'])
      const checkoutId = checkoutIdFor(key)
      ok(!onTopic.has(checkoutId))
      await isOnTopic(checkoutId, { deadlineMillis: recoveryMillis })
    } finally {
      survivor.process.kill('SIGKILL')
      dying.process.kill('SIGKILL')
      await consumer.stop()
    }
  })
})

/** Kafka "returns" at a port: what connects to it is passed on to the real broker. */
async function openDoor(port: number, toPort: number): Promise<Server> {
  const door = createServer((from) => {
    const to = connect(toPort, '127.0.0.1')
    from.pipe(to).pipe(from)
    for (const socket of [from, to]) socket.on('error', () => socket.destroy())
  })
  door.listen(port, '127.0.0.1')
  await once(door, 'listening')
  return door
}
