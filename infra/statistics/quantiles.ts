/** Quantiles of samples, by linear interpolation between the closest ranks: type 7 of Hyndman and Fan (1996). */

export const sorted = (samples: readonly number[]): number[] => samples.toSorted((a, b) => a - b)

/**
 * @param ascending sorted samples
 * @param share 0.5 for the median, 0.95 for p95
 * @returns NaN of nothing
 */
export function quantile(ascending: ArrayLike<number>, share: number): number {
  const place = (ascending.length - 1) * share
  const [low = NaN, high = NaN] = [ascending[Math.floor(place)], ascending[Math.ceil(place)]]
  return low === high ? low : low + (high - low) * (place - Math.floor(place))
}

export const median = (samples: readonly number[]): number => quantile(sorted(samples), 0.5)

export const mean = (samples: readonly number[]): number =>
  samples.reduce((sum, sample) => sum + sample, 0) / samples.length
