import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { eventually } from '../../infra/verify/eventually.ts'
import { storeForTests } from '../../infra/verify/store-for-tests.ts'
import type { Commit, NewCommit } from './event-store.ts'
import { EventStore } from './event-store.ts'
import type { StoreConnection } from './mongo.ts'
import { Writer } from './writers.ts'

const newCommit = (checkoutId: string = randomUUID(), version = 1): NewCommit => ({
  checkoutId,
  version,
  causedBy: `test/${randomUUID()}`,
  at: new Date(),
  events: [{ type: 'CheckoutExpired', data: { reason: 'checkout_expired' } }],
  traceHeaders: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
})

describe('the event store, on the real store', function () {
  this.timeout(180_000)

  let connection: StoreConnection
  let store: EventStore

  before(async () => {
    connection = await storeForTests()
  })
  after(() => connection.close())
  beforeEach(async () => {
    store = startStore()
    await store.prepare()
  })
  afterEach(() => store.close())

  const startStore = () => new EventStore(connection.databaseOf('checkout'), 'checkout', new Writer('test'))

  async function appended(commit: NewCommit, to = store): Promise<Commit> {
    const result = await to.append(commit)
    ok(result.outcome === 'appended')
    return result.commit
  }

  it('reads a stream from its beginning, or after what the reader has', async () => {
    const checkoutId = randomUUID()
    const commits = [
      await appended(newCommit(checkoutId)),
      await appended(newCommit(checkoutId, 2)),
      await appended(newCommit(checkoutId, 3)),
    ]
    deepEqual((await store.read(checkoutId)).commits, commits)
    const rest = await store.read(checkoutId, 2)
    deepEqual([rest.version, rest.commits], [3, commits.slice(2)])
    deepEqual(await store.find(checkoutId, 2), commits[1])
    equal(await store.find(checkoutId, 4), undefined)
  })

  it('finds what a writer has written above a number, in the order of the numbers', async () => {
    const other = startStore()
    const commits: Commit[] = []
    for (let count = 0; count < 5; count++) {
      commits.push(await appended(newCommit()))
      await appended(newCommit(), other)
    }
    deepEqual(await store.writtenBy(store.writer.id, 2, 100), commits.slice(2))
    deepEqual(await store.writtenBy(store.writer.id, 1, 2), commits.slice(1, 3))
    deepEqual(await store.writtenBy(store.writer.id, 5, 100), [])
  })

  it('keeps a commit pending until it is settled', async () => {
    const { seq } = await appended(newCommit())
    deepEqual([store.writer.isSettled(seq), store.writer.publishedTo], [false, seq - 1])
    store.writer.settle(seq)
    deepEqual([store.writer.isSettled(seq), store.writer.publishedTo], [true, seq])
  })

  it('reports a commit only once its writer is known to be alive', async () => {
    const alive = Promise.withResolvers<undefined>()
    store.writer.keptAliveBy(() => alive.promise)
    const commit = newCommit()
    let isReported = false
    const result = store.append(commit).then(({ outcome }) => {
      isReported = true
      return outcome
    })
    await eventually('it is in the store', () => startStore().find(commit.checkoutId, 1))
    equal(isReported, false)
    alive.resolve(undefined)
    equal(await result, 'appended')
  })

  it('rejects when that cannot be said, and reports the commit later, once', async () => {
    const settled: Commit[] = []
    store.whenSettled((commit) => settled.push(commit))
    let isAway = true
    store.writer.keptAliveBy(() => (isAway ? Promise.reject(new Error('store away')) : Promise.resolve()))
    const commit = newCommit()
    await rejects(store.append(commit), /store away/)
    equal(store.writer.hasNothingPending, false)
    isAway = false
    await eventually('it is settled', () => Promise.resolve(settled.length || undefined))
    deepEqual(settled, [await store.find(commit.checkoutId, 1)])
  })

  it('leaves unknown outcomes to others once it is closed', async () => {
    const settled: Commit[] = []
    store.whenSettled((commit) => settled.push(commit))
    let asked = 0
    store.writer.keptAliveBy(() => {
      asked += 1
      return Promise.reject(new Error('store away'))
    })
    const commit = newCommit()
    await rejects(store.append(commit), /store away/)
    await eventually('it asks again', () => Promise.resolve(asked > 1 || undefined))
    store.close()
    equal(store.writer.hasNothingPending, false)
    deepEqual(
      (await startStore().writtenBy(store.writer.id, 0, 10)).map(({ checkoutId }) => checkoutId),
      [commit.checkoutId],
    )
    deepEqual(settled, [])
  })
})
