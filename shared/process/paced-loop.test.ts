import { deepEqual, equal } from 'node:assert/strict'
import { mock } from 'node:test'
import type { Look } from './paced-loop.ts'
import { startPacedLoop } from './paced-loop.ts'

const intervalMillis = 1_000

describe('a paced loop', () => {
  let looks: number
  let failures: unknown[]
  beforeEach(() => {
    mock.timers.enable({ apis: ['setTimeout'] })
    looks = 0
    failures = []
  })
  afterEach(() => mock.timers.reset())

  const start = (look: () => Promise<Look>, firstAfterMillis = 0) =>
    startPacedLoop({ intervalMillis, firstAfterMillis, onFailure: (error) => failures.push(error) }, () => {
      looks += 1
      return look()
    })
  const seen = (lookMillis: number, isFull = false) => Promise.resolve({ lookMillis, isFull })
  const pass = async (millis: number) => {
    mock.timers.tick(millis)
    await new Promise(setImmediate)
  }

  it('looks for the first time when it was told to', async () => {
    start(() => seen(0), 300)
    await pass(299)
    equal(looks, 0)
    await pass(1)
    equal(looks, 1)
  })

  it('rests for an interval after a look that was quick', async () => {
    start(() => seen(50))
    await pass(0)
    await pass(999)
    equal(looks, 1)
    await pass(1)
    equal(looks, 2)
  })

  it('rests longer after a look that took long, so that looking takes a twentieth of the time', async () => {
    start(() => seen(200))
    await pass(0)
    await pass(3_999)
    equal(looks, 1)
    await pass(1)
    equal(looks, 2)
  })

  it('rests for twelve intervals at most, however long a look took', async () => {
    start(() => seen(60_000))
    await pass(0)
    await pass(11_999)
    equal(looks, 1)
    await pass(1)
    equal(looks, 2)
  })

  it('looks again at once when there may be more', async () => {
    start(() => seen(60_000, looks < 3))
    await pass(0)
    await pass(0)
    await pass(0)
    await pass(0)
    equal(looks, 3)
  })

  it('goes on after a look that failed', async () => {
    start(() => (looks === 1 ? Promise.reject(new Error('store away')) : seen(0)))
    await pass(0)
    deepEqual(failures, [new Error('store away')])
    await pass(intervalMillis)
    equal(looks, 2)
  })

  it('ends when the look under way has ended, and looks no more', async () => {
    const look = Promise.withResolvers<Look>()
    const stop = start(() => look.promise)
    await pass(0)
    let hasEnded = false
    const ended = stop().then(() => (hasEnded = true))
    await pass(0)
    equal(hasEnded, false)
    look.resolve({ lookMillis: 0, isFull: true })
    await ended
    await pass(60_000)
    equal(looks, 1)
  })
})
