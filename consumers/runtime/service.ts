/**
 * What every service of the saga has in common: it reads its topics, answers by its decider, commits,
 * publishes. A service adds its logic, and nothing else that is its own.
 */
import { Outbox } from '../../producers/outbox/outbox.ts'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import { fromMessage, PoisonMessage, typeOf } from '../../shared/kafka/cloud-events.ts'
import type { Handler } from '../../shared/kafka/handler.ts'
import { compose } from '../../shared/kafka/handler.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { deadLettered } from '../../shared/kafka/middleware/dead-letter.ts'
import { logged } from '../../shared/kafka/middleware/log.ts'
import { retried } from '../../shared/kafka/middleware/retry.ts'
import { traced } from '../../shared/kafka/middleware/trace.ts'
import { retryUntilAvailable } from '../../shared/kafka/retry-until-available.ts'
import type { Commit } from '../../shared/kernel/event-store.ts'
import { EventStore } from '../../shared/kernel/event-store.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { connectStore } from '../../shared/kernel/mongo.ts'
import { StreamCache } from '../../shared/kernel/stream-cache.ts'
import { Writer, Writers } from '../../shared/kernel/writers.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import { startHealthServer } from '../../shared/process/health.ts'
import type { Process } from '../../shared/process/lifecycle.ts'
import { startProcess } from '../../shared/process/lifecycle.ts'
import type { SagaEvent, Service } from '../../shared/saga/events.ts'
import type { Consumed } from '../../shared/saga/flow.ts'
import { concerns, consumedBy, isAnswered, keeperOf, subscriptionsOf } from '../../shared/saga/flow.ts'
import { observeLag } from '../../shared/telemetry/consumer-lag.ts'
import { observeSilence } from '../../shared/telemetry/consumer-stalls.ts'
import { count, recordAnswer, recordQueueTime } from '../../shared/telemetry/saga-metrics.ts'
import type { ServiceLogic } from './reactor.ts'
import { reactAndPublish } from './reactor.ts'

export interface ServiceTools extends Process {
  readonly connection: StoreConnection
  readonly store: EventStore
  readonly outbox: Outbox
}

/** A consumer bounds its stopping itself; this comes after all of its bounds. */
const consumerStopDeadlineMillis = 11_000

export const consumerGroupOf = (service: Service): string => `sagascope-${service}`

type CreateLogic<S extends Service, State, Event extends SagaEvent, Answer> = (
  tools: ServiceTools,
) =>
  ServiceLogic<State, Event, Consumed<S>, Answer> | Promise<ServiceLogic<State, Event, Consumed<S>, Answer>>

/** Runs a service until the process is told to stop. */
export const runService = <S extends Service, State, Event extends SagaEvent, Answer>(
  service: S,
  createLogic: CreateLogic<S, State, Event, Answer>,
): Promise<void> => startProcess(service, (process) => startService(service, createLogic, process))

async function startService<S extends Service, State, Event extends SagaEvent, Answer>(
  service: S,
  createLogic: CreateLogic<S, State, Event, Answer>,
  process: Process,
): Promise<void> {
  const { config, log, lifecycle } = process
  const connection = await connectStore({
    mongodbUrl: config.MONGODB_URL,
    credentials: config.mongodbCredentials,
    databasePrefix: config.MONGODB_DATABASE_PREFIX,
  })
  lifecycle.onStop(() => connection.close())

  // Before Kafka is there, so that it can be asked what the service waits for.
  const consumption = { isReady: () => false }
  const health = await startHealthServer({ host: config.HEALTH_HOST, port: config.HEALTH_PORT }, async () => {
    await connection.ping()
    return consumption.isReady()
  })
  lifecycle.onStop(() => health.close())
  log.info({ 'event.name': 'health.listening', port: health.port }, 'health server listens')

  const database = connection.databaseOf(service)
  const store = new EventStore(database, service, new Writer(service))
  await store.prepare()

  const { KAFKA_BROKERS: brokers, kafkaSecurity: security } = config
  const timings = {
    sessionTimeoutMillis: config.KAFKA_SESSION_TIMEOUT_MILLIS,
    rebalanceTimeoutMillis: config.KAFKA_REBALANCE_TIMEOUT_MILLIS,
    handlerTimeoutMillis: config.HANDLER_TIMEOUT_MILLIS,
    stallLimitMillis: config.CONSUMER_STALL_LIMIT_MILLIS,
  }
  const kafka = new KafkaConnection({ brokers, clientId: service, security, timings }, log)
  const patience = { log, signal: lifecycle.signal }
  await retryUntilAvailable(patience, () =>
    kafka.ensureTopics(config.KAFKA_TOPIC_PARTITIONS, config.KAFKA_TOPIC_REPLICATION_FACTOR),
  )
  const producer = await retryUntilAvailable(patience, () => kafka.connectProducer())
  lifecycle.onStop(() => producer.disconnect())

  const outbox = new Outbox({
    store,
    writers: new Writers(database),
    send: producer.send,
    log,
    beatIntervalMillis: config.WRITER_BEAT_INTERVAL_MILLIS,
    leaseMillis: config.WRITER_LEASE_MILLIS,
    onSettled: (commit) => onCommit(commit),
  })
  const cache = new StreamCache<State>()
  const logic = await createLogic({ ...process, connection, store, outbox })
  const onCommit = (commit: Commit): void => {
    for (const { event } of commit.events) count(event)
    logic.onCommit?.(commit)
  }
  await outbox.start()
  lifecycle.onStop(() => outbox.stop())

  const reactor = { store, logic, cache, outbox }
  const handler: Handler = async ({ message, heartbeat, holdOffset }) => {
    const recorded = fromMessage(message)
    if (!concerns(service, recorded)) return 'nothing to answer'
    const { id: causedBy, checkoutId, event, time } = recorded
    const question = { checkoutId, causedBy, event, time }
    const remembering = logic.remember?.(question)
    if (remembering) holdOffset(remembering)
    if (!isAnswered(service, event.type)) {
      const stream = logic.expects?.(question)
      if (stream) cache.keep(checkoutId, stream)
      return 'nothing to answer'
    }
    return reactAndPublish(reactor, question, {
      onWait: heartbeat,
      onCommitted: ({ commit, openedAt }) => {
        onCommit(commit)
        // The checkout's own stream begins with the request; the others do not know when that was.
        recordAnswer(commit.events, time, service === 'checkout' ? openedAt : undefined)
      },
    })
  }
  const groupId = consumerGroupOf(service)
  const handle = compose(
    [traced(groupId), logged, deadLettered(groupId, (letter) => producer.send([letter])), retried()],
    handler,
  )
  const consumer = await retryUntilAvailable(patience, () =>
    kafka.startConsumer({
      groupId,
      topics: subscriptionsOf(service),
      offsetCommitIntervalMillis: config.OFFSET_COMMIT_INTERVAL_MILLIS,
      onFatal: (error) => lifecycle.fail(error),
      concerns: ownership(service),
      handle: async (message, heartbeat, holdOffset) => {
        recordQueueTime(message.topic, groupId, message.producedAtMillis)
        failpoint('message-received')
        const { signal } = lifecycle
        await handle({ message, log, heartbeat, holdOffset, signal, attempts: { made: 1 } })
        failpoint('handled')
      },
    }),
  )
  consumption.isReady = consumer.isReady
  lifecycle.onStop(() => consumer.stop(), consumerStopDeadlineMillis)
  observeLag(groupId, () => consumer.lag())
  observeSilence(groupId, consumer.longestSilenceMillis)
}

/**
 * Which messages of its topics are a service's to handle: those it reacts to, and those that nobody can
 * read and whose keeper it is. Only the keeper reads twice what it does not react to, and only the others what
 * they share with it.
 */
function ownership(service: Service): (message: IncomingMessage) => boolean {
  const reactsTo = consumedBy(service)
  return (message) => {
    const type = typeOf(message)
    const reacts = type !== undefined && reactsTo.has(type)
    const isKeeper = keeperOf(message.topic, type) === service
    return reacts ? isKeeper || isReadable(message) : isKeeper && !isReadable(message)
  }
}

function isReadable(message: IncomingMessage): boolean {
  try {
    fromMessage(message)
    return true
  } catch (error) {
    if (error instanceof PoisonMessage) return false
    throw error
  }
}
