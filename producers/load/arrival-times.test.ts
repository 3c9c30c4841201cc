import { deepEqual, equal, ok } from 'node:assert/strict'
import { seededRandom } from '../../infra/chaos/random.ts'
import type { Schedule } from './arrival-times.ts'
import { dueTimes, expectedArrivals, scheduledRate } from './arrival-times.ts'

const ramp = (text: string, startRatePerSecond = 0): Schedule => ({
  startRatePerSecond,
  arrivals: 'uniform',
  stages: text.split(',').map((stage) => {
    const [ratePerSecond = 0, seconds = 0] = stage.split(':').map(Number)
    return { ratePerSecond, durationMillis: seconds * 1_000 }
  }),
})

const timesOf = (schedule: Schedule, seed = 1) => [...dueTimes(schedule, seededRandom(seed))]
const between = (times: readonly number[], from: number, to: number) =>
  times.filter((time) => time >= from * 1_000 && time < to * 1_000).length

describe('the times at which checkouts are due', () => {
  it('are evenly spaced at a steady rate, from the beginning on', () => {
    deepEqual(timesOf(ramp('4:1', 4)), [0, 250, 500, 750])
    const times = timesOf(ramp('10:60', 10))
    equal(times.length, 600)
    times.forEach((time, index) => ok(Math.abs(time - index * 100) < 1e-6, `${index}: ${time}`))
  })

  it('follow the rate along a line', () => {
    // 0 to 40 a second within 10 s: 2 t^2 arrivals by the second t
    const times = timesOf(ramp('40:10'))
    equal(times.length, 200)
    for (const second of [1, 3, 5, 9]) {
      equal(between(times, 0, second), 2 * second ** 2)
    }
    deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    )
  })

  it('go through stages, up, level, down, and by jumps', () => {
    const times = timesOf(ramp('20:10,20:10,0:10,50:0,50:2'))
    deepEqual(
      [between(times, 0, 10), between(times, 10, 20), between(times, 20, 30), between(times, 30, 32)],
      [100, 200, 100, 100],
    )
    equal(times.length, 500)
  })

  it('pause where the rate is 0', () => {
    const times = timesOf(ramp('0:0,0:5,10:0,10:1', 10))
    equal(between(times, 0, 5), 0)
    equal(times.length, 10)
  })

  it('end with the total, however long it takes', () => {
    equal(timesOf({ ...ramp('10:60', 10), total: 7 }).length, 7)
    equal(timesOf({ ...ramp('10:1', 10), total: 35 }).length, 35)
    equal(timesOf({ ...ramp('10:3.5', 10), arrivals: 'poisson', total: 35 }).length, 35)
  })

  it('are those of a Poisson process when they are asked to be', () => {
    const times = timesOf({ ...ramp('100:200', 100), arrivals: 'poisson' })
    // 20,000 expected; the standard deviation is their root
    ok(Math.abs(times.length - 20_000) < 4 * Math.sqrt(20_000), `${times.length}`)
    const gaps = times.slice(1).map((time, index) => time - (times[index] ?? 0))
    const mean = gaps.reduce((sum, gap) => sum + gap, 0) / gaps.length
    const deviation = Math.sqrt(gaps.reduce((sum, gap) => sum + (gap - mean) ** 2, 0) / gaps.length)
    ok(Math.abs(deviation / mean - 1) < 0.05, `gaps vary by ${deviation / mean} of their mean`)
    const longerThanMean = gaps.filter((gap) => gap > mean).length / gaps.length
    ok(Math.abs(longerThanMean - Math.exp(-1)) < 0.02, `${longerThanMean} are longer than the mean`)
  })

  it('follow a line as a Poisson process too', () => {
    const times = timesOf({ ...ramp('100:100'), arrivals: 'poisson' })
    const firstHalf = between(times, 0, 50) / times.length
    ok(Math.abs(firstHalf - 0.25) < 0.03, `${firstHalf} come in the first half`)
  })

  it('are the same for the same seed', () => {
    const poisson: Schedule = { ...ramp('10:10', 10), arrivals: 'poisson' }
    deepEqual(timesOf(poisson, 7), timesOf(poisson, 7))
    ok(timesOf(poisson, 7)[0] !== timesOf(poisson, 8)[0])
  })

  it('are as many as is said before', () => {
    equal(expectedArrivals(ramp('20:10,20:10,0:10')), 400)
    equal(expectedArrivals({ ...ramp('10:1', 10), total: 35 }), 35)
  })

  it('come at the rate that is wanted at a time', () => {
    const schedule = ramp('20:10,20:10,0:10,50:0,50:2')
    const at = [0, 5, 15, 25, 31, 33].map((second) => scheduledRate(schedule, second * 1_000))
    deepEqual(at, [0, 10, 20, 10, 50, 0])
  })
})
