/** Log lines, read from Elasticsearch by `trace_id`, as Kibana would. */
import { z } from 'zod'
import { elasticsearchHeaders } from './elasticsearch-credentials.ts'
import type { ReadLimits } from './read-json.ts'
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
export const logsOfTrace = (
  elasticsearchUrl: string,
  traceId: string,
  limits?: ReadLimits,
): Promise<LogLine[]> =>
  // Kibana's KQL `trace_id : "<id>"` becomes this query.
  searchLogs(elasticsearchUrl, { query: { term: { trace_id: traceId } }, ...oldestFirst }, limits)

/**
 * The log lines of one checkout, whatever trace they are in, the oldest first.
 * @throws BackendUnavailable
 */
export const logsOfSaga = (
  elasticsearchUrl: string,
  sagaId: string,
  limits?: ReadLimits,
): Promise<LogLine[]> =>
  searchLogs(elasticsearchUrl, { query: { term: { 'attributes.saga.id': sagaId } }, ...oldestFirst }, limits)

/**
 * The access log's lines of the requests that became checkouts, at any gateway, the latest first.
 * @throws BackendUnavailable
 */
export const acceptedRequests = (
  elasticsearchUrl: string,
  size: number,
  limits?: ReadLimits,
): Promise<LogLine[]> => {
  const accepted = {
    'attributes.event.name': 'http.request',
    'attributes.http.route': '/checkouts',
    'attributes.http.response.status_code': 202,
  }
  const filter = Object.entries(accepted).map(([field, value]) => ({ term: { [field]: value } }))
  const search = { query: { bool: { filter } }, size, sort: [{ '@timestamp': 'desc' }] }
  return searchLogs(elasticsearchUrl, search, limits)
}

const oldestFirst = { size: 1_000, sort: [{ '@timestamp': 'asc' }] }

async function searchLogs(elasticsearchUrl: string, search: object, limits?: ReadLimits): Promise<LogLine[]> {
  const url = new URL('/sagascope-logs*/_search', elasticsearchUrl)
  const body = await readJson('Elasticsearch', url, search, elasticsearchHeaders(), limits)
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
