/** Metrics, read from Prometheus. */
import { z } from 'zod'
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
