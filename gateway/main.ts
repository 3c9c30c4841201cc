import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Outbox } from '../producers/outbox/outbox.ts'
import { services } from '../shared/contracts/events.ts'
import { KafkaConnection } from '../shared/messaging/kafka.ts'
import { startProcess } from '../shared/process/lifecycle.ts'
import type { Commit } from '../shared/store/event-store.ts'
import { EventStore } from '../shared/store/event-store.ts'
import { connectStore } from '../shared/store/mongo.ts'
import { count } from '../shared/telemetry/saga-metrics.ts'
import { createApp } from './app.ts'
import { BackgroundProducer } from './background-producer.ts'
import { StoredIdempotencyKeys } from './idempotency.ts'
import { readinessOf } from './probes.ts'

/** What Kafka has not taken by then is in the store, and the next process sends it. */
const publishingDrainMillis = 5_000

await startProcess('gateway', async ({ config, log, lifecycle }) => {
  const connection = await connectStore({
    mongodbUrl: config.MONGODB_URL,
    databasePrefix: config.MONGODB_DATABASE_PREFIX,
  })
  lifecycle.onStop(() => connection.close())
  const database = connection.databaseOf('checkout')
  const store = new EventStore(database, 'checkout')
  await store.prepare()

  const kafka = new KafkaConnection({ brokers: config.KAFKA_BROKERS, clientId: 'gateway' }, log)
  const producer = new BackgroundProducer({
    connect: async () => {
      await kafka.ensureTopics(config.KAFKA_TOPIC_PARTITIONS, config.KAFKA_TOPIC_REPLICATION_FACTOR)
      return kafka.connectProducer()
    },
    log,
    signal: lifecycle.signal,
  })
  void producer.start()
  lifecycle.onStop(() => producer.stop())

  const outbox = new Outbox({
    store,
    send: producer.send,
    log,
    sweepIntervalMillis: config.OUTBOX_SWEEP_INTERVAL_MILLIS,
    sweepGraceMillis: config.OUTBOX_SWEEP_GRACE_MILLIS,
  })
  outbox.start()
  lifecycle.onStop(() => Promise.race([outbox.stop(), delay(publishingDrainMillis)]))

  const app = createApp({
    register: {
      store,
      keys: new StoredIdempotencyKeys(database),
      now: () => new Date(),
      deadlineMillis: config.CHECKOUT_DEADLINE_MILLIS,
    },
    streams: services.map((service) => new EventStore(connection.databaseOf(service), service)),
    publish: async (commit: Commit) => {
      for (const { event } of commit.events) count(event)
      await outbox.publish(commit)
    },
    draining: lifecycle.signal,
    log,
    readiness: () =>
      readinessOf({
        ping: () => connection.ping(),
        kafkaState: () => producer.state,
        draining: lifecycle.signal,
      }),
  })
  // Koa answers every request itself, failures included.
  const handle = app.callback()
  const server = createServer((request, response) => void handle(request, response))
  server.headersTimeout = 10_000
  server.requestTimeout = 30_000
  server.listen(config.GATEWAY_PORT, config.GATEWAY_HOST)
  await once(server, 'listening')
  // Stops accepting and waits for what is under way; event streams end by the same signal.
  lifecycle.onStop(() => new Promise<void>((resolve) => server.close(() => resolve())))
  const { port } = server.address() as AddressInfo
  log.info({ 'event.name': 'http.listening', port }, `listens on http://${config.GATEWAY_HOST}:${port}`)
})
