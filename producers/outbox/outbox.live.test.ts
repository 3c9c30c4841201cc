import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import type { Db } from 'mongodb'
import { context, propagation, trace } from '@opentelemetry/api'
import { eventually } from '../../infra/verify/eventually.ts'
import type { KafkaForTests } from '../../infra/verify/kafka-for-tests.ts'
import { kafkaForTests } from '../../infra/verify/kafka-for-tests.ts'
import { storeForTests } from '../../infra/verify/store-for-tests.ts'
import type { Send } from '../../shared/kafka/kafka.ts'
import type { Commit } from '../../shared/kernel/event-store.ts'
import { EventStore } from '../../shared/kernel/event-store.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import type { WriterDocument } from '../../shared/kernel/writers.ts'
import { Writer, Writers } from '../../shared/kernel/writers.ts'
import { createPropagator } from '../../shared/telemetry/propagation.ts'
import type { RecordedSpans } from '../../shared/telemetry/recorded-spans.ts'
import { recordGlobalSpans } from '../../shared/telemetry/recorded-spans.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import { sagaIdOf } from '../../shared/telemetry/saga-id.ts'
import type { OutboxOptions } from './outbox.ts'
import { Outbox } from './outbox.ts'

/** Records what it reads of others' commits, and what it is to call with a settled commit. */
class RecordingStore extends EventStore {
  readonly scanned: string[] = []
  onSettled: (commit: Commit) => void = () => undefined

  override writtenBy(writer: string, above: number, limit: number): Promise<Commit[]> {
    this.scanned.push(writer)
    return super.writtenBy(writer, above, limit)
  }
  override whenSettled(onSettled: (commit: Commit) => void): void {
    this.onSettled = onSettled
    super.whenSettled(onSettled)
  }
}

interface RunningProcess {
  readonly store: RecordingStore
  readonly outbox: Outbox
  readonly lines: ReturnType<typeof createRecordingLogger>['lines']
}

const leaseMillis = 200
const beatIntervalMillis = 100
const hourMillis = 3_600_000

const takes: Send = () => Promise.resolve()
const away: Send = () => Promise.reject(new Error('Kafka away'))
const neverTakes: Send = () => new Promise(() => undefined)
const sendsNothing: Send = () => Promise.reject(new Error('not to be sent'))

describe('the outbox, on the real store and the real Kafka', function () {
  this.timeout(180_000)

  let connection: StoreConnection
  let kafka: KafkaForTests
  let spans: RecordedSpans
  let database: Db
  let writers: Writers
  let databases = 0

  before(async () => {
    ;[connection, kafka] = await Promise.all([storeForTests(), kafkaForTests(['orders'])])
    spans = recordGlobalSpans()
    propagation.setGlobalPropagator(createPropagator())
  })
  after(async () => {
    propagation.disable()
    spans.stop()
    await Promise.all([connection.close(), kafka.stop()])
  })
  // An outbox looks after all writers of its service, so each test has a store of its own.
  beforeEach(async () => {
    const base = connection.databaseOf('orders')
    databases += 1
    database = base.client.db(`${base.databaseName}-${databases}`)
    writers = new Writers(database)
    await new EventStore(database, 'orders').prepare()
  })

  /** Its timer does not tick unless it is started: tests do it by `tick`. */
  function startProcess(send: Send = kafka.send, options: Partial<OutboxOptions> = {}): RunningProcess {
    const store = new RecordingStore(database, 'orders', new Writer('test'))
    const { log, lines } = createRecordingLogger()
    const outbox = new Outbox({ store, writers, send, log, beatIntervalMillis, leaseMillis, ...options })
    return { store, outbox, lines }
  }

  interface Made {
    readonly ageMillis?: number
    readonly traceId?: string
    readonly checkoutId?: string
    readonly version?: number
  }
  async function commit(
    store: EventStore,
    {
      ageMillis = 0,
      traceId = randomBytes(16).toString('hex'),
      checkoutId = randomUUID(),
      version = 1,
    }: Made = {},
  ): Promise<Commit> {
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

  /** A writer that has shown life once and will not again. */
  async function dyingWriter(publishedTo = 0): Promise<EventStore> {
    const store = new EventStore(database, 'orders', new Writer('dead'))
    await writers.renew({ _id: store.writer.id, process: 'dead', publishedTo, beat: 1, at: new Date() })
    return store
  }

  const documentOf = async ({ writer }: EventStore): Promise<WriterDocument | undefined> =>
    (await writers.all()).find(({ _id }) => _id === writer.id)
  const isRecovered = async (store: EventStore): Promise<true | undefined> => {
    const document = await documentOf(store)
    return document?.recoveredAtBeat === document?.beat || undefined
  }
  const untilRecovered = (dead: EventStore, outbox: Outbox) =>
    eventually(
      'the dead writer is dealt with',
      async () => {
        await outbox.tick()
        return isRecovered(dead)
      },
      { intervalMillis: 50 },
    )

  const eventIds = ({ id }: Commit) => [`${id}/0`, `${id}/1`]
  const onKafka = ({ checkoutId }: Commit) =>
    kafka.messages.filter(({ key }) => key === checkoutId).map(({ headers }) => headers.ce_id)
  const untilOnKafka = ({ id, checkoutId }: Commit, times = 1) =>
    eventually(`the last event of ${id} on Kafka`, () =>
      Promise.resolve(
        kafka.messages.filter(({ key, headers }) => key === checkoutId && headers.ce_id === `${id}/1`)
          .length >= times || undefined,
      ),
    )
  /** Records the ids of the events of each send. */
  function recordingSend(send: Send = takes) {
    const sent: (string | undefined)[][] = []
    const recording: Send = (messages) => {
      sent.push(messages.map(({ headers }) => headers.ce_id))
      return send(messages)
    }
    return { sent, send: recording }
  }

  describe('publishes a commit', () => {
    it('with its events in their order, under ids made from its own', async () => {
      const { store, outbox } = startProcess()
      const made = await commit(store)
      await outbox.publish(made)
      await untilOnKafka(made)
      deepEqual(onKafka(made), eventIds(made))
    })

    it('once, however many ask for it at the same time', async () => {
      const { sent, send } = recordingSend()
      const { store, outbox } = startProcess(send)
      const made = await commit(store)
      await Promise.all([outbox.publish(made), outbox.publish(made)])
      await outbox.publish(made)
      deepEqual(sent, [eventIds(made)])
    })

    it('after those of its stream that are still being sent, in order', async () => {
      const broker = Promise.withResolvers<undefined>()
      const { sent, send } = recordingSend(() => broker.promise)
      const { store, outbox } = startProcess(send)
      const first = await commit(store)
      const second = await commit(store, { checkoutId: first.checkoutId, version: 2 })
      const published = [outbox.publish(first), outbox.publish(second, [first])]
      await store.read(first.checkoutId) // time enough for one that does not wait
      deepEqual(sent, [eventIds(first)])
      broker.resolve(undefined)
      await Promise.all(published)
      deepEqual(sent, [eventIds(first), eventIds(second)])
    })

    it('beside those of other streams', async () => {
      const stuck = randomUUID()
      const { store, outbox } = startProcess((messages) =>
        messages[0]?.key === stuck ? neverTakes(messages) : takes(messages),
      )
      void outbox.publish(await commit(store, { checkoutId: stuck }))
      await outbox.publish(await commit(store))
      equal(outbox.waiting.commits, 1)
    })

    it('together with earlier ones of its stream that may not be on Kafka, those first', async () => {
      const dead = await dyingWriter()
      const { sent, send } = recordingSend()
      const { store, outbox } = startProcess(send)
      const first = await commit(dead)
      const second = await commit(store, { checkoutId: first.checkoutId, version: 2 })
      await outbox.publish(second, [first])
      deepEqual(sent, [[...eventIds(first), ...eventIds(second)]])
      ok(outbox.isPublished(first))
      await outbox.publish(first)
      equal(sent.length, 1)
    })

    it('in the end while Kafka is away, in the order of its stream, with one log line a pause', async () => {
      let failures = 20
      const { sent, send } = recordingSend((messages) =>
        failures-- > 0 ? away(messages) : kafka.send(messages),
      )
      const { store, outbox, lines } = startProcess(send)
      const firsts = await Promise.all(Array.from({ length: 10 }, () => commit(store)))
      const [first] = firsts as [Commit]
      const second = await commit(store, { checkoutId: first.checkoutId, version: 2 })
      await Promise.all([...firsts.map((each) => outbox.publish(each)), outbox.publish(second)])
      equal(sent.length, 31)
      deepEqual(
        lines.map((line) => [line['event.name'], line['saga.id'], line.commits]),
        Array(2).fill(['outbox.publish_failed', first.checkoutId, 11]),
      )
      await untilOnKafka(second)
      deepEqual(onKafka(first), [...eventIds(first), ...eventIds(second)])
    })

    it('and has those who wait say so, who may stop waiting: it is published all the same', async () => {
      const broker = Promise.withResolvers<undefined>()
      const { store, outbox } = startProcess(() => broker.promise)
      const made = await commit(store)
      const waiting = outbox.publish(made, [], () => Promise.reject(new Error('not my partition any more')))
      await rejects(waiting, /not my partition/)
      equal(outbox.waiting.commits, 1)
      broker.resolve(undefined)
      await outbox.settled(made.checkoutId)
      ok(outbox.isPublished(made))
    })

    it('whose append did not learn its outcome, after what comes before it in its stream', async () => {
      const { sent, send } = recordingSend()
      const settled: Commit[] = []
      const { store, outbox } = startProcess(send, { onSettled: (each) => settled.push(each) })
      const first = await commit(store)
      const second = await commit(store, { checkoutId: first.checkoutId, version: 2 })
      store.onSettled(second)
      await eventually('it is published', () => Promise.resolve(outbox.isPublished(second) || undefined))
      deepEqual(settled, [second])
      deepEqual(sent.flat(), [...eventIds(first), ...eventIds(second)])
    })
  })

  describe('reports what waits for Kafka', () => {
    it('from the moment it is given a commit until Kafka has it', async () => {
      const broker = Promise.withResolvers<undefined>()
      const { store, outbox } = startProcess(() => broker.promise)
      deepEqual(outbox.waiting, { commits: 0, oldestAgeMillis: 0 })
      const made = [await commit(store, { ageMillis: 5_000 }), await commit(store)]
      const published = made.map((each) => outbox.publish(each))
      const { commits, oldestAgeMillis } = outbox.waiting
      equal(commits, 2)
      ok(oldestAgeMillis >= 5_000 && oldestAgeMillis < 30_000, String(oldestAgeMillis))
      broker.resolve(undefined)
      await Promise.all(published)
      deepEqual(outbox.waiting, { commits: 0, oldestAgeMillis: 0 })
    })

    it('of this process only, whatever others wait for', async () => {
      const [own, other] = [startProcess(sendsNothing), startProcess(neverTakes)]
      void other.outbox.publish(await commit(other.store))
      await other.outbox.tick()
      await own.outbox.tick()
      deepEqual([own.outbox.waiting.commits, other.outbox.waiting.commits], [0, 1])
    })
  })

  describe('keeps a watermark', () => {
    it('that advances only over what is published', async () => {
      const { store, outbox } = startProcess(takes)
      const watermark = async () => {
        await outbox.tick()
        return (await documentOf(store))?.publishedTo
      }
      const [first, second, third] = [await commit(store), await commit(store), await commit(store)]
      equal(await watermark(), 0)
      await outbox.publish(second)
      equal(await watermark(), 0)
      await outbox.publish(first)
      equal(await watermark(), 2)
      await outbox.publish(third)
      equal(await watermark(), 3)
    })

    it('and over what was never stored', async () => {
      const { store, outbox } = startProcess(takes)
      const { checkoutId } = await commit(store)
      const result = await store.append({
        checkoutId,
        version: 1,
        causedBy: 'another',
        at: new Date(),
        events: [],
        traceHeaders: {},
      })
      equal(result.outcome, 'conflict')
      await outbox.publish((await store.read(checkoutId)).commits[0] as Commit)
      await outbox.tick()
      equal((await documentOf(store))?.publishedTo, 2)
    })

    it('by which others know what is published', async () => {
      const [own, other] = [startProcess(takes), startProcess(takes)]
      const [first, second] = [await commit(other.store), await commit(other.store)]
      await other.outbox.publish(first)
      await own.outbox.tick()
      equal(own.outbox.isPublished(first), false)
      await other.outbox.tick()
      await own.outbox.tick()
      deepEqual([first, second].map(own.outbox.isPublished), [true, false])
    })
  })

  describe('publishes what a dead writer has left', () => {
    it('above its watermark, under the trace of each commit, in a trace that links to them', async () => {
      const dead = await dyingWriter(1)
      const traceIds = Array.from({ length: 3 }, () => randomBytes(16).toString('hex'))
      const made: Commit[] = []
      for (const traceId of traceIds) made.push(await commit(dead, { traceId }))
      const seen: unknown[] = []
      const { outbox, lines } = startProcess(async (messages) => {
        const active = context.active()
        seen.push([trace.getSpanContext(active)?.traceId, sagaIdOf(active), messages.length])
        await kafka.send(messages)
      })
      spans.exporter.reset()
      await untilRecovered(dead, outbox)
      deepEqual(
        seen,
        made.slice(1).map(({ checkoutId }, index) => [traceIds[index + 1], checkoutId, 2]),
      )
      for (const each of made.slice(1)) await untilOnKafka(each)
      const sweeps = spans.exporter.getFinishedSpans().filter(({ name }) => name === 'sweep outbox')
      deepEqual(
        sweeps.map(({ parentSpanContext, links }) => [
          parentSpanContext,
          links.map((link) => link.context.traceId),
        ]),
        [[undefined, traceIds.slice(1)]],
      )
      deepEqual(
        lines.map((line) => [line['event.name'], line.commits, line.process]),
        [['outbox.swept', 2, 'dead']],
      )
    })

    it('in the order of each stream', async () => {
      const dead = await dyingWriter()
      const { sent, send } = recordingSend()
      const { outbox } = startProcess(send)
      const first = await commit(dead)
      const second = await commit(dead, { checkoutId: first.checkoutId, version: 2 })
      await untilRecovered(dead, outbox)
      deepEqual(sent.flat(), [...eventIds(first), ...eventIds(second)])
    })

    it('once: the next look finds nothing to read', async () => {
      const dead = await dyingWriter()
      await commit(dead)
      const { store, outbox } = startProcess(takes)
      await untilRecovered(dead, outbox)
      const scans = store.scanned.length
      for (let look = 0; look < 3; look++) await outbox.tick()
      equal(store.scanned.length, scans)
    })

    it('however much that is', async () => {
      const dead = await dyingWriter()
      const made = await Promise.all(Array.from({ length: 501 }, () => commit(dead)))
      const { sent, send } = recordingSend()
      const { outbox } = startProcess(send)
      await untilRecovered(dead, outbox)
      deepEqual(sent.flat().sort(), made.flatMap(eventIds).sort())
    })

    it('by itself, at intervals', async () => {
      const dead = await dyingWriter()
      const made = await commit(dead)
      const { outbox } = startProcess()
      await outbox.start()
      await untilOnKafka(made)
      await eventually('it is dealt with', () => isRecovered(dead))
      await outbox.stop()
    })

    it('when Kafka is there again', async () => {
      const dead = await dyingWriter()
      const made = await commit(dead)
      let failures = 1
      const { outbox, lines } = startProcess((messages) =>
        failures-- > 0 ? away(messages) : kafka.send(messages),
      )
      await untilRecovered(dead, outbox)
      await untilOnKafka(made)
      deepEqual(
        lines.map((line) => line['event.name']),
        ['outbox.publish_failed', 'outbox.swept'],
      )
    })

    it('in two processes at once: nothing is lost, and what comes twice has the same ids', async () => {
      const dead = await dyingWriter()
      const made = await Promise.all(Array.from({ length: 20 }, () => commit(dead)))
      const [one, two] = [startProcess(), startProcess()]
      await Promise.all([untilRecovered(dead, one.outbox), untilRecovered(dead, two.outbox)])
      for (const each of made) {
        await untilOnKafka(each)
        deepEqual([...new Set(onKafka(each))], eventIds(each))
      }
    })

    it('also when it is this process that has published it before', async () => {
      const dead = await dyingWriter()
      const { sent, send } = recordingSend()
      const { outbox } = startProcess(send)
      const made = await commit(dead)
      await outbox.publish(made) // its message came again
      await untilRecovered(dead, outbox)
      deepEqual(sent, [eventIds(made)])
    })
  })

  describe('leaves alone', () => {
    /** Ticks both for several leases. */
    async function tickFor(leases: number, ...outboxes: Outbox[]): Promise<void> {
      const until = performance.now() + leases * leaseMillis
      await eventually(
        `${leases} leases`,
        async () => {
          for (const outbox of outboxes) await outbox.tick()
          return performance.now() > until || undefined
        },
        { intervalMillis: 20 },
      )
    }

    it('a writer that shows life, however long its commits wait', async () => {
      const [own, other] = [startProcess(sendsNothing), startProcess(neverTakes)]
      void other.outbox.publish(await commit(other.store))
      await tickFor(5, own.outbox, other.outbox)
      deepEqual(own.store.scanned, [])
      deepEqual(own.lines, [])
    })

    it('everybody after the store stood still', async () => {
      const dead = await dyingWriter()
      await commit(dead)
      const frozen = Promise.withResolvers<undefined>()
      let looks = 0
      const own = startProcess(sendsNothing, {
        beatIntervalMillis: 50, // two of these are less than the lease
        writers: {
          renew: (document) => writers.renew(document),
          markRecovered: (document) => writers.markRecovered(document),
          forget: (document) => writers.forget(document),
          all: async () => {
            looks += 1
            if (looks === 2) await frozen.promise
            return writers.all()
          },
        },
      })
      await own.outbox.tick()
      const looking = own.outbox.tick()
      const until = performance.now() + 3 * leaseMillis
      await eventually('three leases', () => Promise.resolve(performance.now() > until || undefined))
      frozen.resolve(undefined)
      await looking
      deepEqual(own.store.scanned, [])
    })

    it('a writer that has stopped with nothing pending: its commits are not read', async () => {
      const [own, other] = [startProcess(sendsNothing), startProcess(takes)]
      await other.outbox.publish(await commit(other.store))
      await other.outbox.stop()
      await tickFor(3, own.outbox)
      deepEqual(own.store.scanned, [])
      ok(await isRecovered(other.store))
    })
  })

  it('finds what a writer commits after it was taken for dead and went on, once it has died', async () => {
    const [own, other] = [startProcess(takes), startProcess(neverTakes)]
    await other.outbox.tick()
    await untilRecovered(other.store, own.outbox) // it stands still
    const late = await commit(other.store)
    const document = await documentOf(other.store)
    ok((document?.beat ?? 0) > 1, 'it has shown life before it told of the commit')
    equal(document?.recoveredAtBeat, undefined)
    await untilRecovered(other.store, own.outbox) // it died
    ok(own.outbox.isPublished(late))
  })

  describe('when it stops', () => {
    it('finishes what is being sent, and writes the last watermark', async () => {
      const broker = Promise.withResolvers<undefined>()
      const { store, outbox } = startProcess(() => broker.promise)
      const made = await commit(store)
      const published = outbox.publish(made)
      await store.read(made.checkoutId) // it is being sent
      let hasStopped = false
      const stopped = outbox.stop().then(() => {
        hasStopped = true
      })
      await store.read(made.checkoutId) // time enough for a stop that does not wait
      equal(hasStopped, false)
      broker.resolve(undefined)
      await Promise.all([published, stopped])
      const document = await documentOf(store)
      equal(document?.publishedTo, 1)
      equal(document.recoveredAtBeat, document.beat)
    })

    it('leaves to others what waits for Kafka', async () => {
      const { store, outbox } = startProcess(away)
      const made = await commit(store)
      const published = outbox.publish(made)
      await Promise.all([rejects(published), outbox.stop()])
      const document = await documentOf(store)
      deepEqual([document?.publishedTo, document?.recoveredAtBeat], [0, undefined])
      const { sent, send } = recordingSend()
      await untilRecovered(store, startProcess(send).outbox)
      deepEqual(sent, [eventIds(made)])
    })
  })

  it('forgets a dead writer an hour later, when nothing of it is left', async () => {
    const at = new Date(Date.now() - 2 * hourMillis)
    const gone = { process: 'dead', publishedTo: 0, beat: 1, at, recoveredAtBeat: 1 }
    await writers.renew({ _id: 'forgettable', ...gone })
    await writers.renew({ _id: 'with deadlines', ...gone, deadlinesFrom: 1 })
    await writers.renew({ _id: 'with deadlines done', ...gone, deadlinesFrom: 1, deadlinesAreDone: true })
    await writers.renew({ _id: 'young', ...gone, at: new Date() })
    const { store, outbox } = startProcess(takes)
    await eventually('they are forgotten', async () => {
      await outbox.tick()
      const left = (await writers.all()).map(({ _id }) => _id).filter((id) => id !== store.writer.id)
      return left.sort().join() === 'with deadlines,young' || undefined
    })
  })
})
