import { deepEqual, equal, ok } from 'node:assert/strict'
import { seededRandom } from '../chaos/random.ts'
import {
  compareMedians,
  drawMedianPlace,
  medianAt,
  medianIntervals,
  resamplesFor,
  surestFor,
} from './bootstrap.ts'
import { median, quantile, sorted } from './quantiles.ts'

const lognormal = (count: number, seed: number, scale = 1): number[] => {
  const random = seededRandom(seed)
  return Array.from({ length: count }, () => {
    const normal = Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
    return scale * Math.exp(normal / 2)
  })
}

describe('medians compared', function () {
  this.timeout(10_000)

  it('gives the median of a resample the distribution that drawing every sample gives it', () => {
    for (const samples of [lognormal(7, 1), lognormal(8, 2), lognormal(51, 3), [1], [1, 2]]) {
      const ascending = sorted(samples)
      const random = seededRandom(9)
      const drawn = () => ascending.map(() => random.pick(ascending as [number, ...number[]]))
      const count = 20_000
      const quick = sorted(
        Array.from({ length: count }, () => medianAt(ascending, drawMedianPlace(ascending.length, random))),
      )
      const whole = sorted(Array.from({ length: count }, () => median(drawn())))
      // Kolmogorov and Smirnov: how far the two lie apart at most, as shares; 0.0195 is exceeded once in 1,000.
      const shareUpTo = (values: readonly number[], limit: number) =>
        values.filter((v) => v <= limit).length / count
      const limits = new Set([
        ...ascending,
        ...[0.1, 0.3, 0.5, 0.7, 0.9].map((share) => quantile(whole, share)),
      ])
      for (const limit of limits)
        ok(
          Math.abs(shareUpTo(quick, limit) - shareUpTo(whole, limit)) < 0.0195,
          `at ${limit} of ${samples.length}`,
        )
    }
  })

  it('holds the true ratio in as many intervals as it says', () => {
    const runs = 300
    const held = Array.from({ length: runs }, (_, run) =>
      compareMedians(lognormal(40, 2 * run + 1), lognormal(40, 2 * run + 2, 1.5), { seed: run }),
    ).filter(({ ratio }) => ratio && ratio.lower <= 1.5 && 1.5 <= ratio.upper)
    const share = held.length / runs
    ok(share > 0.92 && share <= 0.99, `${share}`)
  })

  it('says nothing of two sets that are alike, and finds one that is slower', () => {
    const [one, other, slower] = [lognormal(60, 5), lognormal(60, 6), lognormal(60, 7, 2)]
    const alike = compareMedians(one, other)
    ok(alike.difference.lower < 0 && alike.difference.upper > 0)
    const { ratio, difference } = compareMedians(one, slower)
    ok(ratio && ratio.lower > 1.3 && ratio.upper < 3, JSON.stringify(ratio))
    equal(difference.estimate, median(slower) - median(one))
  })

  it('is wider the surer it is, and the same for the same seed', () => {
    const [one, other] = [lognormal(60, 5), lognormal(60, 6)]
    const usual = compareMedians(one, other)
    const surer = compareMedians(one, other, { confidence: 0.999 })
    ok(surer.difference.lower < usual.difference.lower && surer.difference.upper > usual.difference.upper)
    deepEqual(compareMedians(one, other), usual)
    deepEqual([resamplesFor(0.95), resamplesFor(0.9995)], [2_000, 20_000])
  })

  it('has no ratio where there is nothing to divide by', () => {
    deepEqual(compareMedians([0, 0], [1, 1]), {
      difference: { estimate: 1, lower: 1, upper: 1 },
      ratio: undefined,
    })
  })
})

describe('the median of one set', function () {
  this.timeout(10_000)

  it('lies in as many intervals as it says, for as few samples as a run of the lab has pairs', () => {
    const intervalOf = medianIntervals()
    for (const [count, least] of [
      [10, 0.92],
      [20, 0.92],
    ] as const) {
      const runs = 1_000
      const held = Array.from({ length: runs }, (_, run) => intervalOf(lognormal(count, 1 + run))).filter(
        ({ lower, upper }) => lower <= 1 && 1 <= upper,
      )
      const share = held.length / runs
      ok(share > least && share <= 0.985, `${share} of ${count}`)
    }
  })

  it('has the interval of the order statistics of ten, between the second and the third from each end', () => {
    // The chance that the median lies between the 2nd and the 9th of 10 is 0.979, between the 3rd and the 8th 0.891.
    const { estimate, lower, upper } = medianIntervals()([10, 1, 9, 2, 8, 3, 7, 4, 6, 5])
    equal(estimate, 5.5)
    ok(lower >= 2 && lower <= 3, `${lower}`)
    ok(upper >= 8 && upper <= 9, `${upper}`)
  })

  it('can be no surer than its samples allow', () => {
    deepEqual([1, 2, 3, 6].map(surestFor), [0, 0.5, 0.75, 0.96875])
    deepEqual(medianIntervals()([3, 1, 2]), { estimate: 2, lower: 1, upper: 3 })
    deepEqual(medianIntervals()([7]), { estimate: 7, lower: 7, upper: 7 })
  })
})
