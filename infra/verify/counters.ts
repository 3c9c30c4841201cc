/** The saga's counters as Prometheus has them, and what moved between two readings. */
import { query } from './prometheus.ts'

const names = ['user_registered', 'order_processed', 'payment_processed', 'checkout_processed'] as const

/** What all of them are read with; names are as the Prometheus exporter writes counters. */
export const countersQuery = `sum by (__name__, outcome) ({__name__=~"(${names.join('|')})_total"})`

/** `user_registered_total{outcome="new"}` to its value. */
export type Counters = ReadonlyMap<string, number>

export async function readCounters(prometheusUrl: string): Promise<Counters> {
  const samples = await query(prometheusUrl, countersQuery)
  return new Map(
    samples.map(({ labels, value }) => [
      `${labels.__name__ ?? ''}{outcome="${labels.outcome ?? ''}"}`,
      value,
    ]),
  )
}

export interface Movement {
  readonly series: string
  readonly before: number
  readonly after: number
}

export const movements = (before: Counters, after: Counters): Movement[] =>
  [...after]
    .map(([series, value]) => ({ series, before: before.get(series) ?? 0, after: value }))
    .filter((movement) => movement.after !== movement.before)
    .sort((a, b) => a.series.localeCompare(b.series))
