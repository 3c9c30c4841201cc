/** What the console reads, from where it is kept: traces from Jaeger, log lines from Elasticsearch, numbers from Prometheus. */
import type { LogLine } from '../../shared/backends/elasticsearch.ts'
import { acceptedRequests, logsOfSaga, logsOfTrace } from '../../shared/backends/elasticsearch.ts'
import { fetchTrace } from '../../shared/backends/jaeger.ts'
import { queryRange } from '../../shared/backends/prometheus.ts'
import type { ReadLimits } from '../../shared/backends/read-json.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import type { Chart, ChartName, ChartRange } from './charts.ts'
import { charts, rangeSettings } from './charts.ts'

/** Each throws BackendUnavailable, or a ZodError for an answer that is none. */
export interface ConsoleBackends {
  /** Empty when Jaeger has none of it. */
  readonly spansOfTrace: (traceId: string) => Promise<readonly TraceSpan[]>
  /** The oldest first, as are those of a checkout. */
  readonly logsOfTrace: (traceId: string) => Promise<readonly LogLine[]>
  readonly logsOfCheckout: (checkoutId: string) => Promise<readonly LogLine[]>
  /** The ids of checkouts that any gateway accepted, the latest first. */
  readonly acceptedCheckouts: (limit: number) => Promise<readonly string[]>
  readonly chart: (name: ChartName, range: ChartRange) => Promise<Chart>
}

export interface BackendUrls {
  readonly jaegerUrl: string
  readonly elasticsearchUrl: string
  readonly prometheusUrl: string
}

/** A person waits, and a page is to show it. */
const limits: ReadLimits = { timeoutMillis: 5_000, answerBytes: 8 * 1_048_576 }

/** A request that came again with its Idempotency-Key has a line of its own. */
const linesPerCheckout = 2

export function connectBackends({
  jaegerUrl,
  elasticsearchUrl,
  prometheusUrl,
}: BackendUrls): ConsoleBackends {
  return {
    spansOfTrace: async (traceId) => (await fetchTrace(jaegerUrl, traceId, limits)) ?? [],
    logsOfTrace: (traceId) => logsOfTrace(elasticsearchUrl, traceId, limits),
    logsOfCheckout: (checkoutId) => logsOfSaga(elasticsearchUrl, checkoutId, limits),
    acceptedCheckouts: async (limit) => {
      const lines = await acceptedRequests(elasticsearchUrl, limit * linesPerCheckout, limits)
      const ids = lines.map(({ attributes }) => attributes['saga.id']).filter((id) => typeof id === 'string')
      return [...new Set(ids)].slice(0, limit)
    },
    chart: (name, range) => readChart(prometheusUrl, name, range),
  }
}

async function readChart(prometheusUrl: string, name: ChartName, range: ChartRange): Promise<Chart> {
  const { unit, series } = charts[name]
  const { seconds, stepSeconds, windowMinutes } = rangeSettings[range]
  // On whole steps, so that the same moments are asked for again and the curves do not shiver.
  const toSeconds = Math.floor(Date.now() / 1_000 / stepSeconds) * stepSeconds
  const asked = { fromSeconds: toSeconds - seconds, toSeconds, stepSeconds }
  const times = Array.from(
    { length: seconds / stepSeconds + 1 },
    (_, step) => asked.fromSeconds + step * stepSeconds,
  )
  const read = await Promise.all(
    Object.entries(series).map(async ([title, query]) => {
      const [found] = await queryRange(prometheusUrl, query(windowMinutes), asked, limits)
      return { name: title, values: times.map((time) => finite(found?.values.get(time))) }
    }),
  )
  return { unit, times, series: read }
}

/** A quantile of nothing is no number. */
const finite = (value = Number.NaN): number | null => (Number.isFinite(value) ? value : null)
