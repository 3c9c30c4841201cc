import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { Outbox } from '../producers/outbox/outbox.ts'
import { services } from '../shared/saga/events.ts'
import { KafkaConnection } from '../shared/kafka/kafka.ts'
import { elasticsearchHeaders } from '../shared/backends/elasticsearch-credentials.ts'
import type { Config } from '../shared/process/config.ts'
import { startProcess } from '../shared/process/lifecycle.ts'
import type { Commit } from '../shared/kernel/event-store.ts'
import { EventStore } from '../shared/kernel/event-store.ts'
import { connectStore } from '../shared/kernel/mongo.ts'
import { Writer, Writers } from '../shared/kernel/writers.ts'
import { count } from '../shared/telemetry/saga-metrics.ts'
import { createApp } from './app.ts'
import { BackgroundProducer } from './background-producer.ts'
import { BacklogLimit } from './backlog-limit.ts'
import { Callers } from './callers.ts'
import type { Console } from './console/console.ts'
import { connectBackends } from './console/backends.ts'
import { readPageFiles } from './console/page-files.ts'
import { closeEdgeServer, createEdgeServer, defaultServerLimits } from './edge-server.ts'
import { readinessProbe } from './probes.ts'
import { StoreGuard } from './store-guard.ts'

/** What is accepted before Kafka is connected waits for a sweep. */
const connectingPatienceMillis = 2_000
/** What Kafka has not taken by then is in the store, and the next process sends it. */
const publishingDrainMillis = 5_000
/** A client that has not sent its request, or read its answer, by then will not in time. */
const answeringDrainMillis = 4_000

await startProcess('gateway', async ({ config, log, lifecycle }) => {
  const connection = await connectStore({
    mongodbUrl: config.MONGODB_URL,
    credentials: config.mongodbCredentials,
    databasePrefix: config.MONGODB_DATABASE_PREFIX,
  })
  lifecycle.onStop(() => connection.close())
  const database = connection.databaseOf('checkout')
  const store = new EventStore(database, 'checkout', new Writer('gateway'))
  await store.prepare()

  const { KAFKA_BROKERS: brokers, kafkaSecurity: security } = config
  const kafka = new KafkaConnection({ brokers, clientId: 'gateway', security }, log)
  const producer = new BackgroundProducer({
    connect: async () => {
      await kafka.ensureTopics(config.KAFKA_TOPIC_PARTITIONS, config.KAFKA_TOPIC_REPLICATION_FACTOR)
      return kafka.connectProducer()
    },
    log,
    signal: lifecycle.signal,
  })
  const connected = producer.start()
  lifecycle.onStop(() => producer.stop())

  const countAll = ({ events }: Commit): void => {
    for (const { event } of events) count(event)
  }
  const outbox = new Outbox({
    store,
    writers: new Writers(database),
    send: producer.send,
    log,
    beatIntervalMillis: config.WRITER_BEAT_INTERVAL_MILLIS,
    leaseMillis: config.WRITER_LEASE_MILLIS,
    onSettled: countAll,
  })
  await outbox.start()
  lifecycle.onStop(() => outbox.stop(), publishingDrainMillis)

  const callers = new Callers(config.TRUSTED_PROXIES)
  const app = createApp({
    register: {
      store,
      now: () => new Date(),
      deadlineMillis: config.CHECKOUT_DEADLINE_MILLIS,
    },
    streams: services.map((service) => new EventStore(connection.databaseOf(service), service)),
    storeGuard: new StoreGuard({
      timeoutMillis: config.GATEWAY_STORE_TIMEOUT_MILLIS,
      underWayLimit: config.GATEWAY_UNDER_WAY_LIMIT,
      ping: () => connection.ping(),
    }),
    backlogLimit: new BacklogLimit(
      { commits: config.GATEWAY_BACKLOG_LIMIT, ageMillis: config.GATEWAY_BACKLOG_AGE_LIMIT_MILLIS },
      () => outbox.waiting,
    ),
    publish: async (commit, isNew) => {
      if (isNew) countAll(commit)
      await outbox.publish(commit).catch(() => undefined) // the process stops, and others find it
    },
    draining: lifecycle.signal,
    log,
    readiness: readinessProbe({
      ping: () => connection.ping(),
      kafkaState: () => producer.state,
      draining: lifecycle.signal,
    }),
    callers,
    rateLimits: { perCaller: config.RATE_LIMIT_PER_CALLER, overall: config.RATE_LIMIT_OVERALL },
    ...(config.GATEWAY_CONSOLE === 'on' && { console: consoleOf(config) }),
  })
  // Koa answers every request itself, failures included.
  const handle = app.callback()
  const limits = {
    ...defaultServerLimits,
    connections: config.GATEWAY_CONNECTIONS_LIMIT,
    connectionsPerCaller: config.GATEWAY_CONNECTIONS_PER_CALLER_LIMIT,
  }
  const server = createEdgeServer((request, response) => void handle(request, response), limits, callers)
  await Promise.race([connected, delay(connectingPatienceMillis, undefined, { ref: false })])
  server.listen(config.GATEWAY_PORT, config.GATEWAY_HOST)
  await once(server, 'listening')
  // Event streams end by the same signal.
  lifecycle.onStop(() => closeEdgeServer(server, answeringDrainMillis))
  const { port } = server.address() as AddressInfo
  log.info({ 'event.name': 'http.listening', port }, `listens on http://${config.GATEWAY_HOST}:${port}`)
})

function consoleOf(config: Config): Console {
  elasticsearchHeaders() // a half of the credentials is refused now, and not when the first question fails
  const { JAEGER_URL: jaegerUrl, ELASTICSEARCH_URL: elasticsearchUrl, PROMETHEUS_URL: prometheusUrl } = config
  return {
    files: readPageFiles(),
    backends: connectBackends({ jaegerUrl, elasticsearchUrl, prometheusUrl }),
    pages: { jaeger: config.JAEGER_UI_URL, kibana: config.KIBANA_URL, grafana: config.GRAFANA_URL },
  }
}
