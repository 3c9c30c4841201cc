/** Log lines, read from Elasticsearch by `trace_id`, as Kibana would. */
import { z } from 'zod'
import { elasticsearchHeaders } from '../elasticsearch/credentials.ts'
import { readJson } from './read-json.ts'

export interface LogLine {
  readonly time: string
  readonly severity: string
  readonly service: string
  readonly message: string
  readonly traceId: string
  readonly spanId: string
  readonly attributes: Readonly<Record<string, unknown>>
}

const flat = z.record(z.string(), z.unknown()).default({})
const answer = z.object({
  hits: z.object({
    hits: z.array(
      z.object({
        _source: z.object({
          '@timestamp': z.string(),
          severity_text: z.string().default(''),
          trace_id: z.string().default(''),
          span_id: z.string().default(''),
          body: z.object({ text: z.string().default('') }).default({ text: '' }),
          attributes: flat,
          resource: z.object({ attributes: z.object({ 'service.name': z.string().default('unknown') }) }),
        }),
      }),
    ),
  }),
})

/**
 * The log lines of one trace, the oldest first.
 * @throws BackendUnavailable
 */
export const logsOfTrace = (elasticsearchUrl: string, traceId: string): Promise<LogLine[]> =>
  // Kibana's KQL `trace_id : "<id>"` becomes this query.
  searchLogs(elasticsearchUrl, { term: { trace_id: traceId } })

/**
 * The log lines of one checkout, whatever trace they are in, the oldest first.
 * @throws BackendUnavailable
 */
export const logsOfSaga = (elasticsearchUrl: string, sagaId: string): Promise<LogLine[]> =>
  searchLogs(elasticsearchUrl, { term: { 'attributes.saga.id': sagaId } })

async function searchLogs(elasticsearchUrl: string, query: object): Promise<LogLine[]> {
  const url = new URL('/sagascope-logs*/_search', elasticsearchUrl)
  const search = { query, size: 1_000, sort: [{ '@timestamp': 'asc' }] }
  const body = await readJson('Elasticsearch', url, search, elasticsearchHeaders())
  if (body === undefined) return []
  return answer.parse(body).hits.hits.map(({ _source: line }) => ({
    time: line['@timestamp'],
    severity: line.severity_text,
    service: line.resource.attributes['service.name'],
    message: line.body.text,
    traceId: line.trace_id,
    spanId: line.span_id,
    attributes: line.attributes,
  }))
}
