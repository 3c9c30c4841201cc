import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Collection, Db } from 'mongodb'
import { storeForTests } from '../../infra/verify/store-for-tests.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import type { Deadline } from './deadlines.ts'
import { Deadlines } from './deadlines.ts'

interface Document {
  readonly _id: string
  readonly deadlines: readonly Deadline[]
}

const intervalMillis = 50
const hourMillis = 3_600_000

const deadlineIn = (millis: number, checkoutId: string = randomUUID()): Deadline => ({
  checkoutId,
  dueAt: new Date(Date.now() + millis),
  traceHeaders: { traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' },
})
const idsOf = (deadlines: readonly Deadline[]) => deadlines.map(({ checkoutId }) => checkoutId)

describe('deadlines, on the real store', function () {
  this.timeout(60_000)

  let connection: StoreConnection
  let database: Db
  let documents: Collection<Document>
  let writer: string

  before(async () => {
    connection = await storeForTests()
    database = connection.databaseOf('checkout')
    documents = database.collection<Document>('deadlines')
  })
  after(() => connection.close())
  beforeEach(async () => {
    writer = randomUUID()
    await documents.deleteMany({})
  })

  const start = (id = writer, options = { intervalMillis }) => new Deadlines(database, id, options)
  const stored = () => documents.find({}).sort({ _id: 1 }).toArray()
  const storedIds = async () => (await stored()).map(({ _id }) => _id)

  it('are written as one document an interval, and are in the store when they are entered', async () => {
    const deadlines = start()
    const entered = Array.from({ length: 20 }, () => deadlineIn(hourMillis))
    await Promise.all(entered.map((each) => deadlines.enter(each)))
    deepEqual(await stored(), [{ _id: `${writer}/1`, deadlines: entered }])
  })

  it('are in documents whose numbers have no gap', async () => {
    const deadlines = start()
    for (let interval = 1; interval <= 3; interval++) await deadlines.enter(deadlineIn(hourMillis))
    deepEqual(await storedIds(), [`${writer}/1`, `${writer}/2`, `${writer}/3`])
  })

  it('are written again and again while the store is away, the earlier first', async () => {
    const written: string[] = []
    const failures: unknown[] = []
    const failing = {
      collection: () => ({
        insertOne: (document: Document) => {
          if (failures.length < 2) return Promise.reject(new Error('store away'))
          written.push(document._id)
          return Promise.resolve()
        },
      }),
    } as unknown as Db
    const onFailure = (error: unknown) => failures.push(error)
    const deadlines = new Deadlines(failing, writer, { intervalMillis: 10, onFailure })
    const first = deadlines.enter(deadlineIn(hourMillis))
    await Promise.all([first, first.then(() => deadlines.enter(deadlineIn(hourMillis)))])
    deepEqual(written, [`${writer}/1`, `${writer}/2`])
    equal(failures.length, 2)
  })

  it('are written at once when the process stops', async () => {
    const deadlines = start(writer, { intervalMillis: hourMillis })
    const entered = deadlines.enter(deadlineIn(hourMillis))
    await deadlines.stop()
    await entered
    deepEqual(await storedIds(), [`${writer}/1`])
  })

  it('that cannot be written when the process stops are said to be missing', async () => {
    const failing = {
      collection: () => ({ insertOne: () => Promise.reject(new Error('store away')) }),
    } as unknown as Db
    const deadlines = new Deadlines(failing, writer, { intervalMillis: hourMillis })
    const entered = rejects(deadlines.enter(deadlineIn(hourMillis)), /store away/)
    await deadlines.stop()
    await entered
  })

  it('are due when they have passed, until they are settled', async () => {
    const deadlines = start()
    const [passed, ahead] = [deadlineIn(-1), deadlineIn(hourMillis)]
    await Promise.all([deadlines.enter(passed), deadlines.enter(ahead)])
    deepEqual(idsOf(deadlines.due(new Date())), [passed.checkoutId])
    deadlines.settle(passed.checkoutId)
    deepEqual(deadlines.due(new Date()), [])
    deepEqual(idsOf(deadlines.due(ahead.dueAt)), [ahead.checkoutId])
  })

  it('stay what they are when they are entered again', async () => {
    const deadlines = start()
    const first = deadlineIn(-1)
    await deadlines.enter(first)
    await deadlines.enter({ ...first, dueAt: new Date(Date.now() + hourMillis) })
    deepEqual(idsOf(deadlines.due(new Date())), [first.checkoutId])
    equal((await stored()).flatMap((document) => document.deadlines).length, 1)
  })

  describe('need their documents', () => {
    it('from the first that holds one that is not settled', async () => {
      const deadlines = start()
      const entered = [deadlineIn(hourMillis), deadlineIn(hourMillis), deadlineIn(hourMillis)]
      equal(deadlines.from, 1)
      for (const each of entered) await deadlines.enter(each)
      const [one, two, three] = idsOf(entered) as [string, string, string]
      deadlines.settle(two)
      equal(deadlines.from, 1)
      deadlines.settle(one)
      equal(deadlines.from, 3)
      deadlines.settle(three)
      equal(deadlines.from, 4)
    })

    it('also the one that is being gathered: others may come into it', async () => {
      const deadlines = start()
      const [quick, open] = [deadlineIn(hourMillis), deadlineIn(hourMillis)]
      const written = deadlines.enter(quick)
      deadlines.settle(quick.checkoutId)
      equal(deadlines.from, 1)
      await Promise.all([written, deadlines.enter(open)])
      deepEqual(await storedIds(), [`${writer}/1`])
      equal(deadlines.from, 1)
      deadlines.settle(open.checkoutId)
      equal(deadlines.from, 2)
    })

    it('no more when they are done: they are cleared', async () => {
      const deadlines = start()
      for (let interval = 1; interval <= 3; interval++) await deadlines.enter(deadlineIn(hourMillis))
      await deadlines.clear(writer, 1, 3)
      deepEqual(await storedIds(), [`${writer}/3`])
    })
  })

  describe('of a dead writer', () => {
    async function leave(count: number): Promise<{ dead: string; left: Deadline[] }> {
      const dead = randomUUID()
      const dying = start(dead)
      const left = Array.from({ length: count }, () => deadlineIn(-1))
      for (const each of left) await dying.enter(each)
      return { dead, left }
    }

    it('are taken over from the first document that may be needed', async () => {
      const { dead, left } = await leave(3)
      const deadlines = start()
      await deadlines.adopt(dead, 2)
      deepEqual(
        deadlines
          .due(new Date())
          .map(({ checkoutId, dueAt, traceHeaders }) => ({ checkoutId, dueAt, traceHeaders })),
        left.slice(1),
      )
      equal(deadlines.from, 1) // its own
    })

    it('are done when all are settled, and then cleared', async () => {
      const { dead, left } = await leave(2)
      const deadlines = start()
      await deadlines.adopt(dead, 1)
      const [first, second] = idsOf(left) as [string, string]
      deadlines.settle(first)
      equal(deadlines.isDone(dead), false)
      deadlines.settle(second)
      ok(deadlines.isDone(dead))
      await deadlines.clearAdopted(dead)
      deepEqual(await stored(), [])
    })

    it('are done at once when it has left none', async () => {
      const deadlines = start()
      await deadlines.adopt('nobody', 1)
      ok(deadlines.isDone('nobody'))
    })

    it('are this process’s own where it has entered them itself', async () => {
      const { dead, left } = await leave(1)
      const deadlines = start()
      const [shared] = left as [Deadline]
      await deadlines.enter(shared)
      await deadlines.adopt(dead, 1)
      ok(deadlines.isDone(dead))
      deepEqual(idsOf(deadlines.due(new Date())), [shared.checkoutId])
    })
  })
})
