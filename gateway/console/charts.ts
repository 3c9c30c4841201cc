/** The console's charts: fixed queries to Prometheus, chosen by name. */

export const chartNames = ['rate', 'duration', 'failures'] as const
export type ChartName = (typeof chartNames)[number]

export const chartRanges = ['15m', '1h', '6h'] as const
export type ChartRange = (typeof chartRanges)[number]

export interface Chart {
  readonly unit: 'a minute' | 'ms'
  /** Since the epoch, in seconds; each series has a value for each. */
  readonly times: readonly number[]
  readonly series: readonly { readonly name: string; readonly values: readonly (number | null)[] }[]
}

interface RangeSettings {
  readonly seconds: number
  readonly stepSeconds: number
  /** Over which is counted at each step; several scrapes long. */
  readonly windowMinutes: number
}

export const rangeSettings: Readonly<Record<ChartRange, RangeSettings>> = {
  '15m': { seconds: 900, stepSeconds: 5, windowMinutes: 1 },
  '1h': { seconds: 3_600, stepSeconds: 20, windowMinutes: 1 },
  '6h': { seconds: 21_600, stepSeconds: 120, windowMinutes: 5 },
}

/**
 * What a counter gained over the window, exact to the unit. `increase()` estimates, and misses the first count of a
 * new series: a single failure, which is what people try first, would not show. See infra/prometheus/rules.
 */
const gained = (counter: string, minutes: number): string => {
  const highest = `max_over_time(${counter}[${minutes}m])`
  return `(${highest} - (${counter} offset ${minutes}m or 0 * ${highest}))`
}

const aMinute = (counter: string) => (minutes: number) =>
  `(sum(${gained(counter, minutes)}) or vector(0)) / ${minutes}`

const checkouts = (outcome: string) => aMinute(`checkout_processed_total{outcome="${outcome}"}`)

const quantileMillis = (quantile: number) => (minutes: number) =>
  `1000 * histogram_quantile(${quantile}, sum by (le) (${gained('checkout_duration_seconds_bucket', minutes)}))`

interface ChartDefinition {
  readonly unit: Chart['unit']
  /** PromQL by the name of the series. */
  readonly series: Readonly<Record<string, (windowMinutes: number) => string>>
}

export const charts: Readonly<Record<ChartName, ChartDefinition>> = {
  rate: {
    unit: 'a minute',
    series: { requested: checkouts('requested'), completed: checkouts('completed') },
  },
  duration: { unit: 'ms', series: { p50: quantileMillis(0.5), p95: quantileMillis(0.95) } },
  failures: {
    unit: 'a minute',
    series: {
      compensated: checkouts('compensated'),
      rejected: checkouts('rejected'),
      expired: checkouts('expired'),
      'dead letters': aMinute('saga_dead_letters_total'),
    },
  },
}
