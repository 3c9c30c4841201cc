import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Services } from '../../infra/native/services.ts'
import { prepareServices } from '../../infra/native/services.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import type { KafkaForTests, Place } from '../../infra/verify/kafka-for-tests.ts'
import { kafkaForTests } from '../../infra/verify/kafka-for-tests.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { storeForTests } from '../../infra/verify/store-for-tests.ts'
import { Outbox } from '../../producers/outbox/outbox.ts'
import type { EventType, Service } from '../../shared/saga/events.ts'
import { eventTypes, services as names, topicOf, topics } from '../../shared/saga/events.ts'
import { subscriptionsOf, terminalTypes } from '../../shared/saga/flow.ts'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import { cloudEventType } from '../../shared/kafka/cloud-events.ts'
import type { ProducerMessage } from '../../shared/kafka/kafka.ts'
import { EventStore } from '../../shared/kernel/event-store.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { Writer, Writers } from '../../shared/kernel/writers.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import type { LogLine } from '../../shared/telemetry/recording-logger.ts'
import type { LedgerEntry } from '../payments/fake-payment-network.ts'
import { consumerGroupOf } from './service.ts'

interface Plan {
  readonly checkoutId: string
  readonly email?: string
  readonly sku?: string
  readonly token?: string
  readonly deadlineMillis?: number
}

/** What each service has committed for a checkout, in its order. */
type Story = Record<Service, readonly EventType[]>

const completed: Story = {
  checkout: ['CheckoutRequested', 'CheckoutCompleted'],
  users: ['UserRegistered'],
  orders: ['OrderPlaced', 'OrderConfirmed'],
  payments: ['PaymentCaptured'],
}
const declined: Story = {
  checkout: ['CheckoutRequested', 'CheckoutCompensated'],
  users: ['UserRegistered', 'RegistrationRevoked'],
  orders: ['OrderPlaced', 'OrderCancelled'],
  payments: ['PaymentDeclined'],
}

const writerTimings = { beatIntervalMillis: 250, leaseMillis: 2_000 }

describe('the services, as processes, on the real Kafka and the real store', function () {
  this.timeout(180_000)

  let connection: StoreConnection
  let kafka: KafkaForTests
  let services: Services
  let runDirectory: string
  let stores: Record<Service, EventStore>
  let outbox: Outbox

  before(async () => {
    const stack = await stackForTests()
    runDirectory = stack.runDirectory
    const [store, broker] = await Promise.all([storeForTests(), kafkaForTests([...topics, 'dead-letters'])])
    connection = store
    kafka = broker
    const storeOf = (service: Service) =>
      new EventStore(connection.databaseOf(service), service, new Writer('tests'))
    stores = {
      users: storeOf('users'),
      orders: storeOf('orders'),
      payments: storeOf('payments'),
      checkout: storeOf('checkout'),
    }
    await stores.checkout.prepare()
    const { log } = createRecordingLogger()
    outbox = new Outbox({
      store: stores.checkout,
      writers: new Writers(connection.databaseOf('checkout')),
      send: kafka.send,
      log,
      ...writerTimings,
    })
    await outbox.start()
    services = await prepareServices(stack, {
      MONGODB_DATABASE_PREFIX: store.databasePrefix,
      KAFKA_SESSION_TIMEOUT_MILLIS: '6000', // the least that the broker takes: so long one that was killed is missed
      OFFSET_COMMIT_INTERVAL_MILLIS: '200',
      WRITER_BEAT_INTERVAL_MILLIS: String(writerTimings.beatIntervalMillis),
      WRITER_LEASE_MILLIS: String(writerTimings.leaseMillis),
      DEADLINE_CHECK_INTERVAL_MILLIS: '200',
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
    })
    // All at once, as an orchestrator would: whoever comes first creates the topics and the indexes.
    await Promise.all(names.map((name) => services.up(name)))
  })
  after(async () => {
    await services.down()
    await outbox.stop()
    await Promise.all([kafka.stop(), connection.close()])
  })

  /** Does what the gateway does: the request is committed to the checkout's stream, then published. */
  async function request({ checkoutId, email, sku, token, deadlineMillis = 120_000 }: Plan): Promise<void> {
    const result = await stores.checkout.append({
      checkoutId,
      version: 1,
      causedBy: `request/${checkoutId}`,
      at: new Date(),
      events: [
        {
          type: 'CheckoutRequested',
          data: {
            user: { email: email ?? `${checkoutId}@people.example`, name: 'Ada Example' },
            order: { items: [{ sku: sku ?? 'SAGA-MUG', quantity: 2 }] },
            payment: { token: token ?? 'tok_visa' },
            deadline: new Date(Date.now() + deadlineMillis).toISOString(),
          },
        },
      ],
      traceHeaders: {},
    })
    ok(result.outcome === 'appended')
    await outbox.publish(result.commit)
  }

  const typesOf = async (service: Service, checkoutId: string) =>
    (await stores[service].read(checkoutId)).events.map(({ event }) => event.type)

  const storyOf = async (checkoutId: string): Promise<Story> => ({
    checkout: await typesOf('checkout', checkoutId),
    users: await typesOf('users', checkoutId),
    orders: await typesOf('orders', checkoutId),
    payments: await typesOf('payments', checkoutId),
  })

  const isTerminal = (type: EventType) => (terminalTypes as readonly EventType[]).includes(type)

  const untilEnded = (checkoutId: string, deadlineMillis = 60_000) =>
    eventually(
      `the end of checkout ${checkoutId}`,
      async () => (await typesOf('checkout', checkoutId)).some(isTerminal) || undefined,
      { intervalMillis: 50, deadlineMillis },
    )

  const messagesOf = (checkoutId: string) => kafka.messages.filter(({ key }) => key === checkoutId)
  const deadLettersOf = (checkoutId: string) =>
    messagesOf(checkoutId).filter(({ topic }) => topic === 'dead-letters')

  /** Waits until everybody who reads these places has handled them and committed so. */
  const untilHandled = (places: readonly Place[]) =>
    Promise.all(
      names.map((name) =>
        kafka.untilPast(
          consumerGroupOf(name),
          places.filter(({ topic }) => subscriptionsOf(name).some((each) => each === topic)),
        ),
      ),
    )

  /** The ledger's sum of a checkout, in minor units; undefined when no money ever moved. */
  async function moneyOf(checkoutId: string): Promise<number | undefined> {
    const ledger = connection.databaseOf('payment-network').collection<LedgerEntry>('ledger')
    const moved = (await ledger.find({ checkoutId }).toArray()).filter((entry) => 'total' in entry)
    if (moved.length === 0) return undefined
    return moved.reduce((sum, { kind, total }) => sum + (kind === 'refunded' ? -1 : 1) * total.amount, 0)
  }

  async function logOf(service: Service): Promise<LogLine[]> {
    const log = await readFile(join(runDirectory, `${service}.log`), 'utf8')
    return log
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)
  }
  const placeIn = (line: LogLine): Place => ({
    topic: String(line['messaging.destination.name']),
    partition: Number(line['messaging.destination.partition.id']),
    offset: String(line['messaging.kafka.offset']),
  })

  describe('bring a checkout to its end', () => {
    const outcomes: readonly [string, Omit<Plan, 'checkoutId'>, Story, number | undefined][] = [
      ['completed when all goes well', {}, completed, 2_500],
      ['completed when the network fails at first', { token: 'tok_flaky' }, completed, 2_500],
      ['compensated when the card is declined', { token: 'tok_declined' }, declined, undefined],
      ['compensated when the token is unknown', { token: 'tok_of_nobody' }, declined, undefined],
      [
        'compensated when nothing is in stock, and no payment is asked for',
        { sku: 'SAGA-POSTER' },
        { ...declined, orders: ['OrderRejected'], payments: [] },
        undefined,
      ],
      [
        'rejected when the user may not register, and nobody else hears of it',
        { email: 'eve@blocked.example' },
        {
          checkout: ['CheckoutRequested', 'CheckoutRejected'],
          users: ['RegistrationRejected'],
          orders: [],
          payments: [],
        },
        undefined,
      ],
    ]
    for (const [what, plan, story, money] of outcomes) {
      it(what, async () => {
        const checkoutId = randomUUID()
        await request({ checkoutId, ...plan })
        await untilEnded(checkoutId)
        deepEqual(await storyOf(checkoutId), story)
        equal(await moneyOf(checkoutId), money)
      })
    }

    it('compensated with the user kept when another checkout relies on it', async () => {
      const email = `${randomUUID()}@people.example`
      const [first, second] = [randomUUID(), randomUUID()]
      await request({ checkoutId: first, email })
      await untilEnded(first)
      await request({ checkoutId: second, email, token: 'tok_declined' })
      await untilEnded(second)
      deepEqual(await storyOf(first), completed)
      deepEqual(await storyOf(second), { ...declined, users: ['UserRegistered', 'RegistrationKept'] })
    })
  })

  it('take back a checkout whose deadline passed while the process that knew of it was dead', async () => {
    const deadlines = connection
      .databaseOf('checkout')
      .collection<{ deadlines: { checkoutId: string }[] }>('deadlines')
    const documentOf = (checkoutId: string) => deadlines.findOne({ 'deadlines.checkoutId': checkoutId })
    await services.server('payments').down()
    const late = randomUUID()
    await request({ checkoutId: late, deadlineMillis: 4_000 })
    await eventually('its deadline in the store', async () => (await documentOf(late)) ?? undefined)
    await eventually('its order', async () => (await typesOf('orders', late)).length || undefined)
    await services.server('checkout').kill()
    await services.up('checkout')
    await eventually(
      'its expiry',
      async () => (await typesOf('checkout', late)).includes('CheckoutExpired') || undefined,
    )
    await services.up('payments')
    await untilEnded(late)
    await eventually('its deadline is cleared', async () => (await documentOf(late)) === null || undefined)
  })

  it('publish every event that they commit, once, under its id, for its checkout', async () => {
    const checkoutId = randomUUID()
    await request({ checkoutId, token: 'tok_declined' })
    await untilEnded(checkoutId)
    await kafka.untilMessage(
      'the end on Kafka',
      ({ key, headers }) => key === checkoutId && headers.ce_type === cloudEventType('CheckoutCompensated'),
    )
    const streams = await Promise.all(names.map((name) => stores[name].read(checkoutId)))
    deepEqual(
      messagesOf(checkoutId)
        .map(({ headers }) => headers.ce_id)
        .sort(),
      streams.flatMap(({ events }) => events.map(({ id }) => id)).sort(),
    )
  })

  it('put what nobody can read into the dead-letter topic once, and handle what comes after it', async () => {
    const checkoutId = randomUUID()
    const marked = (
      what: string,
      message: Omit<ProducerMessage, 'key' | 'headers'> & Partial<ProducerMessage>,
    ): ProducerMessage => ({
      key: checkoutId,
      ...message,
      headers: { ...message.headers, 'x-marked-by-test': `${message.topic}: ${what}` },
    })
    const attributes = (type: string) => ({
      ce_specversion: '1.0',
      ce_id: `test/${randomUUID()}`,
      ce_source: '/sagascope/tests',
      ce_type: type,
      ce_subject: checkoutId,
      ce_time: new Date().toISOString(),
    })
    const headersOf = (type: EventType) => attributes(cloudEventType(type))
    const elsewhere = (topic: string) => eventTypes.filter((type) => topicOf[type] !== topic)

    const poison: ProducerMessage[] = [
      // Of every type: several services react to some, and nobody to others.
      ...eventTypes.map((type) =>
        marked(`${type} that is not JSON`, {
          topic: topicOf[type],
          value: '{"a":',
          headers: headersOf(type),
        }),
      ),
      ...topics.flatMap((topic) => [
        ...eventTypes
          .filter((type) => topicOf[type] === topic)
          .slice(0, 1)
          .flatMap((type) => [
            marked('not of the contract', { topic, value: '{"a":1}', headers: headersOf(type) }),
            marked('a tombstone', { topic, value: null, headers: headersOf(type) }),
          ]),
        marked('no event', { topic, value: '{}' }),
        marked('a tombstone that is no event', { topic, value: null }),
        marked('of an unknown type', {
          topic,
          value: '{}',
          headers: attributes('dev.sagascope.OrderEaten.v1'),
        }),
        ...elsewhere(topic).map((type) =>
          marked(`${type} on a topic that is not its own`, { topic, value: 'x', headers: headersOf(type) }),
        ),
      ]),
    ]
    await kafka.send(poison)
    await request({ checkoutId })
    await untilEnded(checkoutId)
    deepEqual(await storyOf(checkoutId), completed)

    const mark = ({ headers }: IncomingMessage) => headers['x-marked-by-test']
    const originals = await eventually('all that was sent', () => {
      const read = messagesOf(checkoutId).filter(
        (message) => message.topic !== 'dead-letters' && mark(message) !== undefined,
      )
      return Promise.resolve(read.length === poison.length ? read : undefined)
    })
    await untilHandled(originals)
    // All dead letters of one key lie on one partition, so none is left once a later one was read.
    await kafka.send([{ topic: 'dead-letters', key: checkoutId, value: 'the last', headers: {} }])
    await kafka.untilMessage(
      'the last',
      ({ key, value }) => key === checkoutId && value?.toString() === 'the last',
    )

    const letters = deadLettersOf(checkoutId).filter((letter) => mark(letter) !== undefined)
    const origins = (messages: readonly (readonly unknown[])[]) => messages.map(String).sort()
    deepEqual(
      origins(
        letters.map((letter) => [
          mark(letter),
          letter.value?.toString() ?? 'tombstone',
          letter.headers['dead-letter-origin-topic'],
          letter.headers['dead-letter-origin-partition'],
          letter.headers['dead-letter-origin-offset'],
        ]),
      ),
      origins(
        originals.map((original) => [
          mark(original),
          original.value?.toString() ?? 'tombstone',
          original.topic,
          original.partition,
          original.offset,
        ]),
      ),
    )
    const codes = (what: string) => [
      ...new Set(
        letters
          .filter((letter) => mark(letter)?.endsWith(what))
          .map(({ headers }) => headers['dead-letter-error-code']),
      ),
    ]
    deepEqual(codes('that is not JSON'), ['not_json'])
    deepEqual(codes('a tombstone'), ['not_json'])
    deepEqual(codes('not of the contract'), ['not_of_the_contract'])
    deepEqual(codes('no event'), ['not_a_cloud_event'])
    deepEqual(codes('of an unknown type'), ['not_a_cloud_event'])
  })

  it('do nothing more when every message of a checkout is delivered five times again', async () => {
    const [good, bad] = [randomUUID(), randomUUID()]
    await request({ checkoutId: good })
    await request({ checkoutId: bad, token: 'tok_declined' })
    for (const checkoutId of [good, bad]) {
      await untilEnded(checkoutId)
      await kafka.untilMessage(
        `the end of ${checkoutId} on Kafka`,
        ({ key, topic, headers }) =>
          key === checkoutId && topic === 'checkouts' && headers.ce_id === `checkout/${checkoutId}@2/0`,
      )
    }
    const before = await Promise.all([good, bad].map(storyOf))
    const all = [...messagesOf(good), ...messagesOf(bad)]
    const again = all.flatMap(({ topic, key, value, headers }): ProducerMessage[] =>
      Array<ProducerMessage>(5).fill({ topic, key: key ?? null, value, headers }),
    )
    await kafka.send(again)
    const redelivered = await eventually('all of them again', () => {
      const read = [...messagesOf(good), ...messagesOf(bad)]
      return Promise.resolve(read.length === all.length * 6 ? read : undefined)
    })
    await untilHandled(redelivered)
    deepEqual(await Promise.all([good, bad].map(storyOf)), before)
    deepEqual(before, [completed, declined])
    equal(await moneyOf(good), 2_500)
    deepEqual(deadLettersOf(good), [])
  })

  it('end every checkout although one is stopped in the middle, and redo nothing needlessly', async () => {
    const checkouts = Array.from({ length: 30 }, () => randomUUID())
    const slow = randomUUID()
    await request({ checkoutId: slow, token: 'tok_slow' })
    await eventually('the slow order', async () => (await typesOf('orders', slow)).length > 0 || undefined)
    await Promise.all(checkouts.map((checkoutId) => request({ checkoutId })))
    await eventually(
      'the first payment',
      async () => (await typesOf('payments', checkouts[0] ?? '')).length || undefined,
    )
    await services.server('payments').down()
    // What was under way was finished: the slow one had its message in hand.
    const stopped = await logOf('payments')
    const drain = stopped.slice(stopped.findLastIndex((line) => line['event.name'] === 'process.stopping'))
    deepEqual(
      drain.filter(({ level }) => level >= 40),
      [],
    )
    equal(drain.at(-1)?.['event.name'], 'process.stopped')
    deepEqual(await typesOf('payments', slow), ['PaymentCaptured'])
    await services.up('payments')
    for (const checkoutId of [slow, ...checkouts]) {
      await untilEnded(checkoutId)
      deepEqual(await storyOf(checkoutId), completed)
    }
    const handled = (await logOf('payments'))
      .filter((line) => line['event.name'] === 'message.handled')
      .map((line) => Object.values(placeIn(line)).join('/'))
    deepEqual(handled, [...new Set(handled)])
  })

  it('take back a checkout whose payment was away beyond its deadline, and no money has moved in the end', async () => {
    await services.server('payments').down()
    const late = randomUUID()
    await request({ checkoutId: late, deadlineMillis: 500 })
    await eventually(
      'its expiry',
      async () => (await typesOf('checkout', late)).includes('CheckoutExpired') || undefined,
    )
    deepEqual(await storyOf(late), {
      checkout: ['CheckoutRequested', 'CheckoutExpired'],
      users: ['UserRegistered'],
      orders: ['OrderPlaced'],
      payments: [],
    })
    await services.up('payments')
    await untilEnded(late)
    const story = await storyOf(late)
    // Which of the two waiting messages payments reads first decides whether there is something to refund.
    const isRefunded = story.payments.includes('PaymentRefunded')
    deepEqual(story.checkout, ['CheckoutRequested', 'CheckoutExpired', 'CheckoutCompensated'])
    deepEqual(story.users, ['UserRegistered', 'RegistrationRevoked'])
    deepEqual(story.payments, isRefunded ? ['PaymentCaptured', 'PaymentRefunded'] : ['PaymentDeclined'])
    equal(story.orders.at(-1), 'OrderCancelled')
    equal(await moneyOf(late), isRefunded ? 0 : undefined)
  })

  it('end every checkout although one is killed in the middle', async () => {
    const checkouts = Array.from({ length: 30 }, () => randomUUID())
    const [half, otherHalf] = [checkouts.slice(0, 15), checkouts.slice(15)]
    await Promise.all(half.map((checkoutId) => request({ checkoutId })))
    await eventually(
      'the first order',
      async () => (await typesOf('orders', half[0] ?? '')).length || undefined,
    )
    await services.server('orders').kill()
    await Promise.all(otherHalf.map((checkoutId) => request({ checkoutId })))
    await services.up('orders')
    for (const checkoutId of checkouts) {
      await untilEnded(checkoutId)
      deepEqual(await storyOf(checkoutId), completed)
      equal(await moneyOf(checkoutId), 2_500)
    }
  })

  it('hold up nobody for one that is slow', async () => {
    const [slow, quick] = [randomUUID(), Array.from({ length: 10 }, () => randomUUID())]
    await request({ checkoutId: slow, token: 'tok_slow' })
    await eventually('the slow order', async () => (await typesOf('orders', slow)).length || undefined)
    await Promise.all(quick.map((checkoutId) => request({ checkoutId })))
    await Promise.all([slow, ...quick].map((checkoutId) => untilEnded(checkoutId)))
    const paidAt = async (checkoutId: string) =>
      (await stores.payments.read(checkoutId)).events[0]?.time ?? ''
    const [slowAt, ...quickAt] = await Promise.all([slow, ...quick].map(paidAt))
    ok(quickAt.every((at) => at < (slowAt ?? '')))
  })
})
