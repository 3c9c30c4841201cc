/**
 * A quantile of all samples of many visits together. One visit has too few of them for a high one: the p99 of sixty-five
 * is the greatest but for a fraction, and the median of such says nothing of one in a hundred.
 */
import { seededRandom } from '../chaos/random.ts'
import type { BootstrapOptions, Interval } from './bootstrap.ts'
import { percentileInterval, resamplesFor } from './bootstrap.ts'

/** The samples of both sides of a pair of visits. */
export interface SampledPair {
  readonly arm: readonly number[]
  readonly against: readonly number[]
}

export interface QuantilesCompared {
  readonly arm: number
  readonly against: number
  /** Of arm by baseline; undefined where the baseline, or that of some resample, is 0. */
  readonly ratio: Interval | undefined
  /** Of arm without baseline. */
  readonly added: Interval
}

export type PooledQuantileComparer = (pairs: readonly SampledPair[], share: number) => QuantilesCompared

/**
 * Intervals by resampling pairs, not samples: what happens within a visit happens to many of its samples at once
 * (Davison and Hinkley, Bootstrap Methods and their Application, 1997, section 3.8).
 * @returns for pairs that have samples on both sides; share is 0.99 for p99
 */
export function pooledQuantileComparer({
  confidence = 0.95,
  resamples = resamplesFor(confidence),
  seed = 1,
}: BootstrapOptions = {}): PooledQuantileComparer {
  return (pairs, share) => {
    const random = seededRandom(seed)
    const [ofArm, ofAgainst] = [
      new Pool(pairs.map(({ arm }) => arm)),
      new Pool(pairs.map(({ against }) => against)),
    ]
    const once = pairs.map(() => 1)
    const [arm, against] = [ofArm.quantile(share, once), ofAgainst.quantile(share, once)]
    const ratios = new Float64Array(resamples)
    const differences = new Float64Array(resamples)
    const times = pairs.map(() => 0)
    for (let index = 0; index < resamples; index++) {
      times.fill(0)
      for (let drawn = 0; drawn < pairs.length; drawn++) {
        const pair = Math.floor(random.next() * pairs.length)
        times[pair] = (times[pair] ?? 0) + 1
      }
      const [one, other] = [ofArm.quantile(share, times), ofAgainst.quantile(share, times)]
      ratios[index] = one / other
      differences[index] = one - other
    }
    const hasRatio = against > 0 && ratios.every(Number.isFinite)
    return {
      arm,
      against,
      ratio: hasRatio ? percentileInterval(arm / against, ratios, confidence) : undefined,
      added: percentileInterval(arm - against, differences, confidence),
    }
  }
}

/** Samples of many visits in one order. */
class Pool {
  readonly #values: Float64Array
  /** Which visit each is of. */
  readonly #visits: Int32Array
  readonly #sizes: readonly number[]

  constructor(visits: readonly (readonly number[])[]) {
    const descending = visits
      .flatMap((samples, visit) => samples.map((value) => ({ value, visit })))
      .sort((one, other) => other.value - one.value)
    this.#values = Float64Array.from(descending, ({ value }) => value)
    this.#visits = Int32Array.from(descending, ({ visit }) => visit)
    this.#sizes = visits.map(({ length }) => length)
  }

  /**
   * By nearest rank: the least value that so large a share does not exceed. Counted from the greatest, which is near for
   * high shares.
   * @param times how often each visit is in the pool
   */
  quantile(share: number, times: readonly number[]): number {
    const size = this.#sizes.reduce((sum, length, visit) => sum + length * (times[visit] ?? 0), 0)
    const rankFromTop = size - Math.ceil(share * size) + 1
    let passed = 0
    for (let place = 0; place < this.#values.length; place++) {
      passed += times[this.#visits[place] ?? 0] ?? 0
      if (passed >= rankFromTop) return this.#values[place] ?? NaN
    }
    return NaN
  }
}
