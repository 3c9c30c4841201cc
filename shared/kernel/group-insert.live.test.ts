import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { inspect } from 'node:util'
import type { Db } from 'mongodb'
import { MongoClient } from 'mongodb'
import { context, trace } from '@opentelemetry/api'
import type { FaultProxy } from '../../infra/chaos/fault-proxy.ts'
import { startFaultProxy } from '../../infra/chaos/fault-proxy.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { NotSent } from '../process/coalescer.ts'
import type { RecordedSpans } from '../telemetry/recorded-spans.ts'
import { recordGlobalSpans } from '../telemetry/recorded-spans.ts'
import type { AppendResult, Commit, NewCommit } from './event-store.ts'
import { EventStore } from './event-store.ts'
import { GroupInsert } from './group-insert.ts'
import './mongodb-ended-sockets.ts'
import { neverLeft } from './store-errors.ts'
import { Writer } from './writers.ts'

const newCommit = (changes: Partial<NewCommit> = {}): NewCommit => {
  const checkoutId = changes.checkoutId ?? randomUUID()
  return {
    checkoutId,
    version: 1,
    causedBy: `test/${randomUUID()}`,
    at: new Date(),
    events: [{ type: 'CheckoutExpired', data: { reason: 'checkout_expired' } }],
    traceHeaders: {},
    ...changes,
  }
}

describe('group commit, on the real store', function () {
  this.timeout(180_000)

  let proxy: FaultProxy
  let client: MongoClient
  let database: Db
  let spans: RecordedSpans
  let store: EventStore
  let settled: Commit[]

  before(async () => {
    const stack = await stackForTests()
    await stack.ready('mongodb')
    const url = new URL(stack.urls.mongodbUrl)
    proxy = await startFaultProxy({ targetPort: Number(url.port) })
    url.port = String(proxy.port)
    client = new MongoClient(url.href, {
      serverSelectionTimeoutMS: 500,
      minHeartbeatFrequencyMS: 50,
      heartbeatFrequencyMS: 100,
      ignoreUndefined: true,
      retryWrites: false,
    })
    database = client.db(`group-insert-${randomUUID().slice(0, 8)}`)
    spans = recordGlobalSpans()
  })
  after(async () => {
    spans.stop()
    await client.close()
    await proxy.close()
  })
  beforeEach(async () => {
    store = startStore()
    await store.prepare()
    settled = []
    store.whenSettled((commit) => settled.push(commit))
    spans.exporter.reset()
  })
  afterEach(() => {
    proxy.inject({ kind: 'none' })
    store.close()
  })

  const startStore = (): EventStore => new EventStore(database, 'checkout', new Writer('test'))
  const outcomesOf = (results: readonly AppendResult[]) => results.map(({ outcome }) => outcome)
  const spansNamed = (name: string) => spans.exporter.getFinishedSpans().filter((span) => span.name === name)

  /** Once the insert has been swallowed by the network, or its reply has, the connection breaks. */
  async function appendInterrupted(commit: NewCommit, of: 'requests' | 'responses'): Promise<unknown> {
    await database.command({ ping: 1 }) // so that there is a connection
    proxy.inject({ kind: 'black-hole', of: [of] })
    const before = proxy.bytesLost
    const failure = store.append(commit).then(
      () => undefined,
      (error: unknown) => error,
    )
    // The monitor's own traffic is lost as well, which is small.
    const inserted = async () => {
      if (of === 'requests') return proxy.bytesLost - before > 200
      return (await directly(commit)) !== null
    }
    await eventually('the insert on its way', async () => (await inserted()) || undefined, {
      intervalMillis: 10,
    })
    proxy.reset()
    return failure
  }

  /** Past the proxy. */
  async function directly({ checkoutId, version }: NewCommit) {
    const stack = await stackForTests()
    direct ??= await new MongoClient(stack.urls.mongodbUrl).connect()
    const commits = direct.db(database.databaseName).collection<{ _id: string; causedBy: string }>('commits')
    return commits.findOne({ _id: `checkout/${checkoutId}@${version}` })
  }
  let direct: MongoClient | undefined
  after(() => direct?.close())

  describe('tells each append of a batch its own outcome', () => {
    it('appended, conflict and duplicate', async () => {
      const first = newCommit()
      const results = await Promise.all([store.append(first), store.append(newCommit())])
      deepEqual(outcomesOf(results), ['appended', 'appended'])
      const second = await Promise.all([
        store.append(newCommit({ checkoutId: first.checkoutId })), // its version is taken
        store.append(newCommit()),
        store.append(first), // again
        store.append(newCommit({ causedBy: first.causedBy })),
        store.append(newCommit({ checkoutId: first.checkoutId, version: 2 })),
      ])
      deepEqual(outcomesOf(second), ['conflict', 'appended', 'duplicate', 'duplicate', 'appended'])
      const [written] = results
      deepEqual(second[2], {
        outcome: 'duplicate',
        commit: written.outcome === 'appended' && written.commit,
      })
      equal(spansNamed('BATCH insert commits').length, 2)
    })

    it('also where two of one batch contend for a place', async () => {
      const checkoutId = randomUUID()
      const results = await Promise.all(
        Array.from({ length: 5 }, () => store.append(newCommit({ checkoutId }))),
      )
      deepEqual(outcomesOf(results).sort(), ['appended', 'conflict', 'conflict', 'conflict', 'conflict'])
    })

    it('with more than a command takes', async () => {
      const results = await Promise.all(Array.from({ length: 250 }, () => store.append(newCommit())))
      deepEqual([...new Set(outcomesOf(results))], ['appended'])
      deepEqual(
        spansNamed('BATCH insert commits').map(({ attributes }) => attributes['db.operation.batch.size']),
        [100, 100, 50],
      )
    })

    it('numbers what it writes, and leaves numbers of what is not in the store settled', async () => {
      const commit = newCommit()
      const [one, two] = await Promise.all([store.append(commit), store.append(commit)])
      deepEqual(outcomesOf([one, two]).sort(), ['appended', 'duplicate'])
      const appended = [one, two].find((result) => result.outcome === 'appended')
      ok(appended?.outcome === 'appended')
      const { seq, writer } = appended.commit
      equal(writer, store.writer.id)
      deepEqual(
        [1, 2].map((each) => store.writer.isSettled(each)),
        [1, 2].map((each) => each !== seq),
      )
    })
  })

  describe('when an append is withdrawn by its signal', () => {
    it('before it left, it rejects as not sent and leaves nothing pending', async () => {
      const aborting = new AbortController()
      const commit = newCommit()
      const withdrawn = store.append(commit, aborting.signal)
      aborting.abort()
      await rejects(withdrawn, NotSent)
      equal(await directly(commit), null)
      ok(store.writer.hasNothingPending)
    })
  })

  describe('when the connection breaks', () => {
    it('with the reply under way: rejects, and the commit in the store is reported exactly once', async () => {
      const commit = newCommit()
      const error = await appendInterrupted(commit, 'responses')
      ok(error instanceof Error)
      equal(neverLeft(error), false)
      deepEqual(settled, [])
      equal(store.writer.hasNothingPending, false)
      proxy.inject({ kind: 'none' })
      await eventually('it is settled', () => Promise.resolve(settled.length || undefined))
      deepEqual(
        settled.map(({ checkoutId, causedBy, seq }) => [checkoutId, causedBy, seq]),
        [[commit.checkoutId, commit.causedBy, 1]],
      )
      equal(store.writer.isSettled(1), false) // until it is published
      const again = await store.append(commit)
      equal(again.outcome, 'duplicate')
      equal(settled.length, 1)
    })

    it('with the request under way: rejects, and what is inserted later is reported once', async () => {
      const commit = newCommit()
      const error = await appendInterrupted(commit, 'requests')
      ok(error instanceof Error)
      equal(await directly(commit), null)
      proxy.inject({ kind: 'none' })
      await eventually('it is settled', () => Promise.resolve(settled.length || undefined))
      ok(await directly(commit))
      equal(settled.length, 1)
    })

    it('and another takes the place meanwhile: reports nothing, and leaves nothing pending', async () => {
      const commit = newCommit()
      ok((await appendInterrupted(commit, 'requests')) instanceof Error)
      await directly(commit)
      const other = new EventStore(
        (direct as MongoClient).db(database.databaseName),
        'checkout',
        new Writer('other'),
      )
      const result = await other.append(newCommit({ checkoutId: commit.checkoutId }))
      equal(result.outcome, 'appended')
      proxy.inject({ kind: 'none' })
      await eventually('nothing is pending', () =>
        Promise.resolve(store.writer.hasNothingPending || undefined),
      )
      deepEqual(settled, [])
    })

    it('before anything was sent: rejects as what never left, and leaves nothing pending', async () => {
      proxy.inject({ kind: 'refuse' })
      proxy.reset()
      await rejects(database.command({ ping: 1 })) // the driver knows
      const error: unknown = await store.append(newCommit()).catch((failure: unknown) => failure)
      ok(neverLeft(error), inspect(error))
      ok(store.writer.hasNothingPending)
      proxy.inject({ kind: 'none' })
      await eventually('the store is there again', async () => {
        const { outcome } = await store.append(newCommit())
        return outcome === 'appended' || undefined
      })
      deepEqual(settled, [])
    })
  })

  describe('has spans:', () => {
    const inTrace = async <Result>(work: () => Promise<Result>) => {
      const span = spans.tracer.startSpan('asking')
      const result = await context.with(trace.setSpan(context.active(), span), work)
      span.end()
      return { result, spanContext: span.spanContext() }
    }

    it('an insert by itself has one, and no batch', async () => {
      const { spanContext } = await inTrace(() => store.append(newCommit()))
      const [insert, ...others] = spansNamed('insert commits')
      equal(others.length, 0)
      equal(insert?.spanContext().traceId, spanContext.traceId)
      equal(insert.parentSpanContext?.spanId, spanContext.spanId)
      equal('db.operation.batch.size' in insert.attributes, false) // the conventions have no batch of one
      deepEqual(spansNamed('BATCH insert commits'), [])
    })

    it('each insert of a batch has its own, in its own trace; the batch is a root span that links to them', async () => {
      const asked = await Promise.all(
        Array.from({ length: 3 }, () => inTrace(() => store.append(newCommit()))),
      )
      const inserts = spansNamed('insert commits')
      deepEqual(
        inserts.map((span) => span.spanContext().traceId).sort(),
        asked.map(({ spanContext }) => spanContext.traceId).sort(),
      )
      deepEqual(
        inserts.map(({ attributes }) => attributes['db.operation.batch.size']),
        [3, 3, 3],
      )
      const [batch, ...others] = spansNamed('BATCH insert commits')
      equal(others.length, 0)
      equal(batch?.parentSpanContext, undefined)
      equal(batch?.attributes['db.operation.batch.size'], 3)
      deepEqual(
        batch.links.map((link) => link.context.spanId).sort(),
        inserts.map((span) => span.spanContext().spanId).sort(),
      )
      ok(!asked.some(({ spanContext }) => spanContext.traceId === batch.spanContext().traceId))
    })

    it('a duplicate is no error', async () => {
      const inserts = new GroupInsert<{ _id: string }>(database, 'things')
      const _id = randomUUID()
      equal(await inserts.insert({ _id }), 'inserted')
      equal(await inserts.insert({ _id }), 'duplicate')
      deepEqual(
        spansNamed('insert things').map(({ status }) => status.code),
        [0, 0],
      )
    })
  })
})
