/**
 * What Kibana sends to Elasticsearch for a query in its language (KQL). Kibana's own translator is not published as
 * a package, so the part of it that Sagascope's queries need is written down here, after
 * src/platform/packages/shared/kbn-es-query (kuery/functions/is.ts and range.ts, es_query/build_es_query.ts) in
 * https://github.com/elastic/kibana.
 */
import { z } from 'zod'
import { readJson } from '../../shared/backends/read-json.ts'

/** Elasticsearch's types of each field, as Kibana learns them for a data view. */
export type FieldTypes = ReadonlyMap<string, readonly string[]>

const capabilities = z.object({ fields: z.record(z.string(), z.record(z.string(), z.unknown())) })

/**
 * The fields of a data view.
 * @throws BackendUnavailable
 */
export async function fieldTypes(elasticsearchUrl: string, dataView: string): Promise<FieldTypes> {
  const url = new URL(`/${dataView}/_field_caps?fields=*&ignore_unavailable=true`, elasticsearchUrl)
  const { fields } = capabilities.parse(await readJson('Elasticsearch', url))
  return new Map(Object.entries(fields).map(([name, types]) => [name, Object.keys(types)]))
}

const clause = /^(?<field>[\w.@]+)\s*(?<operator>:|>=|<=|>|<)\s*(?:"(?<quoted>[^"]*)"|(?<bare>[^\s"]+))$/
const rangeNames = { '>=': 'gte', '<=': 'lte', '>': 'gt', '<': 'lt' } as const

/**
 * `field : "phrase"`, `field : word`, `field : *` and `field >= 1`, one of them.
 * @throws Error for any other KQL
 */
export function kqlToDsl(kql: string, types: FieldTypes): object {
  const { field, operator, quoted, bare } = clause.exec(kql.trim())?.groups ?? {}
  if (field === undefined || operator === undefined) throw new Error(`not understood: ${kql}`)
  const value = quoted ?? bare ?? ''
  const isKeyword = types.get(field)?.every((type) => type === 'keyword') ?? false
  const one = (): object => {
    if (operator !== ':') return { range: { [field]: { [rangeNames[operator as '>=']]: value } } }
    if (bare === '*') return { exists: { field } }
    if (isKeyword) return { term: { [field]: { value } } }
    return quoted === undefined ? { match: { [field]: value } } : { match_phrase: { [field]: value } }
  }
  return { bool: { should: [one()], minimum_should_match: 1 } }
}

export interface TimeRange {
  readonly from: Date
  readonly to: Date
}

/** The body of a search as Discover sends it, for a data view whose time field is @timestamp. */
export const discoverSearch = (query: object, { from, to }: TimeRange, order: 'asc' | 'desc'): object => ({
  track_total_hits: true,
  size: 500,
  sort: [
    {
      '@timestamp': { order, format: 'strict_date_optional_time_nanos', numeric_type: 'date_nanos' },
    },
    { _doc: order },
  ],
  fields: [
    { field: '*', include_unmapped: true },
    { field: '@timestamp', format: 'strict_date_optional_time_nanos' },
  ],
  _source: false,
  query: {
    bool: {
      must: [],
      filter: [
        query,
        {
          range: {
            '@timestamp': {
              format: 'strict_date_optional_time',
              gte: from.toISOString(),
              lte: to.toISOString(),
            },
          },
        },
      ],
      should: [],
      must_not: [],
    },
  },
})

const hits = z.object({
  hits: z.object({
    total: z.object({ value: z.number() }),
    hits: z.array(z.object({ fields: z.record(z.string(), z.array(z.unknown())) })),
  }),
})

/** A line as Discover shows it: the first value of each of its fields. */
export type Row = Readonly<Record<string, unknown>>

/**
 * Searches a data view as Discover would, over the last 15 minutes, which is where it begins.
 * @throws BackendUnavailable
 */
export async function discover(
  elasticsearchUrl: string,
  dataView: string,
  kql: string,
  order: 'asc' | 'desc' = 'desc',
): Promise<Row[]> {
  const now = Date.now()
  const range = { from: new Date(now - 15 * 60_000), to: new Date(now) }
  const query = kqlToDsl(kql, await fieldTypes(elasticsearchUrl, dataView))
  const url = new URL(`/${dataView}/_search`, elasticsearchUrl)
  const answer = hits.parse(await readJson('Elasticsearch', url, discoverSearch(query, range, order)))
  return answer.hits.hits.map(({ fields }) =>
    Object.fromEntries(Object.entries(fields).map(([name, [value]]) => [name, value])),
  )
}
