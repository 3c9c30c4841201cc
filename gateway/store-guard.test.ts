import { deepStrictEqual, rejects, strictEqual } from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import { MongoErrorLabel, MongoNetworkError, MongoServerError, MongoServerSelectionError } from 'mongodb'
import { eventually } from '../infra/verify/eventually.ts'
import { Coalescer } from '../shared/process/coalescer.ts'
import type { StoreTrouble } from './store-guard.ts'
import { StoreGuard } from './store-guard.ts'

const never = () => new Promise<never>(() => undefined)
const done = () => Promise.resolve('done')
/** As the driver marks what fails while a connection is established. */
const refusedConnection = (): MongoNetworkError => {
  const error = new MongoNetworkError('connect ECONNREFUSED')
  error.addErrorLabel(MongoErrorLabel.HandshakeError)
  return error
}
const trouble = (wasAsked: boolean) => ({ code: 'store_trouble', retriable: true, wasAsked })

describe('the guard before the store', () => {
  /** A store that can be frozen; counts the pings it gets. */
  class FreezableStore {
    pings = 0
    isFrozen = false
    ping = (): Promise<void> => {
      this.pings++
      return this.isFrozen ? never() : Promise.resolve()
    }
  }
  let store: FreezableStore
  beforeEach(() => {
    store = new FreezableStore()
  })
  const guard = (options: { underWayLimit?: number; timeoutMillis?: number } = {}) =>
    new StoreGuard({
      timeoutMillis: 20,
      underWayLimit: 10,
      ping: store.ping,
      pingIntervalMillis: 5,
      ...options,
    })

  it('gives what the work gives', async () => {
    strictEqual(await guard().run(done), 'done')
  })

  it('gives up work that takes too long, and tells it so', async () => {
    let toldWorker: AbortSignal | undefined
    const work = (signal: AbortSignal) => {
      toldWorker = signal
      return never()
    }
    await rejects(guard().run(work), trouble(true))
    strictEqual(toldWorker?.aborted, true)
  })

  it('asks nothing more of a store that froze, until it answers a ping', async () => {
    store.isFrozen = true
    const frozen = guard()
    await rejects(frozen.run(never), trouble(true))
    let asked = 0
    const count = () => {
      asked++
      return done()
    }
    const startedAt = performance.now()
    for (let times = 0; times < 100; times++) await rejects(frozen.run(count), trouble(false))
    strictEqual(asked, 0)
    strictEqual(performance.now() - startedAt < 1_000, true)
    await eventually('several pings', () => Promise.resolve(store.pings > 2 || undefined), {
      intervalMillis: 5,
    })
    store.isFrozen = false
    await eventually('service again', () => frozen.run(count), { intervalMillis: 5 })
    strictEqual(asked, 1)
  })

  it('goes on after one answer that was lost, when the store is well', async () => {
    const well = guard()
    await rejects(well.run(never), trouble(true))
    strictEqual(await eventually('service again', () => well.run(done), { intervalMillis: 1 }), 'done')
    strictEqual(store.pings, 1)
  })

  it('takes no more work than its limit, counting what it has given up', async () => {
    const small = guard({ underWayLimit: 2, timeoutMillis: 10 })
    const hanging = Promise.withResolvers<string>()
    await rejects(
      small.run(() => hanging.promise),
      trouble(true),
    )
    await eventually('service again', () => small.run(done), { intervalMillis: 5 })
    const second = small.run(() => hanging.promise)
    await rejects(small.run(done), { code: 'overloaded', status: 503, headers: { 'Retry-After': '1' } })
    hanging.resolve('late')
    strictEqual(await second, 'late')
    strictEqual(await small.run(done), 'done')
  })

  /** Until it refuses: so many pieces of work that never end are let in at once. */
  const letsIn = async (tried: StoreGuard): Promise<number> => {
    for (let count = 0; ; count++) {
      const outcome = await Promise.race([tried.run(never).catch(() => 'refused'), delay(1, 'let in')])
      if (outcome !== 'let in') return count
    }
  }
  const afterTrouble = async (underWayLimit: number): Promise<StoreGuard> => {
    const shaken = guard({ underWayLimit, timeoutMillis: 500 })
    store.isFrozen = true
    await rejects(shaken.run(never), trouble(true))
    await eventually('a ping', () => Promise.resolve(store.pings > 1 || undefined), { intervalMillis: 1 })
    store.isFrozen = false
    await eventually('service again', () => shaken.run(done), { intervalMillis: 1 })
    return shaken
  }

  it('lets in few at first when the store was in trouble, and one more for each answer that comes soon', async () => {
    const shaken = await afterTrouble(1_000)
    for (let times = 0; times < 9; times++) await shaken.run(done)
    strictEqual(await letsIn(shaken), 20 + 10)
  })

  it('lets in no more than its limit, however soon the answers come', async () => {
    const shaken = await afterTrouble(25)
    for (let times = 0; times < 50; times++) await shaken.run(done)
    strictEqual(await letsIn(shaken), 25 - 1) // one was given up and is still under way
  })

  it('lets in one fewer for each answer that comes late', async () => {
    const slow = guard({ underWayLimit: 40, timeoutMillis: 500 })
    for (let times = 0; times < 5; times++) await slow.run(() => delay(60))
    strictEqual(await letsIn(slow), 40 - 5)
  })

  for (const [what, error, wasAsked] of [
    ['is not to be found', new MongoServerSelectionError('nobody', {} as never), false],
    ['refuses the connection', refusedConnection(), false],
    ['loses the connection', new MongoNetworkError('gone'), true],
    ['fails inside', new MongoServerError({ message: 'disk', code: 1 }), true],
    [
      'closes the socket during a write',
      Object.assign(new Error('This socket has been ended by the other party'), { code: 'EPIPE' }),
      true,
    ],
  ] as const) {
    it(`says whether the store was asked when it ${what}`, async () => {
      await rejects(
        guard().run(() => Promise.reject(error)),
        { ...trouble(wasAsked), cause: error },
      )
    })
  }

  it('tells what was sent to a frozen store from what waited in the process behind it', async () => {
    store.isFrozen = true
    const sent: string[] = []
    const inserts = new Coalescer<string, void>({ width: 1, maxItems: 1 }, (items) => {
      sent.push(...items)
      return never()
    })
    const frozen = guard()
    const outcomes = await Promise.allSettled(
      ['first', 'second', 'third'].map((item) => frozen.run((signal) => inserts.add(item, signal))),
    )
    deepStrictEqual(
      outcomes.map((outcome) => outcome.status === 'rejected' && (outcome.reason as StoreTrouble).wasAsked),
      [true, false, false],
    )
    deepStrictEqual(sent, ['first'])
  })

  it('leaves a defect of ours what it is', async () => {
    for (const error of [new TypeError('x'), new MongoServerError({ message: 'bad query', code: 2 })]) {
      await rejects(
        guard().run(() => Promise.reject(error)),
        (thrown) => thrown === error,
      )
    }
    deepStrictEqual(store.pings, 0)
  })
})
