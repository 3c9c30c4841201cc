/**
 * No telemetry failure fails, slows or grows a checkout: the services run on the real Kafka and store, and what
 * they take for the Collector is away, dies, freezes, is slow, or answers nonsense.
 *
 * That it slows nothing is a figure in the table that this prints, and no assertion: times drift with the machine.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { join } from 'node:path'
import type { FaultProxy } from '../chaos/fault-proxy.ts'
import { startFaultProxy } from '../chaos/fault-proxy.ts'
import { ServiceProcess } from '../chaos/service-process.ts'
import type { Stack } from '../native/open-stack.ts'
import { openStack } from '../native/open-stack.ts'
import { portHolder } from '../native/port-holder.ts'
import { pickFreePorts, pickHealthPorts } from '../native/ports.ts'
import type { ServiceName, Services } from '../native/services.ts'
import { prepareServices, serviceNames } from '../native/services.ts'
import { readProcessUsage } from '../soak/process-usage.ts'
import { openLoop } from '../../producers/load/open-loop.ts'
import type { CheckoutRequest } from './checkouts.ts'
import { fetchCheckout, postCheckout, sampleCheckout } from './checkouts.ts'
import { eventually } from './eventually.ts'

const drainBoundMillis = 20_000
const queueSize = 64

/** As many as leave more spans than the queues hold. */
const checkoutsPerCase = 40
const ratePerSecond = 20

const kinds: readonly [ends: string, Parameters<typeof sampleCheckout>[0]][] = [
  ['completed', { email: 'ada@people.example' }],
  ['compensated', { email: 'bob@people.example', token: 'tok_declined' }],
  ['completed', { email: 'cleo@people.example', token: 'tok_flaky' }],
  ['compensated', { email: 'dan@people.example', sku: 'SAGA-POSTER' }],
  ['rejected', { email: 'eve@blocked.example' }],
]

const quantile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.floor(share * (values.length - 1))] ?? NaN

describe('a telemetry failure', function () {
  this.timeout(150_000)

  let stack: Stack
  let services: Services
  let processes: ReadonlyMap<ServiceName, ServiceProcess>
  /** Where each service's metrics can be read without the Collector. */
  let metricsPorts: Record<ServiceName, number>
  let collectorPort: number
  let placed = 0
  const report: string[] = []

  before(async () => {
    stack = await openStack({ ports: await pickFreePorts(), only: ['kafka', 'mongodb', 'collector'] })
    ;({ collector: collectorPort } = await pickHealthPorts(['collector']))
    metricsPorts = await pickHealthPorts(serviceNames)
    services = await prepareServices(stack, {
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${collectorPort}`,
      OTEL_BSP_MAX_QUEUE_SIZE: String(queueSize),
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '16',
      OTEL_BLRP_MAX_QUEUE_SIZE: String(queueSize),
      OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '16',
      OTEL_METRICS_EXPORTER: 'otlp,prometheus',
      OTEL_EXPORTER_PROMETHEUS_HOST: '127.0.0.1',
    })
    processes = new Map(serviceNames.map((name) => [name, new ServiceProcess(services, name)]))
    await Promise.all([stack.ready('kafka'), stack.ready('mongodb')])
  })
  after(async () => {
    await Promise.all([...processes.values()].map((each) => each.kill()))
    await stack.down()
    console.log(report.join('\n'))
  })

  const startAll = async (environment: NodeJS.ProcessEnv = {}): Promise<void> => {
    for (const [name, each] of processes) {
      each.start({ OTEL_EXPORTER_PROMETHEUS_PORT: String(metricsPorts[name]), ...environment })
    }
    await Promise.all([...processes.values()].map((each) => each.untilReady()))
  }

  /** Ends all at once, as an orchestrator does. @returns how long the slowest took */
  const drainAll = async (): Promise<number> => {
    const startedAt = performance.now()
    const ends = [...processes.values()].map(async ({ name, life }) => {
      if (life?.running !== true) throw new Error(`${name} does not run`)
      process.kill(life.pid, 'SIGTERM')
      const end = await Promise.race([
        life.ended,
        eventually(`the end of ${name}`, () => Promise.resolve(life.running ? undefined : ''), {
          deadlineMillis: drainBoundMillis,
        }),
      ])
      return [name, end || (await life.ended), Math.round(performance.now() - startedAt)] as const
    })
    const outcomes = await Promise.all(ends)
    deepEqual(
      outcomes.map(([name, end]) => [name, end]),
      serviceNames.map((name) => [name, 'exit code 0']),
    )
    return Math.max(...outcomes.map(([, , millis]) => millis))
  }

  /** The SDK's metrics of its own processors, of all services: name and labels to value. */
  const readProcessors = async (): Promise<[series: string, value: number][]> => {
    const texts = await Promise.all(
      Object.values(metricsPorts).map(async (port) =>
        (await fetch(`http://127.0.0.1:${port}/metrics`, { signal: AbortSignal.timeout(2_000) })).text(),
      ),
    )
    return texts
      .flatMap((text) => text.split('\n'))
      .filter((line) => line.startsWith('otel_sdk_processor_'))
      .map((line) => [line.slice(0, line.lastIndexOf(' ')), Number(line.slice(line.lastIndexOf(' ') + 1))])
  }
  const droppedSoFar = async (): Promise<number> =>
    (await readProcessors())
      .filter(([series]) => series.includes('_processed') && series.includes('queue_full'))
      .reduce((sum, [, value]) => sum + value, 0)

  const rssOf = async (): Promise<number> => {
    const usages = await Promise.all(
      [...processes.values()].map(({ life }) => readProcessUsage(life?.pid ?? 0)),
    )
    return usages.reduce((sum, usage) => sum + (usage?.rssBytes ?? 0), 0) / 1024 ** 2
  }

  /** Asks again where the store is too slow to promise anything; that is no doing of telemetry's. */
  const placeUntilAccepted = (request: CheckoutRequest): Promise<{ checkoutId: string }> =>
    eventually('an accepted checkout', async () => {
      const { status, body } = await postCheckout(services.gatewayUrl, request)
      if (status === 503) return undefined
      equal(status, 202, JSON.stringify(body))
      return body as { checkoutId: string }
    })

  interface Outcome {
    readonly dropped: number
    readonly longestQueue: number
  }

  /** Places checkouts of all kinds at a steady rate and waits until each has ended, as it should. */
  const placeAndFollow = async (
    label: string,
    misbehave: () => unknown = () => undefined,
  ): Promise<Outcome> => {
    const [rssBefore, droppedBefore] = [await rssOf(), await droppedSoFar()]
    const queueLengths: number[] = []
    const watching = setInterval(() => {
      void readProcessors()
        .then((series) => {
          const sizes = series.filter(([name]) => name.includes('_queue_size')).map(([, value]) => value)
          queueLengths.push(...sizes)
        })
        .catch(() => undefined)
    }, 250)
    const accepting: number[] = []
    const lasting: number[] = []
    const ends: Promise<[expected: string, actual: string]>[] = []
    try {
      await openLoop({ ratePerSecond, total: checkoutsPerCase }, async (index, dueAt) => {
        if (index === checkoutsPerCase / 4) await misbehave()
        const [expected, changes] = kinds[index % kinds.length] ?? ['', { email: '' }]
        const request: CheckoutRequest = sampleCheckout({ ...changes, email: `${placed++}-${changes.email}` })
        const { checkoutId } = await placeUntilAccepted(request)
        accepting.push(performance.now() - dueAt)
        ends.push(
          eventually(
            `the end of checkout ${checkoutId}, ${label}`,
            async () => {
              const view = await fetchCheckout(services.gatewayUrl, checkoutId)
              if (view === undefined || !terminal.has(view.status)) return undefined
              lasting.push(view.steps.at(-1)?.sinceRequestMillis ?? NaN)
              return [expected, view.status] as [string, string]
            },
            { intervalMillis: 300, deadlineMillis: 60_000 },
          ),
        )
      })
      const ended = await Promise.all(ends)
      equal(ended.length, checkoutsPerCase)
      deepEqual(
        ended.filter(([expected, actual]) => expected !== actual),
        [],
      )
    } finally {
      clearInterval(watching)
    }
    const dropped = (await droppedSoFar()) - droppedBefore
    const longestQueue = Math.max(...queueLengths)
    ok(longestQueue <= queueSize, `a queue of ${longestQueue}`)
    const growth = (await rssOf()) - rssBefore
    report.push(
      `      ${label.padEnd(28)} accepted p50 ${quantile(accepting, 0.5).toFixed(0)} p95 ${quantile(accepting, 0.95).toFixed(0)} ms,` +
        ` ended p50 ${quantile(lasting, 0.5).toFixed(0)} p95 ${quantile(lasting, 0.95).toFixed(0)} ms,` +
        ` longest queue ${longestQueue}, dropped ${dropped}, five services ${growth >= 0 ? '+' : ''}${growth.toFixed(0)} MiB`,
    )
    return { dropped, longestQueue }
  }
  const terminal: ReadonlySet<string> = new Set(['completed', 'compensated', 'rejected'])

  const signalCollector = async (signal: NodeJS.Signals): Promise<void> => {
    const [, pid] = /^pid (\d+)/.exec(await portHolder(stack.ports.otlpHttp)) ?? []
    ok(pid, 'the Collector listens')
    process.kill(Number(pid), signal)
  }

  /** What level 40 and above each service has said, since a time. */
  const linesOf = async (name: ServiceName): Promise<Record<string, unknown>[]> =>
    (await readFile(join(stack.runDirectory, `${name}.log`), 'utf8'))
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as Record<string, unknown>)

  /** What listens where the services look for the Collector. */
  let endpoint: { close(): Promise<void> } | undefined
  const openProxy = async (): Promise<FaultProxy> => {
    const proxy = await startFaultProxy({ targetPort: stack.ports.otlpHttp, port: collectorPort })
    endpoint = proxy
    return proxy
  }
  afterEach(async () => {
    await endpoint?.close()
    endpoint = undefined
  })

  it('is no checkout’s when there is no Collector', async () => {
    await startAll()
    const { dropped } = await placeAndFollow('no Collector')
    ok(dropped > 0, 'more than the queues hold was to be sent')
    for (const name of serviceNames) {
      const said = (await linesOf(name)).filter((line) => line['event.name'] === 'telemetry.failed')
      ok(said.length > 0, `${name} says that nobody takes its telemetry`)
      const messages = said.map(({ msg }) => String(msg))
      ok(messages.length < 10, `${name} says it ${messages.length} times: ${messages.slice(-10).join('; ')}`)
    }
  })

  it('is no checkout’s when the Collector dies', async () => {
    await openProxy()
    await stack.ready('collector')
    await placeAndFollow('a Collector')
    await placeAndFollow('killed on the way', () => stack.server('collector').kill())
  })

  it('is no checkout’s when the Collector takes 5 s for an answer', async () => {
    await stack.server('collector').up()
    const proxy = await openProxy()
    proxy.inject({ kind: 'latency', millis: 2_500 })
    await placeAndFollow('5 s for an answer')
  })

  it('is no checkout’s when what listens refuses, answers nonsense, or never stops answering', async () => {
    const hostile = await startHostileCollector(collectorPort)
    endpoint = hostile
    await placeAndFollow('nonsense for an answer')
    // All of it was met, by more than one service.
    ok([...hostile.met.values()].every((times) => times > 1) && hostile.met.size === nonsense.length)
  })

  it('is no checkout’s when the Collector freezes; and every service drains within its bound and ends well', async () => {
    await openProxy()
    try {
      const { dropped } = await placeAndFollow('frozen on the way', () => signalCollector('SIGSTOP'))
      ok(dropped > 0)
      const drained = await drainAll()
      report.push(`      drained with the Collector frozen, the slowest of five: ${drained} ms`)
    } finally {
      await signalCollector('SIGCONT')
    }
  })

  it('is no checkout’s when every setting of telemetry is nonsense, and each service says so in one line', async () => {
    const nonsensical = {
      OTEL_TRACES_EXPORTER: 'zipkin',
      OTEL_LOGS_EXPORTER: 'syslog',
      OTEL_TRACES_SAMPLER: 'sometimes',
      OTEL_TRACES_SAMPLER_ARG: 'half',
      OTEL_PROPAGATORS: 'tracecontext,carrier-pigeon',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization: Bearer x\n',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'collector',
      OTEL_EXPORTER_OTLP_PROTOCOL: 'morse',
      OTEL_EXPORTER_OTLP_COMPRESSION: 'zip',
      OTEL_EXPORTER_OTLP_TIMEOUT: 'soon',
      OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '0',
      OTEL_BSP_SCHEDULE_DELAY: '-1',
      OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '0.5',
      OTEL_METRIC_EXPORT_INTERVAL: '1 s',
      OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: 'none',
      OTEL_RESOURCE_ATTRIBUTES: 'a=%,b',
      OTEL_NODE_RESOURCE_DETECTORS: 'nobody',
    }
    const before = new Map(
      await Promise.all(serviceNames.map(async (name) => [name, (await linesOf(name)).length] as const)),
    )
    await Promise.all([...processes.values()].map((each) => each.kill()))
    await startAll(nonsensical)
    await placeAndFollow('nonsense for settings')
    const named = Object.keys(nonsensical).filter(
      (name) =>
        !['OTEL_PROPAGATORS', 'OTEL_RESOURCE_ATTRIBUTES', 'OTEL_NODE_RESOURCE_DETECTORS'].includes(name),
    )
    for (const name of serviceNames) {
      const lines = (await linesOf(name)).slice(before.get(name))
      const ignored = lines.map(({ msg }) => String(msg)).filter((msg) => msg.startsWith('ignored, '))
      equal(ignored.length, 1, name)
      deepEqual(
        named.filter((variable) => !ignored[0]?.includes(`${variable}: `)),
        [],
      )
    }
    await drainAll()
  })
})

/** How something that is no Collector may answer. */
const nonsense: readonly [what: string, answer: (...exchange: Parameters<Answering>) => void][] = [
  ['429 at once again', (_, response) => response.writeHead(429, { 'retry-after': '0' }).end()],
  ['429 in a year', (_, response) => response.writeHead(429, { 'retry-after': '31536000' }).end()],
  ['503', (_, response) => response.writeHead(503).end('no healthy upstream')],
  ['400', (_, response) => response.writeHead(400, 'ada@people.example').end('x'.repeat(100_000))],
  ['200 with garbage', (_, response) => response.writeHead(200).end(Buffer.alloc(10_000, 0xff))],
  ['a redirect to itself', (_, response) => response.writeHead(308, { location: '/v1/traces' }).end()],
  ['no HTTP', ({ socket }) => socket.end('220 mail.example ESMTP\r\n')],
  ['a reset', ({ socket }) => socket.resetAndDestroy()],
  [
    'half an answer',
    (_, response) =>
      response.writeHead(200, { 'content-length': '100' }).write('half', () => response.destroy()),
  ],
  [
    'an answer without end',
    (_, response) => {
      response.writeHead(200)
      const more = (): void => {
        while (!response.destroyed && response.write(Buffer.alloc(65_536)));
      }
      response.on('drain', more)
      more()
    },
  ],
]
type Answering = (
  request: import('node:http').IncomingMessage,
  response: import('node:http').ServerResponse,
) => void

interface HostileCollector {
  /** How often each kind of nonsense was answered. */
  readonly met: ReadonlyMap<string, number>
  close(): Promise<void>
}

/** A stand-in for the Collector, in this test only: no real server misbehaves so on demand. */
async function startHostileCollector(port: number): Promise<HostileCollector> {
  const met = new Map<string, number>()
  let requests = 0
  const server: Server = createServer((request, response) => {
    request.resume().on('end', () => {
      const [what, answer] = nonsense[requests++ % nonsense.length] ?? ['', () => undefined]
      met.set(what, (met.get(what) ?? 0) + 1)
      answer(request, response)
    })
    request.on('error', () => undefined)
    response.on('error', () => undefined)
  })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  return {
    met,
    close: async () => {
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
    },
  }
}
