/**
 * How far two medians lie apart, and how sure that is: percentile intervals from the bootstrap (Efron and Tibshirani,
 * An Introduction to the Bootstrap, 1993, chapter 13).
 */
import { seededRandom } from '../chaos/random.ts'
import type { Random } from '../chaos/random.ts'
import { quantile, sorted } from './quantiles.ts'

export interface Interval {
  readonly estimate: number
  readonly lower: number
  readonly upper: number
}

export interface MediansCompared {
  /** B without A. */
  readonly difference: Interval
  /** B by A; undefined when A's median is not above zero, or that of some resample was not. */
  readonly ratio: Interval | undefined
}

export interface BootstrapOptions {
  /** The share of such intervals that hold the true value; 0.95 unless told. */
  readonly confidence?: number
  /** Enough for some tens of them to lie outside of the interval, on each side; see resamplesFor. */
  readonly resamples?: number
  /** The same seed gives the same interval. */
  readonly seed?: number
}

/** So many that 5 lie beyond each end of the interval, within what takes some milliseconds; no fewer than 2,000. */
export const resamplesFor = (confidence: number): number =>
  Math.max(2_000, Math.min(50_000, Math.round(10 / (1 - confidence))))

/** @param a not empty, as b is not */
export const compareMedians = (
  a: readonly number[],
  b: readonly number[],
  options: BootstrapOptions = {},
): MediansCompared => mediansComparer(options)(a, b)

/** The percentile interval of an estimate by what its resamples gave, which are put in order. */
export function percentileInterval(estimate: number, values: Float64Array, confidence: number): Interval {
  const ascending = values.sort()
  return {
    estimate,
    lower: quantile(ascending, (1 - confidence) / 2),
    upper: quantile(ascending, (1 + confidence) / 2),
  }
}

/** For many comparisons: which samples are drawn is decided once for all sets of one size. */
export function mediansComparer({
  confidence = 0.95,
  resamples = resamplesFor(confidence),
  seed = 1,
}: BootstrapOptions): typeof compareMedians {
  const drawsOfA = drawOncePerSize(resamples, seededRandom(seed))
  const drawsOfB = drawOncePerSize(resamples, seededRandom(~seed))
  return (a, b) => {
    const [sortedA, sortedB] = [sorted(a), sorted(b)]
    const [before, after] = [quantile(sortedA, 0.5), quantile(sortedB, 0.5)]
    const ones = drawsOfA(a.length).map((place) => medianAt(sortedA, place))
    const others = drawsOfB(b.length).map((place) => medianAt(sortedB, place))
    const of = (value: (one: number, other: number) => number): Float64Array =>
      ones.map((one, index) => value(one, others[index] ?? NaN))
    const hasRatio = before > 0 && ones.every((one) => one > 0)
    return {
      difference: percentileInterval(
        after - before,
        of((one, other) => other - one),
        confidence,
      ),
      ratio: hasRatio
        ? percentileInterval(
            after / before,
            of((one, other) => other / one),
            confidence,
          )
        : undefined,
    }
  }
}

/**
 * The median of one set of samples, as of the ratios of pairs. With fewer than 6 no such interval can hold the true median
 * in 95 of 100 cases, however it is made: all samples lie on one side of it once in 2^(n - 1). See `surestFor`.
 * @returns for many sets: which samples are drawn is decided once for all of one size
 */
export function medianIntervals({
  confidence = 0.95,
  resamples = resamplesFor(confidence),
  seed = 1,
}: BootstrapOptions = {}): (samples: readonly number[]) => Interval {
  const draws = drawOncePerSize(resamples, seededRandom(seed))
  return (samples) => {
    const ascending = sorted(samples)
    const medians = draws(samples.length).map((place) => medianAt(ascending, place))
    return percentileInterval(quantile(ascending, 0.5), medians, confidence)
  }
}

/** The share of cases in which the median of a distribution lies between the least and the greatest of n samples. */
export const surestFor = (n: number): number => Math.max(0, 1 - 2 ** (1 - n))

function drawOncePerSize(resamples: number, random: Random): (size: number) => Float64Array {
  const drawn = new Map<number, Float64Array>()
  return (size) => {
    const known = drawn.get(size)
    if (known) return known
    const places = Float64Array.from({ length: resamples }, () => drawMedianPlace(size, random))
    drawn.set(size, places)
    return places
  }
}

/**
 * Where in n sorted samples the median of a resample lies, as many drawn from them with replacement: between two
 * places, which may be the same, as `low * n + high`. Without drawing them all: a sample drawn is the one at place n·U, for U
 * uniform, and the k-th smallest of n such U has the Beta distribution of k and n + 1 - k (David and Nagaraja, Order
 * Statistics, 2003, chapter 2), so that one draw gives what n draws and a sort would.
 */
export function drawMedianPlace(n: number, random: Random): number {
  const placeOf = (share: number): number => Math.min(n - 1, Math.floor(share * n))
  const rank = Math.ceil(n / 2)
  const low = beta(rank, n + 1 - rank, random)
  if (n % 2 === 1) return placeOf(low) * n + placeOf(low)
  // Given the k-th smallest, the next is the smallest of the n - k that lie above it.
  const high = 1 - (1 - low) * (1 - random.next()) ** (1 / (n - rank))
  return placeOf(low) * n + placeOf(high)
}

/** @param place as drawMedianPlace gives it */
export function medianAt(ascending: readonly number[], place: number): number {
  const n = ascending.length
  return ((ascending[Math.floor(place / n)] ?? NaN) + (ascending[place % n] ?? NaN)) / 2
}

function beta(one: number, other: number, random: Random): number {
  const [x, y] = [gamma(one, random), gamma(other, random)]
  return x / (x + y)
}

/** Marsaglia and Tsang, A simple method for generating gamma variables (2000). @param shape from 1 */
function gamma(shape: number, random: Random): number {
  const d = shape - 1 / 3
  const c = 1 / Math.sqrt(9 * d)
  for (;;) {
    const x = normal(random)
    const v = (1 + c * x) ** 3
    if (v > 0 && Math.log(1 - random.next()) < (x * x) / 2 + d - d * v + d * Math.log(v)) return d * v
  }
}

/** Box and Muller (1958). */
const normal = (random: Random): number =>
  Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
