/** Metrics, read from Prometheus. */
import { z } from 'zod'
import type { ReadLimits } from './read-json.ts'
import { readJson } from './read-json.ts'

export interface Sample {
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const answer = z.object({
  data: z.object({
    result: z.array(
      z.object({ metric: z.record(z.string(), z.string()), value: z.tuple([z.number(), z.string()]) }),
    ),
  }),
})

/**
 * An instant query.
 * @throws BackendUnavailable
 */
export async function query(prometheusUrl: string, promql: string): Promise<Sample[]> {
  const url = new URL('/api/v1/query', prometheusUrl)
  url.searchParams.set('query', promql)
  const body = await readJson('Prometheus', url)
  if (body === undefined) return []
  return answer.parse(body).data.result.map(({ metric, value: [, value] }) => ({
    labels: metric,
    value: Number(value),
  }))
}

const rangeAnswer = z.object({
  data: z.object({
    result: z.array(
      z.object({
        metric: z.record(z.string(), z.string()),
        values: z.array(z.tuple([z.number(), z.string()])),
      }),
    ),
  }),
})

export interface TimeSeries {
  readonly labels: Readonly<Record<string, string>>
  /** By seconds since the epoch. */
  readonly values: ReadonlyMap<number, number>
}

export interface QueryRange {
  readonly fromSeconds: number
  readonly toSeconds: number
  readonly stepSeconds: number
}

/**
 * A query at each step from one time to another.
 * @throws BackendUnavailable
 */
export async function queryRange(
  prometheusUrl: string,
  promql: string,
  { fromSeconds, toSeconds, stepSeconds }: QueryRange,
  limits?: ReadLimits,
): Promise<TimeSeries[]> {
  const url = new URL('/api/v1/query_range', prometheusUrl)
  url.searchParams.set('query', promql)
  url.searchParams.set('start', String(fromSeconds))
  url.searchParams.set('end', String(toSeconds))
  url.searchParams.set('step', String(stepSeconds))
  const body = await readJson('Prometheus', url, undefined, {}, limits)
  if (body === undefined) return []
  return rangeAnswer.parse(body).data.result.map(({ metric, values }) => ({
    labels: metric,
    values: new Map(values.map(([time, value]) => [time, Number(value)])),
  }))
}

/** One measurement that stands for a series, with the trace that it was made in. */
export interface Exemplar {
  /** Of the series: its name, its labels, and for a histogram the bucket's upper bound, `le`. */
  readonly series: Readonly<Record<string, string>>
  readonly traceId: string | undefined
  readonly spanId: string | undefined
  readonly value: number
  readonly timeSeconds: number
}

const exemplarAnswer = z.object({
  data: z.array(
    z.object({
      seriesLabels: z.record(z.string(), z.string()),
      exemplars: z.array(
        z.object({
          labels: z.record(z.string(), z.string()),
          value: z.string(),
          timestamp: z.number(),
        }),
      ),
    }),
  ),
})

/**
 * The exemplars of the series that a selector names. Prometheus keeps the latest only.
 * @throws BackendUnavailable
 */
export async function queryExemplars(
  prometheusUrl: string,
  selector: string,
  fromSeconds: number,
  toSeconds: number,
): Promise<Exemplar[]> {
  const url = exemplarsUrl(prometheusUrl, selector, fromSeconds, toSeconds)
  const body = await readJson('Prometheus', url)
  if (body === undefined) return []
  return exemplarAnswer.parse(body).data.flatMap(({ seriesLabels, exemplars }) =>
    exemplars.map(({ labels, value, timestamp }) => ({
      series: seriesLabels,
      traceId: labels.trace_id,
      spanId: labels.span_id,
      value: Number(value),
      timeSeconds: timestamp,
    })),
  )
}

/** https://prometheus.io/docs/prometheus/latest/querying/api/#querying-exemplars */
export function exemplarsUrl(
  prometheusUrl: string,
  selector: string,
  fromSeconds: number,
  toSeconds: number,
): URL {
  const url = new URL('/api/v1/query_exemplars', prometheusUrl)
  url.searchParams.set('query', selector)
  url.searchParams.set('start', String(fromSeconds))
  url.searchParams.set('end', String(toSeconds))
  return url
}
