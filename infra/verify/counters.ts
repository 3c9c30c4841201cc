/** The saga's counters as Prometheus has them, and what moved between two readings. */
import { query } from '../../shared/backends/prometheus.ts'

const names = ['user_registered', 'order_processed', 'payment_processed', 'checkout_processed'] as const

/** What all of them are read with; names are as the Prometheus exporter writes counters. */
export const countersQuery = `sum by (__name__, outcome, instance) ({__name__=~"(${names.join('|')})_total"})`

/** `user_registered_total{outcome="new"}` to what each instance of the service has counted. */
export type Counters = ReadonlyMap<string, ReadonlyMap<string, number>>

export async function readCounters(prometheusUrl: string): Promise<Counters> {
  const counters = new Map<string, Map<string, number>>()
  for (const { labels, value } of await query(prometheusUrl, countersQuery)) {
    const series = `${labels.__name__ ?? ''}{outcome="${labels.outcome ?? ''}"}`
    const instances = counters.get(series) ?? new Map<string, number>()
    counters.set(series, instances.set(labels.instance ?? '', value))
  }
  return counters
}

export interface Movement {
  readonly series: string
  readonly before: number
  readonly after: number
}

/** What was counted between two readings. An instance that has stopped, and expires meanwhile, counts for nothing. */
export const movements = (before: Counters, after: Counters): Movement[] =>
  [...after]
    .map(([series, instances]) => {
      const earlier = [...instances.keys()].map((instance) => before.get(series)?.get(instance) ?? 0)
      return { series, before: sum(earlier), after: sum([...instances.values()]) }
    })
    .filter((movement) => movement.after !== movement.before)
    .sort((a, b) => a.series.localeCompare(b.series))

const sum = (values: readonly number[]): number => values.reduce((total, value) => total + value, 0)
