/** Where a person finds a checkout: the APIs that were asked, and the user interfaces that there are. */
import type { Backends } from './checkout-report.ts'
import { exemplarsUrl } from '../../shared/backends/prometheus.ts'

/** Of those that are there; the natively built Jaeger and Prometheus have no pages. */
export interface UserInterfaces {
  readonly jaegerUiUrl?: string | undefined
  readonly kibanaUrl?: string | undefined
  readonly grafanaUrl?: string | undefined
}

export interface Followed {
  readonly checkoutId: string | undefined
  readonly traceIds: readonly string[]
  /** The span of time in which things happened, since the epoch. */
  readonly fromMillis: number
  readonly toMillis: number
}

export interface Link {
  readonly title: string
  readonly url: string
}

/** The histogram that the Collector makes of all spans; its exemplars name traces. */
export const exemplarSelector = 'traces_span_metrics_duration_seconds_bucket'

/** Whatever was exported a little late, or by a clock that is off. */
const marginMillis = 60_000

export const rangeSecondsOf = ({ fromMillis, toMillis }: Pick<Followed, 'fromMillis' | 'toMillis'>) =>
  [(fromMillis - marginMillis) / 1_000, (toMillis + marginMillis) / 1_000] as const

export function linksTo(followed: Followed, backends: Backends, pages: UserInterfaces = {}): Link[] {
  const { checkoutId, traceIds } = followed
  const { jaegerUiUrl, kibanaUrl, grafanaUrl } = pages
  const link = (title: string, base: string, path: string): Link => ({ title, url: below(base, path) })
  return [
    ...(checkoutId === undefined ? [] : [link('gateway', backends.gatewayUrl, `/checkouts/${checkoutId}`)]),
    ...traceIds.map((id) => link('Jaeger', backends.jaegerUrl, `/api/v3/traces/${id}`)),
    link('Elasticsearch', backends.elasticsearchUrl, searchPath(followed)),
    {
      title: 'Prometheus',
      url: exemplarsUrl(backends.prometheusUrl, exemplarSelector, ...rangeSecondsOf(followed)).href,
    },
    ...(jaegerUiUrl === undefined
      ? []
      : traceIds.map((id) => link('Jaeger, page', jaegerUiUrl, `/trace/${id}`))),
    ...(kibanaUrl === undefined ? [] : [link('Kibana', kibanaUrl, discoverPath(followed))]),
    ...(grafanaUrl === undefined ? [] : [link('Grafana', grafanaUrl, dashboardPath(followed))]),
  ]
}

/** A base URL may have a path, where a reverse proxy stands in front. */
const below = (base: string, path: string): string => `${base.replace(/\/+$/, '')}${path}`

const conditions = ({ checkoutId, traceIds }: Followed, is: string): string[] => [
  ...traceIds.map((id) => `trace_id${is}"${id}"`),
  ...(checkoutId === undefined ? [] : [`attributes.saga.id${is}"${checkoutId}"`]),
]

function searchPath(followed: Followed): string {
  const query = encodeURIComponent(conditions(followed, ':').join(' OR '))
  return `/sagascope-logs*/_search?q=${query}&sort=@timestamp&size=1000`
}

/** The id of the data view in infra/kibana/sagascope.ndjson. */
const dataView = 'sagascope-logs'

/** Kibana keeps the state of its pages in Rison, https://github.com/Nanonid/rison#readme */
function discoverPath(followed: Followed): string {
  const [from, to] = isoRangeOf(followed)
  const kql = conditions(followed, ' : ').join(' or ')
  const time = `(time:(from:'${from}',to:'${to}'))`
  const state = `(index:${dataView},query:(language:kuery,query:'${encodeURIComponent(kql)}'))`
  return `/app/discover#/?_g=${time}&_a=${state}`
}

/** Grafana's dashboard of the saga, at the time of the checkout. */
function dashboardPath(followed: Followed): string {
  const [from, to] = rangeSecondsOf(followed).map((seconds) => Math.round(seconds * 1_000))
  return `/d/sagascope-saga?from=${from ?? ''}&to=${to ?? ''}`
}

const isoRangeOf = (followed: Followed): string[] =>
  rangeSecondsOf(followed).map((seconds) => new Date(seconds * 1_000).toISOString())
