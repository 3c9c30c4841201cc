/**
 * As in helm/helmfile.yaml.gotmpl's environment `production`, on one machine: an agent on each of two nodes, and behind
 * them two Collectors with tail sampling. What these keep goes to a file each.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDirectory } from '../native/cache-directory.ts'
import type { ChildProcess } from '../native/child-process.ts'
import { startProcess } from '../native/child-process.ts'
import type { Recipe } from '../native/install.ts'
import { install } from '../native/install.ts'
import { pickHealthPorts } from '../native/ports.ts'
import { collectorAgent, recipes } from '../native/recipes.ts'
import { eventually } from '../verify/eventually.ts'

const repository = join(import.meta.dirname, '..', '..')
const local = (port: number): string => `127.0.0.1:${port}`
const compiling = 15 * 60_000

interface Running {
  readonly process: ChildProcess
  readonly otlpGrpc: number
  readonly otlpUrl: string
  readonly metricsUrl: string
}

interface SentSpan {
  readonly traceId: string
  readonly failed: boolean
}

interface KeptSpan {
  readonly traceId: string
  readonly name: string
}

describe('Collectors behind an agent on each node', function () {
  this.timeout(compiling) // the first time, both kinds of Collector are compiled

  let folder: string
  let agents: readonly [Running, Running]
  let collectors: readonly [Running, Running]
  const started: ChildProcess[] = []

  async function start(name: string, recipe: Recipe, configuration: readonly string[]): Promise<Running> {
    const signal = AbortSignal.timeout(compiling)
    const installation = await install(recipe, cacheDirectory(process.env), { signal })
    const ports = await pickHealthPorts(['otlpGrpc', 'otlpHttp', 'metrics', 'ownMetrics', 'health'])
    const child = startProcess({
      command: join(installation, recipe.name),
      args: configuration.map((source) => `--config=${source}`),
      directory: folder,
      environment: {
        ...process.env,
        COLLECTOR_SAMPLING_WAIT: '2s',
        OTLP_GRPC_ENDPOINT: local(ports.otlpGrpc),
        OTLP_HTTP_ENDPOINT: local(ports.otlpHttp),
        PROMETHEUS_EXPORTER_ENDPOINT: local(ports.metrics),
        COLLECTOR_METRICS_HOST: '127.0.0.1',
        COLLECTOR_METRICS_PORT: String(ports.ownMetrics),
        COLLECTOR_HEALTH_ENDPOINT: local(ports.health),
      },
      logFile: join(folder, `${name}.log`),
    })
    started.push(child)
    await eventually(name, async () => (await fetch(`http://${local(ports.health)}/`)).ok || undefined)
    return {
      process: child,
      otlpGrpc: ports.otlpGrpc,
      otlpUrl: `http://${local(ports.otlpHttp)}`,
      metricsUrl: `http://${local(ports.metrics)}/metrics`,
    }
  }

  const keptFile = (index: number): string => join(folder, `kept-${index}.json`)

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sagascope-agents-'))
    const startCollector = (index: number) =>
      start(`collector-${index}`, recipes.collector, [
        `file:${join(repository, 'infra/collector/collector.yaml')}`,
        `file:${join(repository, 'infra/collector/overlays/tail-sampling.yaml')}`,
        `yaml:exporters::file::path: ${keptFile(index)}`,
        'yaml:service::pipelines::traces::exporters: [file]',
      ])
    collectors = [await startCollector(0), await startCollector(1)]
    // Kubernetes' DNS has a name for all of them; here is none, so they are listed.
    const hostnames = JSON.stringify(collectors.map(({ otlpGrpc }) => local(otlpGrpc)))
    const listed = ['traces', 'metrics', 'logs'].map(
      (signal) =>
        `yaml:exporters::loadbalancing/${signal}::resolver: { dns: null, static: { hostnames: ${hostnames} } }`,
    )
    const startAgent = (name: string) =>
      start(name, collectorAgent, [`file:${join(import.meta.dirname, 'collector-agent.yaml')}`, ...listed])
    agents = [await startAgent('agent-a'), await startAgent('agent-b')]
  })
  after(async () => {
    await Promise.all(started.map((child) => child.stop(10_000)))
    await rm(folder, { recursive: true, force: true })
  })

  async function send(agent: Running, path: string, body: object): Promise<void> {
    const headers = { 'content-type': 'application/json' }
    const response = await fetch(`${agent.otlpUrl}${path}`, {
      method: 'POST',
      headers,
      body: JSON.stringify(body),
    })
    equal(response.status, 200)
  }

  const resourceOf = (service: string, instance = '1') => ({
    attributes: [
      { key: 'service.name', value: { stringValue: service } },
      { key: 'service.instance.id', value: { stringValue: instance } },
    ],
  })

  const sendSpans = (agent: Running, service: string, spans: readonly SentSpan[]) =>
    send(agent, '/v1/traces', {
      resourceSpans: [
        {
          resource: resourceOf(service),
          scopeSpans: [
            {
              spans: spans.map(({ traceId, failed }) => ({
                traceId,
                spanId: randomBytes(8).toString('hex'),
                name: service,
                kind: 5,
                startTimeUnixNano: `${Date.now() - 5}000000`,
                endTimeUnixNano: `${Date.now()}000000`,
                status: failed ? { code: 2 } : {},
              })),
            },
          ],
        },
      ],
    })

  async function keptBy(index: number): Promise<KeptSpan[]> {
    const file = keptFile(index)
    const text = existsSync(file) ? await readFile(file, 'utf8') : ''
    return text
      .split('\n')
      .filter((line) => line.endsWith('}'))
      .flatMap((line) => {
        const { resourceSpans } = JSON.parse(line) as {
          resourceSpans: readonly { scopeSpans: readonly { spans: readonly KeptSpan[] }[] }[]
        }
        return resourceSpans.flatMap(({ scopeSpans }) => scopeSpans.flatMap(({ spans }) => spans))
      })
  }

  it('keep or drop a trace whole, although its spans come from two nodes and one of them failed', async () => {
    const traces = Array.from({ length: 120 }, (_, index) => ({
      traceId: randomBytes(16).toString('hex'),
      failed: index < 40,
    }))
    // Each service on its own node: the failure is known to one agent, and never to the other.
    const ordered = traces.map(({ traceId }) => ({ traceId, failed: false }))
    await Promise.all([sendSpans(agents[0], 'orders', ordered), sendSpans(agents[1], 'payments', traces)])

    const failed = traces.filter((trace) => trace.failed).map(({ traceId }) => traceId)
    const [first, second] = await eventually('every failed trace', async () => {
      const kept = [await keptBy(0), await keptBy(1)] as const
      const whole = failed.filter(
        (traceId) => kept.flat().filter((span) => span.traceId === traceId).length === 2,
      )
      return whole.length === failed.length ? kept : undefined
    })

    const ids = [first, second].map((spans) => new Set(spans.map(({ traceId }) => traceId)))
    for (const [index, spans] of [first, second].entries()) {
      ok(failed.filter((traceId) => ids[index]?.has(traceId)).length > 5, `Collector ${index} has its share`)
      for (const traceId of ids[index] ?? []) {
        const names = spans.filter((span) => span.traceId === traceId).map(({ name }) => name)
        deepEqual(names.sort(), ['orders', 'payments'], traceId)
        equal(ids[1 - index]?.has(traceId), false, `${traceId} is in both`)
      }
    }
    const others = (ids[0]?.size ?? 0) + (ids[1]?.size ?? 0) - failed.length
    ok(others < 40, `${others} of the 80 that were well are kept`)
  })

  it("have an instance's metrics in one of them, whichever agent they come by", async () => {
    const instances = Array.from({ length: 24 }, (_, index) => `instance-${index}`)
    const sendCounts = (agent: Running, count: number) =>
      send(agent, '/v1/metrics', {
        resourceMetrics: instances.map((instance) => ({
          resource: resourceOf('users', instance),
          scopeMetrics: [
            {
              metrics: [
                {
                  name: 'user_registered',
                  sum: {
                    aggregationTemporality: 2,
                    isMonotonic: true,
                    dataPoints: [{ asInt: String(count), timeUnixNano: `${Date.now()}000000` }],
                  },
                },
              ],
            },
          ],
        })),
      })
    /** Which instances each Collector has heard of, once one of the two has each instance's count. */
    const instancesOnceCounted = (count: number) =>
      eventually(`the count ${count} of all instances`, async () => {
        const texts = await Promise.all(
          collectors.map(async ({ metricsUrl }) => (await fetch(metricsUrl)).text()),
        )
        const having = (value: string) =>
          texts.map((text) =>
            instances.filter((instance) =>
              new RegExp(`^user_registered_total\\{[^}]*instance="${instance}"[^}]*\\} ${value}`, 'm').test(
                text,
              ),
            ),
          )
        return having(String(count)).flat().length >= instances.length ? having('') : undefined
      })

    await sendCounts(agents[0], 1)
    const byOne = await instancesOnceCounted(1)
    for (const [index, known] of byOne.entries()) ok(known.length > 0, `Collector ${index} has its share`)
    deepEqual(byOne.flat().sort(), instances.toSorted())
    await sendCounts(agents[1], 2)
    deepEqual(await instancesOnceCounted(2), byOne)
  })
})
