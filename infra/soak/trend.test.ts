import { deepEqual, equal, ok } from 'node:assert/strict'
import { seededRandom } from '../chaos/random.ts'
import type { Point } from './trend.ts'
import { lowestOfEach, trendOf } from './trend.ts'

const series = (
  count: number,
  value: (seconds: number, index: number) => number,
  stepSeconds = 30,
): Point[] =>
  Array.from({ length: count }, (_, index) => ({
    seconds: index * stepSeconds,
    value: value(index * stepSeconds, index),
  }))

const near = (actual: number | undefined, wanted: number, tolerance: number): void =>
  ok(actual !== undefined && Math.abs(actual - wanted) <= tolerance, `${actual} is not near ${wanted}`)

describe('the trend of a series', () => {
  it('is that of its line', () => {
    const { slope, lower, upper } = trendOf(series(20, (seconds) => 5 + 0.25 * seconds)) ?? {}
    deepEqual([slope, lower, upper], [0.25, 0.25, 0.25])
    equal(trendOf(series(20, () => 7))?.slope, 0)
  })

  it('is found in noise, within its interval', () => {
    const random = seededRandom(1)
    const trend = trendOf(series(60, (seconds) => 2 * seconds + random.between(-600, 600)))
    near(trend?.slope, 2, 0.3)
    ok(trend && trend.lower < 2 && trend.upper > 2 && trend.lower > 1)
  })

  it('has an interval that holds the true slope about as often as it says', () => {
    const random = seededRandom(2)
    let held = 0
    const runs = 400
    for (let run = 0; run < runs; run++) {
      const trend = trendOf(series(30, (seconds) => -0.5 * seconds + random.between(-50, 50)))
      if (trend && trend.lower <= -0.5 && trend.upper >= -0.5) held += 1
    }
    near(held / runs, 0.95, 0.03)
  })

  it('does not mind a quarter of the points lying anywhere above', () => {
    const random = seededRandom(3)
    const bursts = series(60, (seconds) => seconds + (random.next() < 0.25 ? random.between(0, 1e6) : 0))
    near(trendOf(bursts)?.slope, 1, 0.2)
  })

  it('does not take for growth that a process began anew, nor miss what both lives lose', () => {
    const first = series(20, (seconds) => 1_000 + seconds)
    const second = series(20, (seconds) => seconds).map((point) => ({
      seconds: point.seconds + 600,
      value: point.value,
      life: 2,
    }))
    deepEqual(trendOf([...first, ...second])?.slope, 1)
    ok((trendOf([...first, ...second.map((point) => ({ ...point, life: 0 }))])?.slope ?? 1) < 0.5)
  })

  it('is told apart from none when memory is lost for ever, a megabyte in ten minutes, in a saw-tooth', () => {
    const megabyte = 1024 ** 2
    const random = seededRandom(4)
    const leak = (seconds: number) => 60 * megabyte + (megabyte / 600) * seconds
    const garbage = () => random.between(0, 8 * megabyte)
    const leaking = lowestOfEach(
      60,
      series(240, (seconds) => leak(seconds) + garbage(), 5),
    )
    const sound = lowestOfEach(
      60,
      series(240, () => 60 * megabyte + garbage(), 5),
    )
    ok((trendOf(leaking)?.lower ?? 0) > 0)
    near((trendOf(sound)?.slope ?? NaN) * 600, 0, 0.5 * megabyte)
  })

  it('is unknown with too few points', () => {
    equal(trendOf([]), undefined)
    equal(trendOf(series(2, () => 1)), undefined)
    equal(trendOf(series(4, () => 1).map((point, index) => ({ ...point, life: index }))), undefined)
  })
})

describe('the lowest of each window', () => {
  it('is one point a window and life', () => {
    const points = [5, 3, 4, 9, 7, 8].map((value, index) => ({ seconds: index * 10, value }))
    deepEqual(lowestOfEach(30, points), [points[1], points[4]])
    equal(
      lowestOfEach(
        30,
        points.map((point, index) => ({ ...point, life: index % 2 })),
      ).length,
      4,
    )
  })
})
