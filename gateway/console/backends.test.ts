import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { BackendUnavailable } from '../../shared/backends/read-json.ts'
import type { ConsoleBackends } from './backends.ts'
import { connectBackends } from './backends.ts'
import { chartNames, chartRanges, charts, rangeSettings } from './charts.ts'

/** What was asked of the three, which are one server here, and what they answer. */
describe('the backends of the console', () => {
  let server: Server
  let backends: ConsoleBackends
  let asked: { readonly url: URL; readonly body: string }[]
  let answer: (url: URL) => unknown

  beforeEach(async () => {
    asked = []
    server = createServer((request, response) => {
      void text(request).then((body) => {
        const url = new URL(request.url ?? '', 'http://backend')
        asked.push({ url, body })
        response.end(JSON.stringify(answer(url)))
      })
    }).listen(0, '127.0.0.1')
    await once(server, 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    backends = connectBackends({ jaegerUrl: url, elasticsearchUrl: url, prometheusUrl: url })
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  const hit = (sagaId: unknown) => ({
    _source: {
      '@timestamp': '2026-11-23T10:00:00.000Z',
      resource: { attributes: { 'service.name': 'gateway' } },
      attributes: { 'saga.id': sagaId },
    },
  })

  it('finds the checkouts that were accepted in the access log, each once, the latest first', async () => {
    answer = () => ({ hits: { hits: [hit('c3'), hit('c2'), hit('c3'), hit(undefined), hit('c1')] } })
    deepEqual(await backends.acceptedCheckouts(3), ['c3', 'c2', 'c1'])
    const search = JSON.parse(asked[0]?.body ?? '') as { size: number; sort: unknown; query: unknown }
    equal(search.size, 6)
    deepEqual(search.sort, [{ '@timestamp': 'desc' }])
    match(JSON.stringify(search.query), /"attributes.http.response.status_code":202/)
  })

  it('has no spans of a trace that Jaeger does not have', async () => {
    answer = () => ({ result: { resourceSpans: [] } })
    deepEqual(await backends.spansOfTrace('a'.repeat(32)), [])
    equal(asked[0]?.url.pathname, `/api/v3/traces/${'a'.repeat(32)}`)
  })

  it('takes a span that the Collector had to send again for one', async () => {
    const [traceId, spanId] = ['a'.repeat(32), 'b'.repeat(16)]
    const span = { traceId, spanId, name: 'x', startTimeUnixNano: '1000', endTimeUnixNano: '2000' }
    const batch = {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'users' } }] },
      scopeSpans: [{ spans: [span] }],
    }
    answer = () => ({ result: { resourceSpans: [batch, batch] } })
    deepEqual(
      (await backends.spansOfTrace(traceId)).map((each) => [each.service, each.spanId]),
      [['users', spanId]],
    )
  })

  it('draws every chart over every range with one value for each moment, and none where there is none', async () => {
    answer = ({ searchParams }) => {
      const start = Number(searchParams.get('start'))
      const step = Number(searchParams.get('step'))
      const values = [
        [start, '1.5'],
        [start + step, 'NaN'],
        [start + 3 * step, '+Inf'],
      ]
      return { data: { result: [{ metric: {}, values }] } }
    }
    for (const name of chartNames) {
      for (const range of chartRanges) {
        const { times, series } = await backends.chart(name, range)
        const { seconds, stepSeconds } = rangeSettings[range]
        equal((times.at(-1) ?? 0) - (times[0] ?? 0), seconds)
        equal((times[1] ?? 0) - (times[0] ?? 0), stepSeconds)
        ok(times.length <= 250, 'no more than a small chart can show')
        for (const { values } of series) {
          equal(values.length, times.length)
          deepEqual(values.slice(0, 4), [1.5, null, null, null])
        }
      }
    }
  })

  it('asks for nothing but the queries that there are', async () => {
    answer = () => ({ data: { result: [] } })
    const { series } = await backends.chart('failures', '1h')
    deepEqual(
      series.map(({ name }) => name),
      ['compensated', 'rejected', 'expired', 'dead letters'],
    )
    const queries = asked.map(({ url }) => url.searchParams.get('query'))
    deepEqual(
      queries.sort(),
      Object.values(charts.failures.series)
        .map((query) => query(rangeSettings['1h'].windowMinutes))
        .sort(),
    )
  })

  it('fails when a backend is away', async () => {
    const away = connectBackends({
      jaegerUrl: 'http://127.0.0.1:9',
      elasticsearchUrl: 'http://127.0.0.1:9',
      prometheusUrl: 'http://127.0.0.1:9',
    })
    await rejects(away.spansOfTrace('a'.repeat(32)), BackendUnavailable)
    await rejects(away.logsOfCheckout('c1'), BackendUnavailable)
    await rejects(away.chart('rate', '15m'), BackendUnavailable)
  })
})
