import { equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDirectory } from '../native/cache-directory.ts'
import type { ChildProcess } from '../native/child-process.ts'
import { startProcess } from '../native/child-process.ts'
import { install } from '../native/install.ts'
import { pickFreePorts, pickInternalPorts } from '../native/ports.ts'
import { recipes } from '../native/recipes.ts'
import { eventually } from '../verify/eventually.ts'

/** A Collector of its own, with the overlay; what it keeps goes to a file. */
describe('tail sampling in the Collector', function () {
  this.timeout(15 * 60_000) // the first time, the Collector is compiled

  let folder: string
  let collector: ChildProcess | undefined
  let otlpUrl: string
  let metricsUrl: string

  before(async () => {
    const signal = AbortSignal.timeout(15 * 60_000)
    const installation = await install(recipes.collector, cacheDirectory(process.env), { signal })
    folder = await mkdtemp(join(tmpdir(), 'sagascope-sampling-'))
    const ports = { ...(await pickFreePorts()), ...(await pickInternalPorts()) }
    const local = (port: number) => `127.0.0.1:${port}`
    collector = startProcess({
      command: join(installation, 'collector'),
      args: [
        `file:${join(import.meta.dirname, 'collector.yaml')}`,
        `file:${join(import.meta.dirname, 'overlays', 'tail-sampling.yaml')}`,
        `yaml:exporters::file::path: ${join(folder, 'kept.json')}`,
        'yaml:service::pipelines::traces::exporters: [file]',
        'yaml:connectors::span_metrics::metrics_flush_interval: 200ms',
      ].map((source) => `--config=${source}`),
      directory: folder,
      environment: {
        ...process.env,
        COLLECTOR_SAMPLING_WAIT: '1s',
        OTLP_GRPC_ENDPOINT: local(ports.otlpGrpc),
        OTLP_HTTP_ENDPOINT: local(ports.otlpHttp),
        PROMETHEUS_EXPORTER_ENDPOINT: local(ports.applicationMetrics),
        COLLECTOR_METRICS_HOST: '127.0.0.1',
        COLLECTOR_METRICS_PORT: String(ports.collectorMetrics),
        COLLECTOR_HEALTH_ENDPOINT: local(ports.collectorHealth),
      },
      logFile: join(folder, 'collector.log'),
    })
    otlpUrl = `http://${local(ports.otlpHttp)}/v1/traces`
    metricsUrl = `http://${local(ports.applicationMetrics)}/metrics`
    const healthUrl = `http://${local(ports.collectorHealth)}/`
    await eventually('the Collector', async () => (await fetch(healthUrl)).ok || undefined)
  })
  after(async () => {
    await collector?.stop(10_000)
    await rm(folder, { recursive: true, force: true })
  })

  const traceOf = ({ millis = 5, failed = false, outcome = 'completed' } = {}) => ({
    traceId: randomBytes(16).toString('hex'),
    spanId: randomBytes(8).toString('hex'),
    name: 'process orders',
    kind: 5,
    startTimeUnixNano: `${Date.now() - millis}000000`,
    endTimeUnixNano: `${Date.now()}000000`,
    attributes: [{ key: 'saga.outcome', value: { stringValue: outcome } }],
    status: failed ? { code: 2 } : {},
  })

  it('keeps what failed, was slow or was taken back, some of the rest, and counts everything', async () => {
    const failed = traceOf({ failed: true })
    const slow = traceOf({ millis: 3_000 })
    const takenBack = ['compensated', 'rejected'].map((outcome) => traceOf({ outcome }))
    const wanted = [failed, slow, ...takenBack]
    const others = Array.from({ length: 200 }, () => traceOf())
    const spans = [...wanted, ...others]
    const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'orders' } }] }
    const response = await fetch(otlpUrl, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans }] }] }),
    })
    equal(response.status, 200)

    const kept = await eventually('the traces that are kept', async () => {
      const text = await readFile(join(folder, 'kept.json'), 'utf8')
      return wanted.every(({ traceId }) => text.includes(traceId)) ? text : undefined
    })
    const keptOthers = others.filter(({ traceId }) => kept.includes(traceId)).length
    ok(keptOthers > 0 && keptOthers < 100, `${keptOthers} of ${others.length}`)

    const calls = await eventually('the metrics of all', async () => {
      const metrics = await (await fetch(metricsUrl)).text()
      const counted = [...metrics.matchAll(/^traces_span_metrics_calls_total\{.*\} (\d+)/gm)]
      const sum = counted.reduce((total, [, count]) => total + Number(count), 0)
      return sum > 0 ? sum : undefined // a counter begins at zero
    })
    equal(calls, spans.length)
  })
})
