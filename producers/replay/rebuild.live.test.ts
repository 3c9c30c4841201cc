import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Document } from 'mongodb'
import { checkout } from '../../consumers/checkout/decider.ts'
import { orders } from '../../consumers/orders/decider.ts'
import { payments } from '../../consumers/payments/decider.ts'
import { consumerGroupOf } from '../../consumers/runtime/service.ts'
import { users } from '../../consumers/users/decider.ts'
import { CheckoutHistory } from '../../gateway/checkout-history.ts'
import { toView } from '../../gateway/checkout-view.ts'
import type { Stack } from '../../infra/native/open-stack.ts'
import { openStack } from '../../infra/native/open-stack.ts'
import { pickFreePorts } from '../../infra/native/ports.ts'
import { serviceEnvironment } from '../../infra/native/service-environment.ts'
import type { Services } from '../../infra/native/services.ts'
import { prepareServices } from '../../infra/native/services.ts'
import { fetchCheckout, placeCheckout, sampleCheckout, untilEnded } from '../../infra/verify/checkouts.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import type { Decider } from '../../shared/saga/decider.ts'
import { fold } from '../../shared/saga/decider.ts'
import type { SagaEvent, Service } from '../../shared/saga/events.ts'
import { subscriptionsOf } from '../../shared/saga/flow.ts'
import { services as serviceNames, topics } from '../../shared/saga/events.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { EventStore } from '../../shared/kernel/event-store.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { connectStore } from '../../shared/kernel/mongo.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import { spanNamedBy } from '../../shared/telemetry/traceparent.ts'
import { runReplay } from './command-for-tests.ts'
import { readSelection } from './read-selection.ts'
import { projectionsOf, rebuild, stateOf } from './rebuild.ts'
import { streamsOf } from './streams.ts'

const deciders: Readonly<
  Record<Service, Pick<Decider<unknown, never, SagaEvent>, 'initialState' | 'evolve'>>
> = {
  users: users as never,
  orders: orders as never,
  payments: payments as never,
  checkout: checkout as never,
}

const shortDeadlineMillis = 1_000

/** Of the trace headers the trace: the span was the consumer's, and the topics know the producer's, its child. */
const traceOf = ({ traceHeaders }: Document): string | undefined =>
  spanNamedBy((traceHeaders as Record<string, string> | undefined)?.traceparent)?.traceId

describe('stores rebuilt from the topics alone', function () {
  this.timeout(180_000)

  // Servers of its own: these topics hold no other test's checkouts.
  let stack: Stack
  let services: Services
  let original: StoreConnection
  let rebuilt: StoreConnection
  let kafka: KafkaConnection
  let openCheckoutId: string
  let withoutStore: ReturnType<typeof runReplay>
  const placed: string[] = []
  const connections: StoreConnection[] = []

  const connect = async (databasePrefix: string): Promise<StoreConnection> => {
    const connection = await connectStore({ mongodbUrl: stack.urls.mongodbUrl, databasePrefix })
    connections.push(connection)
    return connection
  }
  const environment = (databasePrefix: string) => ({
    MONGODB_DATABASE_PREFIX: databasePrefix,
    DEADLINE_CHECK_INTERVAL_MILLIS: '200',
    OTEL_EXPORTER_OTLP_TIMEOUT: '200', // nobody takes the spans, but without them there would be no trace context
    OTEL_METRICS_EXPORTER: 'none',
    OTEL_LOGS_EXPORTER: 'none',
  })
  const address = (): string => `${randomUUID()}@people.example`
  const place = async (changes: Partial<Parameters<typeof sampleCheckout>[0]> = {}): Promise<string> => {
    const request = sampleCheckout({ email: address(), ...changes })
    const { checkoutId } = await placeCheckout(services.gatewayUrl, request)
    placed.push(checkoutId)
    return checkoutId
  }
  const placeAndEnd = async (changes?: Parameters<typeof place>[0]): Promise<string> =>
    (await untilEnded(services.gatewayUrl, await place(changes))).status
  const untilStep = (checkoutId: string, type: string) =>
    eventually(
      `${type} of ${checkoutId}`,
      async () =>
        (await fetchCheckout(services.gatewayUrl, checkoutId))?.steps.find((step) => step.type === type),
      { deadlineMillis: 60_000 },
    )

  before(async () => {
    stack = await openStack({ ports: await pickFreePorts(), only: ['kafka', 'mongodb'] })
    await stack.allReady
    const impatient = await prepareServices(stack, {
      ...environment('original'),
      CHECKOUT_DEADLINE_MILLIS: String(shortDeadlineMillis),
    })
    services = await prepareServices(stack, environment('original'))
    const { log } = createRecordingLogger()
    kafka = new KafkaConnection({ brokers: [stack.urls.kafkaBrokers], clientId: 'tests' }, log)
    await kafka.ensureTopics(3)
    // The driver looks for 10 s.
    withoutStore = runReplay(['--rebuild', '--database-prefix', 'x'], {
      ...serviceEnvironment(stack),
      MONGODB_URL: 'mongodb://127.0.0.1:1',
    })
    await Promise.all([impatient.up('gateway'), services.up('users'), services.up('orders')])
    original = await connect('original')
    rebuilt = await connect('rebuilt')

    // What ends at its deadline: captured and refunded; never paid; expired before it was registered. The clock is the
    // checkout service's, and each service is there when it is its turn, so that nothing depends on who is faster.
    const refunded = await place()
    const unpaid = await place({ token: 'tok_broken' })
    await Promise.all([untilStep(refunded, 'OrderPlaced'), untilStep(unpaid, 'OrderPlaced')])
    await Promise.all([services.server('orders').down(), services.up('payments')])
    await untilStep(refunded, 'PaymentCaptured')
    await Promise.all([services.server('users').down(), services.up('checkout')])
    await untilStep(refunded, 'PaymentRefunded')
    const late = await place()
    await untilStep(late, 'CheckoutExpired')
    await Promise.all([services.up('orders'), services.up('users')])
    const ended = [refunded, unpaid, late].map((each) => untilEnded(services.gatewayUrl, each, 60_000))
    deepEqual(
      (await Promise.all(ended)).map(({ status }) => status),
      ['compensated', 'compensated', 'compensated'],
    )
    await impatient.down()
    await services.up('gateway')

    const shared = address()
    const again = address()
    const outcomes = await Promise.all([
      placeAndEnd(),
      placeAndEnd({ token: 'tok_flaky' }),
      placeAndEnd({ token: 'tok_declined' }),
      placeAndEnd({ sku: 'SAGA-POSTER', quantity: 1 }),
      placeAndEnd({ email: `${randomUUID()}@blocked.example` }),
      // One email is one user, who stays while somebody relies on it, and is another after that.
      placeAndEnd({ email: shared })
        .then(() => placeAndEnd({ email: shared }))
        .then(() => placeAndEnd({ email: shared, token: 'tok_declined' })),
      placeAndEnd({ email: again, token: 'tok_insufficient_funds' }).then(() =>
        placeAndEnd({ email: again }),
      ),
    ])
    deepEqual(outcomes, [
      'completed',
      'completed',
      'compensated',
      'compensated',
      'rejected',
      'compensated',
      'completed',
    ])
    await services.server('payments').down()
    openCheckoutId = await place()
    await untilStep(openCheckoutId, 'OrderPlaced')
    await eventually('all commits on their topics, and the deadline of the open one entered', async () => {
      const commits = await Promise.all(
        serviceNames.map((service) => documents(original, service, 'commits')),
      )
      const { messages } = await readSelection(kafka, { topics })
      const onTopics = new Set(messages.map(({ recorded }) => recorded.id))
      const isDone =
        commits.flat().every(({ _id }) => onTopics.has(`${String(_id)}/0`)) &&
        (await deadlineOfOpen(original)) !== undefined
      return isDone || undefined
    })
  })
  after(async () => {
    await services.down()
    await Promise.all(connections.map((connection) => connection.close()))
    await stack.down()
  })

  const documents = (
    store: StoreConnection,
    owner: Parameters<StoreConnection['databaseOf']>[0],
    collection: string,
  ): Promise<Document[]> => store.databaseOf(owner).collection(collection).find().sort({ _id: 1 }).toArray()

  const withoutTime = (document: Document): Document => ({ ...document, at: undefined })
  const withTrace = (document: Document): Document => ({ ...document, traceHeaders: traceOf(document) })
  const withoutWriter = (document: Document): Document => ({ ...document, writer: undefined, seq: undefined })

  /** Whichever document it is in. */
  const deadlineOfOpen = async (store: StoreConnection): Promise<Document | undefined> =>
    (await documents(store, 'checkout', 'deadlines'))
      .flatMap(({ deadlines }) => deadlines as Document[])
      .find(({ checkoutId }) => checkoutId === openCheckoutId)

  /**
   * All that is projected. Left out is only what the topics do not have: the register's and the network's own clock in
   * their entries, and which process wrote a commit.
   */
  const projected = async (store: StoreConnection) => {
    const deadline = await deadlineOfOpen(store)
    const streams = serviceNames.map((service) => new EventStore(store.databaseOf(service), service))
    const commits = serviceNames.map(
      async (service) =>
        [service, (await documents(store, service, 'commits')).map(withTrace).map(withoutWriter)] as const,
    )
    const states = placed.flatMap((checkoutId) =>
      streams.map(async (stream) => {
        const { events } = await stream.read(checkoutId)
        const state = fold(
          deciders[stream.service],
          events.map(({ event }) => event),
        )
        return [`${stream.service}/${checkoutId}`, state] as const
      }),
    )
    const views = placed.map(async (checkoutId) => {
      const history = new CheckoutHistory(streams, checkoutId)
      await history.advance()
      return [checkoutId, toView(history)] as const
    })
    return {
      commits: Object.fromEntries(await Promise.all(commits)),
      states: Object.fromEntries(await Promise.all(states)),
      views: Object.fromEntries(await Promise.all(views)),
      register: (await documents(store, 'users', 'email_register')).map(withoutTime),
      deadlines: deadline ? [withTrace(deadline)] : [], // one entered with it may have ended meanwhile
      ledger: (await documents(store, 'payment-network', 'ledger')).map(withoutTime),
    }
  }

  const command = (...args: readonly string[]) => runReplay(['--rebuild', ...args], serviceEnvironment(stack))

  it('are only counted when it is not told to write', async () => {
    const { exitCode, stdout, stderr } = await command('--database-prefix', 'rebuilt')
    equal(exitCode, 0, stderr)
    match(stdout, new RegExp(`checkouts +${placed.length}\n`))
    match(stderr, /Nothing was written into rebuilt-\*/)
    equal(await stateOf(rebuilt), 'empty')
  })

  it('are half of it when it is interrupted, and say so', async () => {
    const { messages } = await readSelection(kafka, { topics })
    const projections = projectionsOf(streamsOf(messages))
    const stopping = new AbortController()
    const onProgress = (written: number) => {
      if (written > 20) stopping.abort()
    }
    await rejects(rebuild(rebuilt, projections, { onProgress, signal: stopping.signal }), {
      name: 'AbortError',
    })
    equal(await stateOf(rebuilt), 'unfinished')
    const { stderr } = await command('--database-prefix', 'rebuilt')
    match(stderr, /half of an interrupted rebuild, which would be cleared/)
  })

  it('are equal, in every stream, state and view, in the register, the deadlines and the ledger', async () => {
    const { exitCode, stderr } = await command('--database-prefix', 'rebuilt', '--execute')
    equal(exitCode, 0, stderr)
    match(stderr, /MONGODB_DATABASE_PREFIX=rebuilt starts services on it/)
    const [was, is] = [await projected(original), await projected(rebuilt)]
    ok(Number(was.commits.users?.length) > 10 && was.register.length > 15 && was.ledger.length > 8)
    equal(was.deadlines.length, 1)
    const types = Object.values(was.views).flatMap((view) => view?.steps.map(({ type }) => type) ?? [])
    equal(new Set(types).size, 16, 'every event of the contract is among them')
    deepEqual(is, was)
  })

  it('count as published, and leave a writer whose deadlines are to be taken over', async () => {
    for (const service of serviceNames) {
      const commits = await documents(rebuilt, service, 'commits')
      const writers = await documents(rebuilt, service, 'writers')
      equal(writers.length, 1)
      const [writer] = writers
      ok(writer && commits.every((commit) => commit.writer === (writer._id as unknown)))
      deepEqual(
        commits.map(({ seq }) => Number(seq)).sort((a, b) => a - b),
        commits.map((_commit, index) => index + 1),
      )
      deepEqual(
        [writer.publishedTo, writer.recoveredAtBeat, writer.deadlinesFrom],
        [commits.length, writer.beat, service === 'checkout' ? 1 : undefined],
      )
    }
  })

  it('are not written where something is already', async () => {
    for (const prefix of ['rebuilt', 'original']) {
      const { exitCode, stderr } = await command('--database-prefix', prefix, '--execute')
      equal(exitCode, 1)
      match(stderr, /hold something.*choose another prefix/)
    }
  })

  it('say where the store was looked for when it does not answer', async () => {
    const { exitCode, stderr } = await withoutStore
    equal(exitCode, 3)
    match(stderr, /The store does not answer at MONGODB_URL/)
  })

  describe('with services that begin at the beginning of the topics', () => {
    let earlier: Awaited<ReturnType<typeof projected>>
    let endsBefore: number

    before(async () => {
      await services.down()
      earlier = await projected(rebuilt)
      endsBefore = await messagesOnTopics()
      const admin = kafka.client.admin()
      await admin.connect()
      await admin.deleteGroups(serviceNames.map(consumerGroupOf)) // as new groups would, they know of no offset now
      await admin.disconnect()
      services = await prepareServices(stack, environment('rebuilt'))
      await Promise.all(services.names.map((name) => services.up(name)))
    })

    async function messagesOnTopics(): Promise<number> {
      const admin = kafka.client.admin()
      await admin.connect()
      const offsets = await Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic)))
      await admin.disconnect()
      return offsets.flat().reduce((sum, { high }) => sum + Number(high), 0)
    }
    const untilCaughtUp = () =>
      eventually('all groups at the end of their topics', async () => {
        const admin = kafka.client.admin()
        await admin.connect()
        try {
          for (const service of serviceNames) {
            const asked = { groupId: consumerGroupOf(service), topics: [...subscriptionsOf(service)] }
            for (const { topic, partitions } of await admin.fetchOffsets(asked)) {
              const ends = await admin.fetchTopicOffsets(topic)
              const isBehind = ends.some(
                ({ partition, high, low }) =>
                  high !== low && partitions.find((each) => each.partition === partition)?.offset !== high,
              )
              if (isBehind) return undefined
            }
          }
          return true
        } finally {
          await admin.disconnect()
        }
      })

    it('go on with what was open', async () => {
      equal((await untilEnded(services.gatewayUrl, openCheckoutId)).status, 'completed')
    })

    it('take over the deadlines, and clear them once all have ended', async () => {
      await eventually('no deadline left of those that were rebuilt', async () => {
        const [writer] = (await documents(rebuilt, 'checkout', 'writers')).filter(
          ({ process }) => process === 'rebuild',
        )
        const left = await documents(rebuilt, 'checkout', 'deadlines')
        const isDone =
          writer?.deadlinesAreDone === true &&
          !left.some(({ _id }) => String(_id).startsWith(`${String(writer._id)}/`))
        return isDone || undefined
      })
    })

    it('know of everything else that it was done', async () => {
      await untilCaughtUp()
      const { states: statesNow, views: viewsNow, ledger: ledgerNow } = await projected(rebuilt)
      const isOther = ([name]: readonly [string, unknown]) => !name.includes(openCheckoutId)
      const others = (record: object) => Object.entries(record).filter(isOther)
      deepEqual(others(statesNow), others(earlier.states))
      deepEqual(others(viewsNow), others(earlier.views))
      equal(ledgerNow.length, earlier.ledger.length + 1)
      // PaymentCaptured, OrderConfirmed, CheckoutCompleted: of the one that was open, and no other was sent.
      equal(await messagesOnTopics(), endsBefore + 3)
    })
  })
})
