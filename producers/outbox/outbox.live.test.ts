import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { context, propagation, trace } from '@opentelemetry/api'
import { eventually } from '../../infra/verify/eventually.ts'
import type { KafkaForTests } from '../../infra/verify/kafka-for-tests.ts'
import { kafkaForTests } from '../../infra/verify/kafka-for-tests.ts'
import { storeForTests } from '../../infra/verify/store-for-tests.ts'
import type { Send } from '../../shared/kafka/kafka.ts'
import type { Commit } from '../../shared/kernel/event-store.ts'
import { EventStore } from '../../shared/kernel/event-store.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { createPropagator } from '../../shared/telemetry/propagation.ts'
import type { RecordedSpans } from '../../shared/telemetry/recorded-spans.ts'
import { recordSpans } from '../../shared/telemetry/recorded-spans.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import { sagaIdOf } from '../../shared/telemetry/saga-id.ts'
import { Outbox } from './outbox.ts'

/** Notes what is marked, and when together. */
class NotingStore extends EventStore {
  readonly marked: (readonly string[])[] = []
  failsToMark = false

  override async markPublished(ids: readonly string[]): Promise<void> {
    if (this.failsToMark) throw new Error('store away')
    if (ids.length > 0) this.marked.push(ids)
    await super.markPublished(ids)
  }
}

const graceMillis = 1_000
const hourMillis = 3_600_000

describe('the outbox, on the real store and the real Kafka', function () {
  this.timeout(180_000)

  let connection: StoreConnection
  let kafka: KafkaForTests
  let spans: RecordedSpans
  let store: NotingStore
  let databases = 0

  before(async () => {
    ;[connection, kafka] = await Promise.all([storeForTests(), kafkaForTests(['orders'])])
    spans = recordSpans()
    propagation.setGlobalPropagator(createPropagator())
  })
  after(async () => {
    propagation.disable()
    spans.stop()
    await Promise.all([connection.close(), kafka.stop()])
  })
  // A sweep takes all that a store has, so each test has a store of its own.
  beforeEach(async () => {
    const database = connection.databaseOf('orders')
    databases += 1
    store = new NotingStore(database.client.db(`${database.databaseName}-${databases}`), 'orders')
    await store.prepare()
  })

  const outbox = (
    send: Send = kafka.send,
    { log } = createRecordingLogger(),
    options: { sweepIntervalMillis?: number; markIntervalMillis?: number } = {},
  ) =>
    new Outbox({
      store,
      send,
      log,
      sweepIntervalMillis: hourMillis,
      sweepGraceMillis: graceMillis,
      markIntervalMillis: hourMillis,
      ...options,
    })

  /** A commit of a process that may have died since. */
  async function commit({
    ageMillis = 60_000,
    traceId = randomBytes(16).toString('hex'),
    checkoutId = randomUUID(),
    version = 1,
  }: { ageMillis?: number; traceId?: string; checkoutId?: string; version?: number } = {}): Promise<Commit> {
    const result = await store.append({
      checkoutId,
      version,
      causedBy: `payments/${checkoutId}@${version}/0`,
      at: new Date(Date.now() - ageMillis),
      events: [
        { type: 'OrderRejected', data: { reason: 'out_of_stock', sku: 'SAGA-POSTER' } },
        { type: 'OrderCancelled', data: { orderId: null, reason: 'out_of_stock' } },
      ],
      traceHeaders: { traceparent: `00-${traceId}-b7ad6b7169203331-01` },
    })
    ok(result.outcome === 'appended')
    return result.commit
  }

  const unpublished = async () => (await store.unpublished(new Date(), 100)).map(({ id }) => id)
  const onKafka = ({ checkoutId }: Commit) =>
    kafka.messages.filter(({ key }) => key === checkoutId).map(({ headers }) => headers.ce_id)
  const untilOnKafka = ({ id, checkoutId }: Commit, times = 1) =>
    eventually(`the last event of ${id} on Kafka`, () =>
      Promise.resolve(
        kafka.messages.filter(({ key, headers }) => key === checkoutId && headers.ce_id === `${id}/1`)
          .length >= times || undefined,
      ),
    )

  it('publishes a commit’s events in their order, under ids made from the commit’s', async () => {
    const made = await commit({ ageMillis: 0 })
    await outbox().publish(made)
    await untilOnKafka(made)
    deepEqual(onKafka(made), [`${made.id}/0`, `${made.id}/1`])
  })

  it('publishes by a sweep what a crash left between insert and publish, in the trace it was made in', async () => {
    const traceId = randomBytes(16).toString('hex')
    const made = await commit({ traceId })
    // The process that made it is gone; this is another.
    const seen: unknown[] = []
    const restarted = outbox(async (messages) => {
      const active = context.active()
      seen.push([trace.getSpanContext(active)?.traceId, sagaIdOf(active), messages.length])
      await kafka.send(messages)
    })
    equal(await restarted.sweep(), 1)
    deepEqual(seen, [[traceId, made.checkoutId, 2]])
    await untilOnKafka(made)
    await restarted.stop()
    deepEqual(await unpublished(), [])
  })

  it('sweeps by itself, at its start and at intervals', async () => {
    const made = await commit()
    const restarted = outbox(kafka.send, createRecordingLogger(), {
      sweepIntervalMillis: 50,
      markIntervalMillis: 50,
    })
    restarted.start()
    await untilOnKafka(made)
    const later = await commit()
    await untilOnKafka(later)
    await eventually('both are marked', async () => (await unpublished()).length === 0 || undefined)
    await restarted.stop()
  })

  it('sweeps the oldest first, each under the trace of its own commit', async () => {
    const traceIds = Array.from({ length: 3 }, () => randomBytes(16).toString('hex'))
    const ages = [20_000, 30_000, 10_000]
    for (const [index, traceId] of traceIds.entries()) await commit({ traceId, ageMillis: ages[index] ?? 0 })
    const seen: unknown[] = []
    await outbox(() => {
      seen.push(trace.getSpanContext(context.active())?.traceId)
      return Promise.resolve()
    }).sweep()
    deepEqual(seen, [traceIds[1], traceIds[0], traceIds[2]])
  })

  it('leaves alone what is young: it is still being published', async () => {
    await commit({ ageMillis: 0 })
    equal(await outbox(() => Promise.reject(new Error('not to be sent'))).sweep(), 0)
  })

  it('leaves alone what it has published and not yet marked', async () => {
    const made = await commit()
    const busy = outbox()
    await busy.publish(made)
    deepEqual(await unpublished(), [made.id])
    equal(await busy.sweep(), 0)
  })

  it('leaves alone what it is still sending, however long Kafka takes', async () => {
    const made = await commit()
    const broker = Promise.withResolvers<undefined>()
    const busy = outbox(() => broker.promise)
    const published = busy.publish(made)
    equal(await busy.sweep(), 0)
    broker.resolve(undefined)
    await published
  })

  it('keeps what Kafka did not take, and a later sweep publishes it', async () => {
    const made = await commit()
    const { log, lines } = createRecordingLogger()
    let isAway = true
    const patient = outbox(
      (messages) => (isAway ? Promise.reject(new Error('Kafka away')) : kafka.send(messages)),
      {
        log,
        lines,
      },
    )
    await patient.publish(made)
    deepEqual(
      lines.map((line) => [line['event.name'], line['saga.id']]),
      [['outbox.publish_failed', made.checkoutId]],
    )
    await rejects(patient.sweep(), /Kafka away/)
    deepEqual(await unpublished(), [made.id])
    isAway = false
    equal(await patient.sweep(), 1)
    await patient.stop()
    await untilOnKafka(made)
    deepEqual(onKafka(made), [`${made.id}/0`, `${made.id}/1`])
    deepEqual(await unpublished(), [])
  })

  it('publishes under the same ids again, should it do so twice', async () => {
    const made = await commit()
    await outbox().publish(made)
    await outbox().sweep()
    await untilOnKafka(made, 2)
    const ids = onKafka(made)
    equal(ids.length, 4)
    deepEqual([...new Set(ids)], [`${made.id}/0`, `${made.id}/1`])
  })

  it('sends along, and first, what of a stream could not be published before', async () => {
    const first = await commit({ ageMillis: 0 })
    const second = await commit({ ageMillis: 0, checkoutId: first.checkoutId, version: 2 })
    let isAway = true
    const patient = outbox((messages) =>
      isAway ? Promise.reject(new Error('Kafka away')) : kafka.send(messages),
    )
    await patient.publish(first)
    isAway = false
    await patient.publish(second, [first])
    await untilOnKafka(second)
    deepEqual(onKafka(first), [`${first.id}/0`, `${first.id}/1`, `${second.id}/0`, `${second.id}/1`])
    await patient.stop()
    deepEqual(await unpublished(), [])
  })

  it('waits for what of a stream is still being sent, and sends nothing of it twice', async () => {
    const first = await commit({ ageMillis: 0 })
    const second = await commit({ ageMillis: 0, checkoutId: first.checkoutId, version: 2 })
    const broker = Promise.withResolvers<undefined>()
    const sent: unknown[] = []
    const busy = outbox((messages) => {
      sent.push(messages.map(({ headers }) => headers.ce_id))
      return broker.promise
    })
    const published = [busy.publish(first), busy.publish(second, [first])]
    await store.read(first.checkoutId) // time enough for one that did not wait
    deepEqual(sent, [[`${first.id}/0`, `${first.id}/1`]])
    broker.resolve(undefined)
    await Promise.all(published)
    deepEqual(sent[1], [`${second.id}/0`, `${second.id}/1`])
    await busy.stop()
    equal(sent.length, 2)
  })

  it('does not send again what was marked after the stream had been read', async () => {
    const first = await commit({ ageMillis: 0 })
    const second = await commit({ ageMillis: 0, checkoutId: first.checkoutId, version: 2 })
    const running = outbox(kafka.send, createRecordingLogger(), { markIntervalMillis: 10 })
    running.start()
    await running.publish(first)
    await eventually('it is marked', async () => !(await unpublished()).includes(first.id) || undefined)
    await running.publish(second, [first]) // as it was read, not marked
    await untilOnKafka(second)
    deepEqual(onKafka(first), [`${first.id}/0`, `${first.id}/1`, `${second.id}/0`, `${second.id}/1`])
    await running.stop()
  })

  it('marks what it published in batches, off the way of publishing', async () => {
    const commits = await Promise.all(Array.from({ length: 10 }, () => commit()))
    const running = outbox(() => Promise.resolve(), createRecordingLogger(), { markIntervalMillis: 20 })
    await Promise.all(commits.map((made) => running.publish(made)))
    deepEqual(store.marked, [])
    running.start()
    await eventually('all are marked', async () => (await unpublished()).length === 0 || undefined)
    await running.stop()
    deepEqual(
      store.marked.map((batch) => [...batch].sort()),
      [commits.map(({ id }) => id).sort()],
    )
  })

  it('marks later what it could not mark', async () => {
    const made = await commit()
    const { log, lines } = createRecordingLogger()
    const running = outbox(() => Promise.resolve(), { log, lines }, { markIntervalMillis: 10 })
    store.failsToMark = true
    await running.publish(made)
    running.start()
    await eventually('a mark that failed', () =>
      Promise.resolve(lines.find((line) => line['event.name'] === 'outbox.mark_failed')),
    )
    store.failsToMark = false
    await eventually('it is marked', async () => (await unpublished()).length === 0 || undefined)
    await running.stop()
  })

  describe('says what waits for Kafka', () => {
    const away: Send = () => Promise.reject(new Error('Kafka away'))
    const isBetween = (value: number, least: number, most: number) =>
      ok(value >= least && value <= most, String(value))

    it('from the moment it is given a commit until Kafka has it', async () => {
      const broker = Promise.withResolvers<undefined>()
      const sending = outbox(() => broker.promise)
      deepEqual(sending.waiting, { commits: 0, oldestAgeMillis: 0 })
      const published = [sending.publish(await commit({ ageMillis: 5_000 })), sending.publish(await commit())]
      equal(sending.waiting.commits, 2)
      isBetween(sending.waiting.oldestAgeMillis, 5_000, 30_000)
      broker.resolve(undefined)
      await Promise.all(published)
      deepEqual(sending.waiting, { commits: 0, oldestAgeMillis: 0 })
    })

    it('with what an earlier process left, as a sweep finds it', async () => {
      await Promise.all([commit({ ageMillis: 90_000 }), commit({ ageMillis: 0 })])
      const restarted = outbox(away)
      await rejects(restarted.sweep())
      equal(restarted.waiting.commits, 1)
      isBetween(restarted.waiting.oldestAgeMillis, 90_000, 120_000)
    })

    it('counting nothing twice, and until a sweep has published it', async () => {
      let isAway = true
      const swept = outbox(() => (isAway ? away([]) : Promise.resolve()))
      await Promise.all((await Promise.all([commit(), commit()])).map((made) => swept.publish(made)))
      await rejects(swept.sweep())
      equal(swept.waiting.commits, 2)
      isAway = false
      await swept.sweep()
      deepEqual(swept.waiting, { commits: 0, oldestAgeMillis: 0 })
    })

    it('and no more when another process has published it', async () => {
      const patient = outbox(away)
      const young = await commit({ ageMillis: 0 })
      await patient.publish(await commit())
      await patient.publish(young)
      equal(await outbox(() => Promise.resolve()).sweep(), 1)
      equal(await patient.sweep(), 0)
      equal(patient.waiting.commits, 1) // what is too young for a sweep to see
    })
  })

  it('works off a long backlog sweep after sweep, without a rest', async () => {
    await Promise.all(Array.from({ length: 501 }, () => commit()))
    let sent = 0
    const working = outbox(() => {
      sent++
      return Promise.resolve()
    })
    working.start() // the interval is an hour
    await eventually('all are published', () => Promise.resolve(sent === 501 || undefined))
    await working.stop()
    deepEqual(await unpublished(), [])
  })

  it('looks again soon after one look that took long, for instance at a store that was frozen', async () => {
    const look = store.unpublished.bind(store)
    let looks = 0
    store.unpublished = async (...asked) => {
      if (looks++ === 0) await delay(300) // twenty times that would be 6 s
      return look(...asked)
    }
    const running = outbox(kafka.send, createRecordingLogger(), { sweepIntervalMillis: 10 })
    running.start()
    await eventually('a second look', () => Promise.resolve(looks > 1 || undefined), {
      deadlineMillis: 3_000,
    })
    await running.stop()
  })

  it('stops when what it was sending has been sent and marked', async () => {
    const made = await commit()
    const broker = Promise.withResolvers<undefined>()
    const stopping = outbox(() => broker.promise)
    const published = stopping.publish(made)
    let hasStopped = false
    const stopped = stopping.stop().then(() => {
      hasStopped = true
    })
    await store.read(made.checkoutId) // time enough for a stop that did not wait
    equal(hasStopped, false)
    broker.resolve(undefined)
    await Promise.all([published, stopped])
    deepEqual(await unpublished(), [])
  })

  it('stops in the middle of a sweep after the commit in hand, and leaves the rest to the next process', async () => {
    const first = await commit({ ageMillis: 30_000 })
    const second = await commit({ ageMillis: 20_000 })
    const broker = Promise.withResolvers<undefined>()
    const sent: (string | null)[] = []
    const stopping = outbox(([message]) => {
      sent.push(message?.key ?? null)
      return broker.promise
    })
    stopping.start()
    await eventually('the sweep', () => Promise.resolve(sent.length > 0 || undefined), { intervalMillis: 5 })
    const stopped = stopping.stop()
    broker.resolve(undefined)
    await stopped
    deepEqual(sent, [first.checkoutId])
    deepEqual(await unpublished(), [second.id])
  })
})
