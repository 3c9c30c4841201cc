import { deepEqual, equal } from 'node:assert/strict'
import type { LedgerEntry } from '../../consumers/payments/fake-payment-network.ts'
import type { Services } from '../../infra/native/services.ts'
import { prepareServices } from '../../infra/native/services.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { storeForTests } from '../../infra/verify/store-for-tests.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import { runPoison } from './poison.ts'
import { describePoison } from './poison-report.ts'

describe('a load with poison in it', function () {
  this.timeout(300_000)

  /** Long enough for all others on a busy machine; what always fails is at its end then. */
  const deadlineMillis = 15_000
  let services: Services
  let store: StoreConnection & { readonly databasePrefix: string }
  let kafka: KafkaConnection

  before(async () => {
    const stack = await stackForTests()
    await stack.ready('kafka')
    store = await storeForTests()
    const { log } = createRecordingLogger()
    kafka = new KafkaConnection({ brokers: [stack.urls.kafkaBrokers], clientId: 'tests' }, log)
    await kafka.ensureTopics(6)
    services = await prepareServices(stack, {
      MONGODB_DATABASE_PREFIX: store.databasePrefix,
      CHECKOUT_DEADLINE_MILLIS: String(deadlineMillis),
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
    })
    await Promise.all(services.names.map((name) => services.up(name)))
  })
  after(async () => {
    await services.down()
    await store.close()
  })

  it('gives exactly as many dead letters as there was poison, and everything else completes', async () => {
    const producer = await kafka.connectProducer()
    const report = await runPoison({
      gatewayUrl: services.gatewayUrl,
      kafka,
      send: producer.send,
      ratePerSecond: 15,
      checkouts: 300,
      slices: 4,
      malformed: 3,
      failing: 1,
      endDeadlineMillis: 3 * deadlineMillis,
    }).finally(() => producer.disconnect())
    console.log(describePoison(report).join('\n'))

    const codes = report.deadLetters.map(({ errorCode }) => errorCode)
    equal(codes.filter((code) => code === 'unreadable_network_answer').length, 1)
    equal(codes.length, 4)
    const ends = Map.groupBy(report.ended, ({ kind, view }) => `${kind}: ${view.status}`)
    deepEqual(Object.fromEntries([...ends].map(([end, of]) => [end, of.length])), {
      'without poison: completed': 150,
      'among poison: completed': 149,
      'failing: compensated': 1,
    })
    const [failed] = report.ended.filter(({ kind }) => kind === 'failing')
    const ledger = store.databaseOf('payment-network').collection<LedgerEntry>('ledger')
    const entries = await ledger.find({ checkoutId: failed?.view.checkoutId ?? '' }).toArray()
    deepEqual(
      entries.map(({ kind }) => kind),
      ['barred'],
    )
  })
})
