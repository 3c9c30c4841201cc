import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomBytes, randomUUID } from 'node:crypto'
import type { Stack } from '../native/open-stack.ts'
import { logsOfTrace } from '../../shared/backends/elasticsearch.ts'
import { eventually } from '../verify/eventually.ts'
import { fetchTrace } from '../../shared/backends/jaeger.ts'
import { query } from '../../shared/backends/prometheus.ts'
import { stackForTests } from '../verify/stack-for-tests.ts'

const email = 'ada.lovelace+42@mail.example.co.uk'
const token = 'tok_live_51Abc-9'
const masked = '****'

/** Sends OTLP straight to the Collector, as a service would that forgot what it must not write. */
describe('redaction in the Collector', function () {
  this.timeout(15 * 60_000) // the first time, the servers are built

  let stack: Stack
  before(async () => {
    stack = await stackForTests()
    await Promise.all(
      (['collector', 'jaeger', 'elasticsearch', 'prometheus'] as const).map((name) => stack.ready(name)),
    )
  })

  const traceId = randomBytes(16).toString('hex')
  const spanId = randomBytes(8).toString('hex')
  const sagaId = randomUUID()
  const eventId = `users/${sagaId}@1/0`
  const nowNanos = `${Date.now()}000000`
  const service = `careless-${spanId}`
  const resource = { attributes: [text('service.name', service)] }
  const leaky = `no user ${email} with ${token}`
  const harmless = {
    'saga.id': sagaId,
    'messaging.message.id': eventId,
    'url.path': `/checkouts/${sagaId}/events`,
    'server.address': 'gateway.example.com',
    'db.query.text': '{"_id":"?"}',
  }

  it('masks emails and tokens in the attributes, the events and the status of a span, and nothing else', async () => {
    const span = {
      traceId,
      spanId,
      name: 'process users',
      kind: 5,
      startTimeUnixNano: nowNanos,
      endTimeUnixNano: nowNanos,
      attributes: [
        ...Object.entries(harmless).map(([key, value]) => text(key, value)),
        text('enduser.email', email),
        text('url.query', `email=${encodeURIComponent('ada@example.com')}&token=${token}`),
        { key: 'all.emails', value: { arrayValue: { values: [{ stringValue: email }] } } },
      ],
      events: [{ name: 'exception', timeUnixNano: nowNanos, attributes: [text('exception.message', leaky)] }],
      status: { code: 2, message: leaky },
    }
    await send('traces', { resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] })

    const [found] = await eventually('the span in Jaeger', () => fetchTrace(stack.urls.jaegerUrl, traceId))
    ok(found)
    deepEqual([found.traceId, found.spanId, found.name], [traceId, spanId, 'process users'])
    const { attributes } = found
    for (const [key, value] of Object.entries(harmless)) equal(attributes[key], value)
    equal(attributes['enduser.email'], masked)
    equal(attributes['url.query'], `email=${masked}&token=${masked}`)
    equal(attributes['all.emails'], `["${masked}"]`)

    const answer = await fetch(new URL(`/api/v3/traces/${traceId}`, stack.urls.jaegerUrl))
    const raw = await answer.text()
    equal(raw.split(`no user ${masked} with ${masked}`).length - 1, 2, 'in the event and in the status')
    ok(!raw.includes(email) && !raw.includes(token), raw)
  })

  it('masks them in the body and the attributes of a log record, and nothing else', async () => {
    const record = {
      timeUnixNano: nowNanos,
      severityText: 'INFO',
      body: { stringValue: leaky },
      attributes: [...Object.entries(harmless).map(([key, value]) => text(key, value)), text('hint', leaky)],
      traceId,
      spanId,
    }
    await send('logs', { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [record] }] }] })

    const [line] = await eventually('the log record in Elasticsearch', async () => {
      const lines = await logsOfTrace(stack.urls.elasticsearchUrl, traceId)
      return lines.length > 0 ? lines : undefined
    })
    ok(line)
    deepEqual([line.traceId, line.spanId], [traceId, spanId])
    equal(line.message, `no user ${masked} with ${masked}`)
    deepEqual(line.attributes, { ...harmless, hint: `no user ${masked} with ${masked}` })
  })

  it('masks them in the labels of a metric', async () => {
    const dataPoint = { asInt: '1', timeUnixNano: nowNanos, attributes: [text('who', email)] }
    const metric = { name: `careless_${spanId}`, gauge: { dataPoints: [dataPoint] } }
    await send('metrics', { resourceMetrics: [{ resource, scopeMetrics: [{ metrics: [metric] }] }] })
    const [sample] = await eventually('the metric in Prometheus', async () => {
      const samples = await query(stack.urls.prometheusUrl, `careless_${spanId}`)
      return samples.length > 0 ? samples : undefined
    })
    equal(sample?.labels.who, masked)
  })

  async function send(signal: 'traces' | 'metrics' | 'logs', body: unknown): Promise<void> {
    const response = await fetch(`${stack.urls.otlpHttpUrl}/v1/${signal}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    equal(response.status, 200, await response.text())
  }
})

function text(key: string, value: string) {
  return { key, value: { stringValue: value } }
}
