/** The gateway as a process of its own, against the real store, without Kafka and with it. */
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { Server } from 'node:net'
import { connect, createServer } from 'node:net'
import type { Stack } from '../infra/native/open-stack.ts'
import { pickFreePorts } from '../infra/native/ports.ts'
import { stackForTests } from '../infra/verify/stack-for-tests.ts'
import { services } from '../shared/saga/events.ts'
import { KafkaConnection } from '../shared/kafka/kafka.ts'
import { EventStore } from '../shared/kernel/event-store.ts'
import type { StoreConnection } from '../shared/kernel/mongo.ts'
import { connectStore } from '../shared/kernel/mongo.ts'
import { createRecordingLogger } from '../shared/telemetry/recording-logger.ts'
import { parseCheckoutRequest } from './checkout-request.ts'
import { acceptedView, checkoutView } from './checkout-view.ts'
import type { RunningGateway } from './gateway-process.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { goodRequest } from './gateway-under-test.ts'
import { StoredIdempotencyKeys } from './idempotency.ts'
import { chooseCheckoutId } from './request-checkout.ts'

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
      OUTBOX_SWEEP_INTERVAL_MILLIS: '500',
      OUTBOX_SWEEP_GRACE_MILLIS: '100',
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

  it('heals a key that was claimed by a process that died before it wrote the checkout', async () => {
    const key = randomUUID()
    const database = connection.databaseOf('checkout')
    const register = {
      store: new EventStore(database, 'checkout'),
      keys: new StoredIdempotencyKeys(database),
      now: () => new Date(),
      deadlineMillis: 60_000,
    }
    const claimed = await chooseCheckoutId(register, parseCheckoutRequest(goodRequest), key)
    const { checkoutId } = await accepted(await post({ 'idempotency-key': key }))
    strictEqual(checkoutId, claimed)
    strictEqual((await viewOf(checkoutId)).status, 'requested')
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
      concurrency: 1,
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
  it('is connected when it first answers: what came before would wait for a sweep', async function () {
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
