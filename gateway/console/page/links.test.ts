import { deepEqual, equal, match } from 'node:assert/strict'
import { compareLinks, linksOf } from './links.ts'

const linked = { traceIds: ['a1', 'a2'], checkoutId: 'c1', fromMillis: 1_000_000, toMillis: 1_001_000 }

describe('links to the pages of the backends', () => {
  it('are shown for those pages that there are', () => {
    deepEqual(linksOf(linked, {}), [])
    deepEqual(linksOf(linked, { jaeger: 'http://jaeger/prefix/' }), [
      { title: 'Jaeger', url: 'http://jaeger/prefix/trace/a1' },
    ])
    deepEqual(linksOf({ ...linked, traceIds: [] }, { jaeger: 'http://jaeger' }), [])
  })

  it('search Kibana by trace and by checkout, at the time of the checkout', () => {
    const [kibana] = linksOf(linked, { kibana: 'http://kibana' })
    const url = decodeURIComponent(kibana?.url ?? '')
    match(
      url,
      /^http:\/\/kibana\/app\/discover#\/\?_g=\(time:\(from:'1970-01-01T00:15:40.000Z',to:'1970-01-01T00:17:41.000Z'\)\)/,
    )
    match(url, /query:'trace_id : "a1" or trace_id : "a2" or attributes.saga.id : "c1"'/)
  })

  it('open the dashboard at the time of the checkout, and two traces in comparison', () => {
    const [grafana] = linksOf(linked, { grafana: 'http://grafana' })
    equal(grafana?.url, 'http://grafana/d/sagascope-saga?from=940000&to=1061000')
    deepEqual(compareLinks('a', 'b', { jaeger: 'http://jaeger' }), [
      { title: 'Jaeger’s comparison', url: 'http://jaeger/trace/a...b' },
    ])
    deepEqual(compareLinks('a', undefined, { jaeger: 'http://jaeger' }), [])
  })
})
