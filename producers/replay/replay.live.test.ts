import { deepEqual, doesNotMatch, equal, match, ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import type { Stack } from '../../infra/native/open-stack.ts'
import { serviceEnvironment } from '../../infra/native/service-environment.ts'
import type { Services } from '../../infra/native/services.ts'
import { prepareServices } from '../../infra/native/services.ts'
import type { CheckoutView } from '../../infra/verify/checkouts.ts'
import { placeCheckout, sampleCheckout, untilEnded } from '../../infra/verify/checkouts.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import { fetchTrace, findTraces } from '../../shared/backends/jaeger.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { storeForTests } from '../../infra/verify/store-for-tests.ts'
import type { Service } from '../../shared/saga/events.ts'
import { services as serviceNames } from '../../shared/saga/events.ts'
import { subscriptionsOf } from '../../shared/saga/flow.ts'
import { consumerGroupOf } from '../../consumers/runtime/service.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { EventStore } from '../../shared/kernel/event-store.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import type { Ran } from './command-for-tests.ts'
import { runReplay } from './command-for-tests.ts'

const entry = z.object({
  replayOf: z.string(),
  topic: z.string(),
  type: z.string(),
  id: z.string(),
  checkoutId: z.string(),
  originTraceId: z.string().optional(),
  traceId: z.string().optional(),
})
const planned = z.object({
  messages: z.number(),
  executed: z.boolean(),
  leftOut: z.object({ copies: z.number(), unreadable: z.array(z.string()) }),
  list: z.array(entry),
})
const ranAgain = z.object({
  pairs: z.array(
    z.object({
      checkoutId: z.string(),
      newCheckoutId: z.string(),
      traceId: z.string(),
      newTraceId: z.string(),
      status: z.string(),
      newStatus: z.string(),
    }),
  ),
})

const stepsOfCompleted = [
  'CheckoutRequested',
  'UserRegistered',
  'OrderPlaced',
  'PaymentCaptured',
  'OrderConfirmed',
  'CheckoutCompleted',
]

describe('npm run replay', function () {
  this.timeout(120_000)

  /** It looks for some seconds, which nobody else need wait for. */
  let withoutKafka: Promise<Ran>
  before(() => {
    withoutKafka = runReplay(['--all'], { KAFKA_BROKERS: '127.0.0.1:1' })
  })

  it('says how it is used, and what it did not understand', async () => {
    const { exitCode, stdout } = await runReplay(['--help'], {})
    equal(exitCode, 0)
    match(stdout, /npm run replay -- --checkout <id>/)
    const wrong = await runReplay(['--checkout', 'c1', '--topic', 'none'], {})
    deepEqual([wrong.exitCode, wrong.stdout], [2, ''])
    match(wrong.stderr, /is none of checkouts.*\nnpm run replay -- --help tells more/)
  })

  describe('on the real servers', () => {
    let stack: Stack
    let services: Services
    let store: StoreConnection & { readonly databasePrefix: string }
    let kafka: KafkaConnection
    let view: CheckoutView
    const email = `${randomUUID()}@people.example`
    const outputs: string[] = []

    before(async () => {
      stack = await stackForTests()
      await Promise.all(
        (['kafka', 'mongodb', 'collector', 'jaeger'] as const).map((name) => stack.ready(name)),
      )
      store = await storeForTests()
      services = await prepareServices(stack, { MONGODB_DATABASE_PREFIX: store.databasePrefix })
      await Promise.all(services.names.map((name) => services.up(name)))
      const { log } = createRecordingLogger()
      kafka = new KafkaConnection({ brokers: [stack.urls.kafkaBrokers], clientId: 'tests' }, log)
      const { checkoutId } = await placeCheckout(services.gatewayUrl, sampleCheckout({ email }))
      view = await untilEnded(services.gatewayUrl, checkoutId)
    })
    after(async () => {
      await services.down()
      await store.close()
    })

    const environment = () => ({ ...serviceEnvironment(stack), OTEL_BSP_SCHEDULE_DELAY: '100' })
    async function command(...args: readonly string[]): Promise<Ran> {
      const ran = await runReplay(args, environment())
      outputs.push(ran.stdout, ran.stderr)
      return ran
    }
    async function plan(...args: readonly string[]) {
      const { exitCode, stdout, stderr } = await command(...args, '--json')
      equal(exitCode, 0, stderr)
      return planned.parse(JSON.parse(stdout))
    }

    const ofCheckout = async (owner: 'payment-network' | 'users', collection: string) =>
      (await store.databaseOf(owner).collection(collection).find().toArray()).filter(
        ({ checkoutId, receipt }) =>
          checkoutId === view.checkoutId || String(receipt).startsWith(`${view.checkoutId}/`),
      )
    const everythingStored = async () => ({
      streams: await Promise.all(
        serviceNames.map((service) =>
          new EventStore(store.databaseOf(service), service).read(view.checkoutId),
        ),
      ),
      ledger: await ofCheckout('payment-network', 'ledger'),
      register: await ofCheckout('users', 'email_register'),
    })

    it('knows no checkout that there is not, and finds nothing where nothing is', async () => {
      const unknown = await command('--checkout', randomUUID(), '--execute')
      deepEqual([unknown.exitCode, unknown.stdout], [1, ''])
      match(unknown.stderr, /Nothing of checkout .* lies on checkouts, users, orders, payments\./)
      const empty = await command('--since', '2999-01-01', '--execute')
      deepEqual([empty.exitCode, empty.stdout], [0, ''])
      match(empty.stderr, /There is nothing to replay/)
    })

    it('lists what it would send, in causal order, and sends nothing', async () => {
      const { exitCode, stdout } = await command('--checkout', view.checkoutId)
      equal(exitCode, 0)
      match(stdout, /^6 messages of 1 checkout/)
      match(stdout, /Nothing was sent: 6 messages would be/)
      const { list, executed, leftOut } = await plan('--checkout', view.checkoutId)
      deepEqual(
        list.map(({ type }) => type),
        stepsOfCompleted,
      )
      deepEqual([executed, leftOut], [false, { copies: 0, unreadable: [] }])
    })

    it('finds a message by its offset, and a topic in a window of time', async () => {
      const ofOrders = await plan('--checkout', view.checkoutId, '--topic', 'orders')
      const [placed] = ofOrders.list
      const [, partition = '', offset = ''] = placed?.replayOf.split('/') ?? []
      const place = ['--topic', 'orders', '--partition', partition]
      const one = await plan(...place, '--from-offset', offset, '--to-offset', offset)
      deepEqual(one.list, [placed])
      const requestedAt = view.steps[0]?.time ?? ''
      const window = await plan('--topic', 'orders', '--since', requestedAt)
      deepEqual(
        window.list.filter(({ checkoutId }) => checkoutId === view.checkoutId),
        ofOrders.list,
      )
      const before = await plan('--checkout', view.checkoutId, '--topic', 'users', '--since', requestedAt)
      equal(before.list.length, 1)
    })

    describe('that was told to send', () => {
      let sent: z.infer<typeof planned>
      let stored: Awaited<ReturnType<typeof everythingStored>>

      before(async () => {
        stored = await everythingStored()
        const producer = await kafka.connectProducer()
        await producer.send([{ topic: 'orders', key: view.checkoutId, value: 'x', headers: {} }])
        await producer.disconnect()
        sent = await plan('--checkout', view.checkoutId, '--execute', '--rate', '100')
      })

      it('has sent each message, and left out what no service can read', () => {
        deepEqual(
          sent.list.map(({ type }) => type),
          stepsOfCompleted,
        )
        equal(sent.executed, true)
        equal(sent.leftOut.unreadable.length, 1)
      })

      it('has left a trace for each that links to the first sender, and was handled by whoever reacts', async () => {
        for (const { traceId = '', replayOf, topic } of sent.list) {
          const handlers = topic === 'checkouts' ? [] : ['consumer'] // an end has none, a request two
          const spans = await eventually(`the trace of ${replayOf} in Jaeger`, async () => {
            const found = await fetchTrace(stack.urls.jaegerUrl, traceId)
            const kinds = found?.map(({ kind }) => kind) ?? []
            return ['internal', 'producer', ...handlers].every((kind) => (kinds as string[]).includes(kind))
              ? found
              : undefined
          })
          const [root] = spans.filter(({ name }) => name === 'replay message')
          ok(root)
          deepEqual([root.service, root.parentSpanId, root.links.length], ['replay', undefined, 1])
          deepEqual([root.attributes['replay.of'], root.attributes['saga.id']], [replayOf, view.checkoutId])
          const again = spans.find(({ parentSpanId }) => parentSpanId === root.spanId)
          equal(again?.name, `send ${topic}`)

          const first = (await fetchTrace(stack.urls.jaegerUrl, view.traceId)) ?? []
          const sender = first.find(({ spanId }) => spanId === root.links[0]?.spanId)
          deepEqual([sender?.traceId, sender?.name], [view.traceId, `send ${topic}`])
        }
      })

      it('has changed nothing: no commit, no entry of the ledger or of the register, the same view', async () => {
        const groups = await eventually('all groups past what was sent', async () => {
          const behind = await Promise.all(serviceNames.map(lagOf))
          return behind.every((lag) => lag === 0n) ? behind : undefined
        })
        equal(groups.length, serviceNames.length)
        deepEqual(await everythingStored(), stored)
        deepEqual([stored.ledger.length, stored.register.length], [1, 1])
        deepEqual(await untilEnded(services.gatewayUrl, view.checkoutId), view)
      })

      it('is found to have been sent when it is asked for again, and is sent once more only', async () => {
        const { list, leftOut } = await plan('--checkout', view.checkoutId)
        equal(leftOut.copies, stepsOfCompleted.length)
        deepEqual(
          list.map(({ replayOf, originTraceId }) => [replayOf, originTraceId]),
          sent.list.map(({ replayOf }) => [replayOf, view.traceId]),
        )
      })

      it('stops between two messages when it is interrupted, and says how far it got', async () => {
        const args = ['--checkout', view.checkoutId, '--execute', '--rate', '0.2']
        const { exitCode, stdout, stderr } = await runReplay(args, environment(), (child) => {
          child.stdout?.once('data', () => child.kill('SIGINT'))
        })
        equal(exitCode, 130, stderr)
        match(stdout, /1 of 6 messages sent\.\n$/)
        match(stderr, /The last was checkouts\/\d\/\d+, checkout\//)
      })
    })

    async function lagOf(service: Service): Promise<bigint> {
      const admin = kafka.client.admin()
      await admin.connect()
      try {
        const asked = { groupId: consumerGroupOf(service), topics: [...subscriptionsOf(service)] }
        const committed = await admin.fetchOffsets(asked)
        const lags = committed.map(async ({ topic, partitions }) => {
          const ends = await admin.fetchTopicOffsets(topic)
          return partitions.map(({ partition, offset }) => {
            const end = ends.find((each) => each.partition === partition)
            return BigInt(end?.high ?? 0) - BigInt(offset === '-1' ? (end?.low ?? 0) : offset)
          })
        })
        return (await Promise.all(lags)).flat().reduce((sum, lag) => sum + lag, 0n)
      } finally {
        await admin.disconnect()
      }
    }

    describe('as a new checkout', () => {
      let pair: z.infer<typeof ranAgain>['pairs'][number]

      it('is only told which when it is not told to', async () => {
        const args = ['--checkout', view.checkoutId, '--as-new', '--gateway', services.gatewayUrl]
        const { exitCode, stdout } = await command(...args)
        equal(exitCode, 0)
        match(stdout, /Nothing was placed: 1 checkout would be/)
      })

      it('runs the same input under another id to its end', async () => {
        const args = ['--as-new', '--gateway', services.gatewayUrl, '--execute', '--json']
        const { exitCode, stdout, stderr } = await command('--checkout', view.checkoutId, ...args)
        equal(exitCode, 0, stderr)
        const [first] = ranAgain.parse(JSON.parse(stdout)).pairs
        ok(first)
        pair = first
        deepEqual(
          [pair.checkoutId, pair.traceId, pair.status, pair.newStatus],
          [view.checkoutId, view.traceId, 'completed', 'completed'],
        )
        const again = await untilEnded(services.gatewayUrl, pair.newCheckoutId)
        equal(again.traceId, pair.newTraceId)
        deepEqual(
          again.steps.map(({ type }) => type),
          stepsOfCompleted,
        )
      })

      it('has a trace that begins with the request, as the first has, and a span that links both', async () => {
        const [root] = await eventually('the new trace in Jaeger', async () => {
          const spans = await fetchTrace(stack.urls.jaegerUrl, pair.newTraceId)
          const found = spans?.filter(({ parentSpanId }) => parentSpanId === undefined)
          return found && found.length > 0 ? found : undefined
        })
        deepEqual([root?.service, root?.name], ['gateway', 'POST /checkouts'])
        const [asking] = await eventually('the span that asked in Jaeger', async () => {
          const attributes = { 'saga.id': pair.newCheckoutId, 'replay.saga.id': view.checkoutId }
          const found = await findTraces(stack.urls.jaegerUrl, { service: 'replay', attributes })
          return found[0]
        })
        equal(asking?.name, 'replay checkout')
        deepEqual(
          asking.links.map((link) => link.traceId),
          [view.traceId, pair.newTraceId],
        )
        equal(asking.links[1]?.spanId, root?.spanId)
      })

      it('says where the gateway was looked for when it is away', async () => {
        const args = ['--checkout', view.checkoutId, '--as-new', '--execute']
        const { exitCode, stderr } = await command(...args, '--gateway', 'http://127.0.0.1:1')
        equal(exitCode, 3)
        match(stderr, /The gateway does not answer at http:\/\/127\.0\.0\.1:1/)
      })
    })

    // Mocha runs a suite's own tests before those of the suites in it.
    describe('in all that it has printed', () => {
      it('never tells an email, a name or a token', () => {
        match(outputs.join(''), /runs again as/) // those that had most to tell are among them
        doesNotMatch(outputs.join(''), new RegExp(`${email}|people\\.example|Ada Example|tok_visa`))
      })
    })
  })

  describe('without Kafka', () => {
    it('says where it was looked for, and does not wait for long', async () => {
      const { exitCode, stdout, stderr } = await withoutKafka
      deepEqual([exitCode, stdout], [3, ''])
      match(stderr, /^Kafka does not answer at 127\.0\.0\.1:1: .*KAFKA_BROKERS says where it is\.\n$/)
    })
  })
})
