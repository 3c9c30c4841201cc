/** Deep links into the pages of Jaeger, Kibana and Grafana, of those that there are. */
import type { PageUrls } from './api.ts'

export interface Link {
  readonly title: string
  readonly url: string
}

export interface Linked {
  readonly traceIds: readonly string[]
  readonly checkoutId: string | undefined
  /** Since the epoch. */
  readonly fromMillis: number
  readonly toMillis: number
}

/** Whatever was exported a little late, or by a clock that is off. */
const marginMillis = 60_000
/** The id of the data view in infra/kibana/sagascope.ndjson. */
const dataView = 'sagascope-logs'

const below = (base: string, path: string): string => `${base.replace(/\/+$/, '')}${path}`

export function linksOf({ traceIds, checkoutId, fromMillis, toMillis }: Linked, pages: PageUrls): Link[] {
  const [from, to] = [fromMillis - marginMillis, toMillis + marginMillis]
  const [traceId] = traceIds
  const conditions = [
    ...traceIds.map((id) => `trace_id : "${id}"`),
    ...(checkoutId === undefined ? [] : [`attributes.saga.id : "${checkoutId}"`]),
  ].join(' or ')
  // Kibana keeps the state of its pages in Rison, https://github.com/Nanonid/rison#readme
  const range = `(time:(from:'${new Date(from).toISOString()}',to:'${new Date(to).toISOString()}'))`
  const state = `(index:${dataView},query:(language:kuery,query:'${encodeURIComponent(conditions)}'))`
  return [
    ...(pages.jaeger && traceId ? [{ title: 'Jaeger', url: below(pages.jaeger, `/trace/${traceId}`) }] : []),
    ...(pages.kibana
      ? [{ title: 'Kibana', url: below(pages.kibana, `/app/discover#/?_g=${range}&_a=${state}`) }]
      : []),
    ...(pages.grafana
      ? [{ title: 'Grafana', url: below(pages.grafana, `/d/sagascope-saga?from=${from}&to=${to}`) }]
      : []),
  ]
}

/** Jaeger's own comparison. */
export const compareLinks = (a: string | undefined, b: string | undefined, pages: PageUrls): Link[] =>
  pages.jaeger && a && b
    ? [{ title: 'Jaeger’s comparison', url: below(pages.jaeger, `/trace/${a}...${b}`) }]
    : []
