import { deepEqual, equal } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Admin } from 'kafkajs'
import { MongoClient } from 'mongodb'
import type { EndSeen } from '../../../producers/load/gateway-client.ts'
import { GatewayClient } from '../../../producers/load/gateway-client.ts'
import { EndWatch } from '../../../producers/load/watch-ends.ts'
import { within } from '../../../shared/process/deadline.ts'
import type { Stop } from '../../native/run-until-stopped.ts'
import { sampleCheckout } from '../../verify/checkouts.ts'
import { eventually } from '../../verify/eventually.ts'
import { topics } from '../../../shared/saga/events.ts'
import { KafkaConnection } from '../../../shared/kafka/kafka.ts'
import { createLogger } from '../../../shared/telemetry/logger.ts'
import type { Rig } from '../rig.ts'
import { startRig } from '../rig.ts'
import { armNamed } from './arms.ts'
import { startFakeAgent } from './vendor/fake-agent.ts'

const placed = 5

/** A few documents a second, however many checkouts there are. */
const writtenBySeconds: ReadonlySet<string> = new Set(['writers', 'deadlines'])

describe('what can be had instead', function () {
  this.timeout(5 * 60_000)

  const stops: Stop[] = []
  const onStop = (stop: Stop) => stops.push(stop)
  afterEach(async () => {
    for (const stop of stops.splice(0).reverse()) await stop()
  })

  /** Places checkouts and sees them come to their end, as the lab does. */
  async function complete(rig: Rig): Promise<void> {
    const client = new GatewayClient(rig.gatewayUrl, 30_000)
    const watch = new EndWatch(client, 30_000)
    await watch.start({ by: 'kafka', kafka: kafkaOf(rig) })
    const ends = Array.from({ length: placed }, async () => {
      const answer = await client.place(sampleCheckout({ email: `${randomUUID()}@example.com` }))
      if (answer.kind !== 'accepted') throw new Error(`a checkout was ${answer.kind}: ${answer.code}`)
      const { end } = await new Promise<EndSeen>((resolve) => watch.watch(answer.checkoutId, resolve))
      equal(end, 'completed')
    })
    try {
      await within(120_000, 'checkouts that complete', Promise.all(ends))
    } finally {
      client.close()
      await watch.stop()
    }
  }

  const kafkaOf = ({ stack }: Rig): KafkaConnection =>
    new KafkaConnection(
      { brokers: [stack.urls.kafkaBrokers], clientId: 'tests' },
      createLogger('tests', 'error'),
    )

  it('the bare chain makes the inserts and sends the messages that the saga does', async () => {
    const left: Record<string, unknown>[] = []
    for (const name of ['off', 'bare-chain']) {
      const rig = await startRig(armNamed(name), { pinning: undefined, onStop })
      await complete(rig)
      left.push(await leftPerCheckout(rig))
      await rig.down()
    }
    const [saga, bare] = left
    deepEqual(bare, saga)
    deepEqual(saga?.messages, { checkouts: 2, users: 1, orders: 2, payments: 1 })
  })

  /** What a rig's checkouts have left in its store and on its topics, by one checkout. */
  async function leftPerCheckout(rig: Rig): Promise<Record<string, unknown>> {
    const store = await MongoClient.connect(rig.stack.urls.mongodbUrl)
    const admin = kafkaOf(rig).client.admin()
    await admin.connect()
    try {
      return { documents: await documentsIn(store), messages: await messagesOn(admin) }
    } finally {
      await Promise.all([store.close(), admin.disconnect()])
    }
  }

  async function documentsIn(store: MongoClient): Promise<Record<string, unknown>> {
    const documents: Record<string, unknown> = {}
    for (const owner of ['users', 'orders', 'payments', 'checkout', 'payment-network']) {
      for (const collection of await store.db(`sagascope-${owner}`).collections()) {
        if (writtenBySeconds.has(collection.collectionName)) continue
        const count = await collection.countDocuments()
        const { events = [], ...fields } = (await collection.findOne<{ events?: object[] }>()) ?? {}
        documents[`${owner}/${collection.collectionName}`] = {
          count: count / placed,
          fields: Object.keys(fields).sort(),
          events: events.map((event) => Object.keys(event).sort()),
          indexes: (await collection.indexes()).map(({ key, unique }) => ({ key: key, unique })),
        }
      }
    }
    return documents
  }

  async function messagesOn(admin: Admin): Promise<Record<string, number>> {
    const messages: Record<string, number> = {}
    for (const topic of topics) {
      const ends = await admin.fetchTopicOffsets(topic)
      messages[topic] = ends.reduce((sum, { high }) => sum + Number(high), 0) / placed
    }
    return messages
  }

  it('all auto-instrumentations make spans of requests, messages and commands', async () => {
    const { port, names } = await startSpanNames()
    const rig = await startRig(armNamed('auto-instrumentations'), {
      pinning: undefined,
      onStop,
      environment: {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json',
        OTEL_EXPORTER_OTLP_COMPRESSION: 'none',
      },
    })
    await complete(rig)
    await allIn(['POST /checkouts', 'insert commits', 'send users', 'process users'], names)
  })

  it('the vendor’s library makes spans of requests, messages and commands', async () => {
    const agent = await startFakeAgent()
    onStop(() => agent.close())
    const environment = { DD_TRACE_AGENT_PORT: String(agent.port) }
    const rig = await startRig(armNamed('dd-trace'), { pinning: undefined, onStop, environment })
    await complete(rig)
    await allIn(['kafka.consume', 'kafka.produce', 'koa.request', 'mongodb.query'], agent.spansByOperation)
  })

  const allIn = (expected: readonly string[], seen: { has(name: string): boolean }): Promise<true> =>
    eventually(`spans of ${expected.join(', ')}`, () =>
      Promise.resolve(expected.every((name) => seen.has(name)) || undefined),
    )

  /** Takes OTLP as JSON and remembers how spans are named. */
  async function startSpanNames() {
    const names = new Set<string>()
    const server = createServer((request, response) => {
      void text(request).then((body) => {
        for (const [, name = ''] of body.matchAll(/"spanId":"\w+"[^{}]*?"name":"([^"]+)"/g)) names.add(name)
        response.setHeader('content-type', 'application/json').end('{}')
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    onStop(() => {
      server.closeAllConnections()
      server.close()
      return Promise.resolve()
    })
    return { port: (server.address() as AddressInfo).port, names }
  }
})
