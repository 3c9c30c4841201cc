import { deepEqual, equal, ok } from 'node:assert/strict'
import { linksTo } from './follow-links.ts'

const backends = {
  gatewayUrl: 'http://gateway:8080',
  jaegerUrl: 'http://jaeger:16686',
  elasticsearchUrl: 'http://elasticsearch:9200',
  prometheusUrl: 'http://prometheus:9090',
}
const traceId = 'a'.repeat(32)
const at = Date.parse('2026-11-23T12:00:00Z')
const followed = { checkoutId: 'c1', traceIds: [traceId], fromMillis: at, toMillis: at + 1_000 }

describe('the links of a checkout', () => {
  it('lead to the APIs that were asked', () => {
    const links = linksTo(followed, backends)
    deepEqual(
      links.map(({ title }) => title),
      ['gateway', 'Jaeger', 'Elasticsearch', 'Prometheus'],
    )
    equal(links[0]?.url, 'http://gateway:8080/checkouts/c1')
    equal(links[1]?.url, `http://jaeger:16686/api/v3/traces/${traceId}`)
    const search = new URL(links[2]?.url ?? '').searchParams.get('q')
    equal(search, `trace_id:"${traceId}" OR attributes.saga.id:"c1"`)
  })

  it('lead to the pages that there are, below their path', () => {
    const pages = {
      jaegerUiUrl: 'http://ui/jaeger/',
      kibanaUrl: 'http://ui/kibana',
      grafanaUrl: 'http://ui/grafana',
    }
    const [jaeger, kibana, grafana] = linksTo(followed, backends, pages).slice(4)
    equal(jaeger?.url, `http://ui/jaeger/trace/${traceId}`)
    ok(kibana?.url.startsWith('http://ui/kibana/app/discover#/?_g='), kibana?.url)
    const state = decodeURIComponent(kibana?.url ?? '')
    ok(
      state.includes(
        `(index:sagascope-logs,query:(language:kuery,query:'trace_id : "${traceId}" or attributes.saga.id : "c1"'`,
      ),
      state,
    )
    ok(state.includes(`from:'2026-11-23T11:59:00.000Z',to:'2026-11-23T12:01:01.000Z'`), state)
    equal(grafana?.url, `http://ui/grafana/d/sagascope-saga?from=${at - 60_000}&to=${at + 61_000}`)
  })

  it('lead to each of several traces, and to no checkout where there is none', () => {
    const links = linksTo(
      { ...followed, checkoutId: undefined, traceIds: [traceId, 'b'.repeat(32)] },
      backends,
    )
    deepEqual(
      links.map(({ title }) => title),
      ['Jaeger', 'Jaeger', 'Elasticsearch', 'Prometheus'],
    )
  })
})
