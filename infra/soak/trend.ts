/**
 * Whether a series grows, and how fast: the slope after Theil and Sen, with its confidence interval. It is the median
 * of the slopes between all pairs of points, so a third of them may lie anywhere, as memory's do after a garbage
 * collection or a burst. See Sen, Estimates of the regression coefficient based on Kendall's tau (1968), and, for
 * points in groups that are not compared with each other, Hirsch and Slack (1984).
 */

export interface Point {
  readonly seconds: number
  readonly value: number
  /** Points of different lives of a process are not compared: a new one begins small. */
  readonly life?: number
}

export interface Trend {
  /** A second. */
  readonly slope: number
  /** The slope lies between them with 95 % confidence, as far as the points are independent of each other. */
  readonly lower: number
  readonly upper: number
  readonly points: number
}

/** Of the standard normal distribution, for 95 % between both sides. */
const z = 1.96

/** @returns undefined with fewer than three points in any life: nothing can be said */
export function trendOf(points: readonly Point[]): Trend | undefined {
  const lives = [...Map.groupBy(points, ({ life = 0 }) => life).values()].filter(({ length }) => length >= 3)
  const slopes = lives.flatMap(pairwiseSlopes).sort((a, b) => a - b)
  if (slopes.length === 0) return undefined
  // Kendall's variance without ties, summed over the lives.
  const variance = lives.reduce((sum, { length: n }) => sum + (n * (n - 1) * (2 * n + 5)) / 18, 0)
  const spread = z * Math.sqrt(variance)
  const at = (place: number): number =>
    slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(place)))] ?? NaN
  return {
    slope: median(slopes),
    lower: at((slopes.length - spread) / 2 - 1),
    upper: at((slopes.length + spread) / 2),
    points: lives.reduce((sum, { length }) => sum + length, 0),
  }
}

function pairwiseSlopes(points: readonly Point[]): number[] {
  return points.flatMap((from, index) =>
    points
      .slice(index + 1)
      .filter(({ seconds }) => seconds !== from.seconds)
      .map((to) => (to.value - from.value) / (to.seconds - from.seconds)),
  )
}

function median(sorted: readonly number[]): number {
  const middle = sorted.length / 2
  const [low = NaN, high = NaN] = [sorted[Math.ceil(middle) - 1], sorted[Math.floor(middle)]]
  return (low + high) / 2
}

/** The lowest point of each window: of a heap that is measured at any time, what comes nearest to what is in use. */
export function lowestOfEach(windowSeconds: number, points: readonly Point[]): Point[] {
  const windows = Map.groupBy(
    points,
    ({ seconds, life = 0 }) => `${life}/${Math.floor(seconds / windowSeconds)}`,
  )
  return [...windows.values()].map((window) =>
    window.reduce((low, each) => (each.value < low.value ? each : low)),
  )
}
