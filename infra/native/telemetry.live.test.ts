import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { openStack, type Stack } from './open-stack.ts'
import { pickFreePorts } from './ports.ts'

/**
 * The way of a span, a metric and a log record through the real servers: in at the Collector by OTLP, out
 * at the API that people query.
 */
describe('the native stack', function () {
  this.timeout(15 * 60_000) // the first time, the servers are built

  let stack: Stack

  before(async () => {
    stack = await openStack({ ports: await pickFreePorts(), prometheus: { interval: '1s' } })
    await Promise.race([stack.allReady, rejectedBy(stack.failed)])
  })

  after(async () => {
    const { runDirectory } = stack
    await stack.down()
    deepEqual(processesWith(runDirectory), [])
    equal(existsSync(runDirectory), false)
  })

  const traceId = randomBytes(16).toString('hex')
  const spanId = randomBytes(8).toString('hex')
  const sagaId = randomBytes(8).toString('hex')
  const nowNanos = `${Date.now()}000000`
  const resource = {
    attributes: [text('service.name', 'probe'), text('service.instance.id', 'probe-1')],
  }
  const scope = { name: 'live-test' }

  it('answers who looks for log lines before there is one', async () => {
    const url = `${stack.urls.elasticsearchUrl}/sagascope-logs/_search`
    const { hits } = await getJson<{ hits: { hits: unknown[] } }>(url)
    deepEqual(hits.hits, [])
  })

  it('shows a span in Jaeger', async () => {
    await sendOtlp('traces', {
      resourceSpans: [
        {
          resource,
          scopeSpans: [
            {
              scope,
              spans: [
                {
                  traceId,
                  spanId,
                  name: 'process users',
                  kind: 5,
                  startTimeUnixNano: `${Date.now() - 250}000000`,
                  endTimeUnixNano: nowNanos,
                  attributes: [text('messaging.destination.name', 'users'), text('saga.id', sagaId)],
                },
              ],
            },
          ],
        },
      ],
    })
    await eventually('the span in Jaeger', async () => {
      const { data } = await getJson<{ data: { spans: { operationName: string }[] }[] }>(
        `${stack.urls.jaegerUrl}/api/traces/${traceId}`,
      )
      return data[0]?.spans[0]?.operationName === 'process users'
    })
  })

  it('makes rate and duration of the span, with its trace as exemplar', async () => {
    const series = 'traces_span_metrics_duration_seconds_bucket{service_name="probe"}'
    await eventually('span metrics in Prometheus', async () =>
      (await prometheusQuery(series)).some(
        ({ metric }) => metric.messaging_destination_name === 'users' && metric.job === 'probe',
      ),
    )
    await eventually('the exemplar in Prometheus', async () => {
      const { data } = await getJson<{ data: unknown }>(
        `${stack.urls.prometheusUrl}/api/v1/query_exemplars?query=${encodeURIComponent(series)}&start=${Date.now() / 1_000 - 600}&end=${Date.now() / 1_000 + 60}`,
      )
      return JSON.stringify(data).includes(traceId)
    })
  })

  it('shows a counter in Prometheus under its service', async () => {
    await sendOtlp('metrics', {
      resourceMetrics: [
        {
          resource,
          scopeMetrics: [
            {
              scope,
              metrics: [
                {
                  name: 'user_registered',
                  sum: {
                    aggregationTemporality: 2,
                    isMonotonic: true,
                    dataPoints: [
                      {
                        asInt: '3',
                        startTimeUnixNano: nowNanos,
                        timeUnixNano: nowNanos,
                        attributes: [text('outcome', 'registered')],
                      },
                    ],
                  },
                },
              ],
            },
          ],
        },
      ],
    })
    await eventually('the counter in Prometheus', async () => {
      const [found] = await prometheusQuery('user_registered_total{service_name="probe",job="probe"}')
      return found?.value[1] === '3' && found.metric.outcome === 'registered'
    })
  })

  it('finds a log record by its trace and by its saga', async () => {
    await sendOtlp('logs', {
      resourceLogs: [
        {
          resource,
          scopeLogs: [
            {
              scope,
              logRecords: [
                {
                  timeUnixNano: nowNanos,
                  severityText: 'INFO',
                  severityNumber: 9,
                  body: { stringValue: 'registered a user' },
                  attributes: [text('saga.id', sagaId)],
                  traceId,
                  spanId,
                },
                { observedTimeUnixNano: nowNanos, body: { stringValue: 'no trace, no time' } },
              ],
            },
          ],
        },
      ],
    })
    const byTrace = await eventually('the log record in Elasticsearch', () =>
      searchLogs(`trace_id:"${traceId}"`),
    )
    equal(byTrace.trace_id, traceId)
    equal(byTrace.span_id, spanId)
    equal(byTrace.severity_text, 'INFO')
    deepEqual(byTrace.body, { text: 'registered a user' })
    deepEqual(byTrace.attributes, { 'saga.id': sagaId })
    equal((byTrace.resource as { attributes: Record<string, string> }).attributes['service.name'], 'probe')
    ok(Math.abs(Date.parse(byTrace['@timestamp'] as string) - Number(nowNanos.slice(0, -6))) < 1_000)

    deepEqual(await searchLogs(`attributes.saga.id:"${sagaId}"`), byTrace)
    deepEqual(await searchLogs(`resource.attributes.service.name:probe AND body.text:registered`), byTrace)
    ok(await eventually('the log record without a trace', () => searchLogs('body.text:"no trace"')))
  })

  it('scrapes the platform itself', async () => {
    await eventually('all targets up', async () => {
      const up = await prometheusQuery('up')
      return up.length === 3 && up.every(({ value }) => value[1] === '1')
    })
  })

  it('starts a server that was killed again, on the same port', async () => {
    const jaeger = stack.server('jaeger')
    await jaeger.kill()
    equal(await jaeger.healthy(), false)
    await jaeger.up()
    equal(await jaeger.healthy(), true)
  })

  async function sendOtlp(signal: 'traces' | 'metrics' | 'logs', body: unknown): Promise<void> {
    const response = await fetch(`${stack.urls.otlpHttpUrl}/v1/${signal}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    equal(response.status, 200, await response.text())
  }

  async function prometheusQuery(query: string): Promise<Sample[]> {
    const url = `${stack.urls.prometheusUrl}/api/v1/query?query=${encodeURIComponent(query)}`
    const { data } = await getJson<{ data: { result: Sample[] } }>(url)
    return data.result
  }

  async function searchLogs(query: string): Promise<Record<string, unknown> | undefined> {
    const url = `${stack.urls.elasticsearchUrl}/sagascope-logs*/_search?q=${encodeURIComponent(query)}`
    const { hits } = await getJson<{ hits: { hits: { _source: Record<string, unknown> }[] } }>(url)
    return hits.hits[0]?._source
  }
})

interface Sample {
  metric: Record<string, string>
  value: [number, string]
}

function text(key: string, value: string) {
  return { key, value: { stringValue: value } }
}

async function getJson<Body>(url: string): Promise<Body> {
  const response = await fetch(url)
  ok(response.ok, `${url} answered ${response.status}`)
  return (await response.json()) as Body
}

async function rejectedBy(failed: Promise<Error>): Promise<never> {
  throw await failed
}

/** Asks until the answer is neither false nor undefined; an answer that throws counts as not yet. */
async function eventually<Value>(
  what: string,
  ask: () => Promise<Value | false | undefined>,
): Promise<Value> {
  const deadline = Date.now() + 30_000
  let lastError: unknown
  while (Date.now() < deadline) {
    try {
      const answer = await ask()
      if (answer !== false && answer !== undefined) return answer
    } catch (error) {
      lastError = error
    }
    await delay(100)
  }
  throw new Error(`not within 30 s: ${what}`, { cause: lastError })
}

/** The command lines of all processes that name the run directory. */
function processesWith(runDirectory: string): string[] {
  if (process.platform !== 'linux') return []
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map((pid) => {
      try {
        return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
      } catch {
        return ''
      }
    })
    .filter((command) => command.includes(runDirectory))
}
