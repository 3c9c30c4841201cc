import { deepEqual, doesNotThrow, equal, ok } from 'node:assert/strict'
import type { ChildProcessWithoutNullStreams } from 'node:child_process'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import type { DiagLogger, SpanContext, TextMapGetter } from '@opentelemetry/api'
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  diag,
  DiagLogLevel,
  metrics,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
} from '@opentelemetry/api'
import type { ExportResult } from '@opentelemetry/core'
import { ExportResultCode } from '@opentelemetry/core'
import { OpenTelemetryBunyanStream } from '@opentelemetry/instrumentation-bunyan'
import { KafkaJsInstrumentation } from '@opentelemetry/instrumentation-kafkajs'
import { LoggerProvider } from '@opentelemetry/sdk-logs'
import type { DataPoint } from '@opentelemetry/sdk-metrics'
import {
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { AggregationTemporality } from '@opentelemetry/sdk-metrics'
import { TracerProvider } from '@opentelemetry/sdk-trace'
import type * as ConsumerLag from './consumer-lag.ts'
import { installTelemetryShutdown, stopTelemetry } from './flush.ts'
import { createBatchLogProcessor } from './log-processors.ts'
import type { Logger } from './logger.ts'
import { createLogger } from './logger.ts'
import { createPropagator } from './propagation.ts'
import { createBatchProcessor } from './span-processors.ts'

/** What a Collector's absence does to an exporter, and worse. */
const exporters: Record<string, (done: (result: ExportResult) => void) => void> = {
  'that throws': () => {
    throw new Error('no socket')
  },
  'that never answers': () => undefined,
  'that fails': (done) => done({ code: ExportResultCode.FAILED, error: new Error('503') }),
  'that fails without saying why': (done) => done({ code: ExportResultCode.FAILED }),
  'that answers twice': (done) => {
    done({ code: ExportResultCode.SUCCESS })
    done({ code: ExportResultCode.FAILED })
  },
}

const variables = {
  OTEL_BSP_MAX_QUEUE_SIZE: '100',
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
  OTEL_BSP_SCHEDULE_DELAY: '1',
  OTEL_BSP_EXPORT_TIMEOUT: '5',
  OTEL_BLRP_MAX_QUEUE_SIZE: '100',
  OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: '10',
  OTEL_BLRP_SCHEDULE_DELAY: '1',
  OTEL_BLRP_EXPORT_TIMEOUT: '5',
}

describe('telemetry that fails', () => {
  const unhandled: unknown[] = []
  const noteUnhandled = (error: unknown): void => void unhandled.push(error)
  let child: ChildProcessWithoutNullStreams | undefined
  let meterProvider: MeterProvider
  let reader: PeriodicExportingMetricReader

  before(() => {
    Object.assign(process.env, variables)
    process.on('unhandledRejection', noteUnhandled)
    reader = new PeriodicExportingMetricReader({
      exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
      exportIntervalMillis: 1_000_000,
    })
    meterProvider = new MeterProvider({ readers: [reader] })
    metrics.setGlobalMeterProvider(meterProvider)
  })
  after(async () => {
    process.off('unhandledRejection', noteUnhandled)
    for (const name of Object.keys(variables)) Reflect.deleteProperty(process.env, name)
    metrics.disable()
    await meterProvider.shutdown()
  })
  afterEach(async () => {
    child?.kill('SIGKILL')
    child = undefined
    installTelemetryShutdown(() => Promise.resolve())
    await delay(10) // longer than an export may take: what is rejected late is rejected by now
    deepEqual(unhandled.splice(0), [])
  })

  /** The SDK's metrics of itself: the value of each series of that name. */
  const values = async (name: string): Promise<Map<string, number>> => {
    const { resourceMetrics } = await reader.collect()
    const series = resourceMetrics.scopeMetrics
      .flatMap((scope) => scope.metrics)
      .filter(({ descriptor }) => descriptor.name === name)
      .flatMap(({ dataPoints }): DataPoint<unknown>[] => dataPoints)
    return new Map(
      series.map(({ attributes, value }) => [JSON.stringify(Object.values(attributes)), Number(value)]),
    )
  }
  const sum = (all: Iterable<number>): number => [...all].reduce((total, value) => total + value, 0)

  for (const [what, exportBatch] of Object.entries(exporters)) {
    const exporter = {
      export: (_batch: unknown, done: (result: ExportResult) => void) => exportBatch(done),
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.reject(new Error('shutdown fails as well')),
    }

    it(`fails no span with an exporter ${what}, holds no more than its queue, and lets the process end`, async () => {
      const processor = createBatchProcessor(exporter)
      const provider = new TracerProvider({ spanProcessors: [processor] })
      const tracer = provider.getTracer('tests')
      doesNotThrow(() => {
        for (let index = 0; index < 500; index++) tracer.startSpan(`span ${index}`).end()
      })
      const sizes = await values('otel.sdk.processor.span.queue.size')
      ok([...sizes.values()].every((size) => size <= 100))
      await delay(3)
      doesNotThrow(() => tracer.startSpan('one more').end())
      installTelemetryShutdown(() => provider.shutdown())
      await stopTelemetry(1_000)
    })

    it(`fails no log line with an exporter ${what}, holds no more than its queue, and lets the process end`, async () => {
      const provider = new LoggerProvider({ processors: [createBatchLogProcessor(exporter)] })
      const logger = provider.getLogger('tests')
      doesNotThrow(() => {
        for (let index = 0; index < 500; index++) logger.emit({ body: `line ${index}` })
      })
      const sizes = await values('otel.sdk.processor.log.queue.size')
      ok([...sizes.values()].every((size) => size <= 100))
      await delay(3)
      installTelemetryShutdown(() => provider.shutdown())
      await stopTelemetry(1_000)
    })
  }

  it('counts every span and line that it drops', async () => {
    const dropped = async (signal: string) =>
      sum(
        [...(await values(`otel.sdk.processor.${signal}.processed`))]
          .filter(([attributes]) => attributes.includes('queue_full'))
          .map(([, value]) => value),
      )
    const silent = {
      export: () => undefined,
      forceFlush: () => Promise.resolve(),
      shutdown: () => Promise.resolve(),
    }
    const before = [await dropped('span'), await dropped('log')]
    const tracer = new TracerProvider({ spanProcessors: [createBatchProcessor(silent)] }).getTracer('tests')
    const logger = new LoggerProvider({ processors: [createBatchLogProcessor(silent)] }).getLogger('tests')
    for (let index = 0; index < 500; index++) {
      tracer.startSpan('span').end()
      logger.emit({ body: 'line' })
    }
    const after = [await dropped('span'), await dropped('log')]
    // One batch is under way, a queue is full, the others are gone.
    deepEqual(
      after.map((count, index) => count - (before[index] ?? 0)),
      [390, 390],
    )
  })

  it('fails no message when a hook of ours throws, and says so', async () => {
    const said: unknown[] = []
    const note = (...parts: unknown[]): void => void said.push(parts.join(' '))
    const log: DiagLogger = { error: note, warn: note, info() {}, debug() {}, verbose() {} }
    diag.setLogger(log, DiagLogLevel.WARN)
    const throwing = (): never => {
      throw new Error('a hook of ours')
    }
    const instrumentation = new KafkaJsInstrumentation({
      enabled: false,
      consumerHook: throwing,
      producerHook: throwing,
    })
    const handled: unknown[] = []
    const sent: unknown[] = []
    class Kafka {
      producer() {
        return {
          events: {},
          on() {},
          send: (record: unknown) => Promise.resolve(void sent.push(record)),
          sendBatch: (batch: unknown) => Promise.resolve(void sent.push(batch)),
          transaction: () => Promise.resolve(),
        }
      }
      consumer() {
        return {
          events: {},
          on() {},
          run: async ({ eachMessage }: { eachMessage: (payload: unknown) => Promise<void> }) => {
            await eachMessage({ topic: 'users', partition: 0, message: { headers: {}, value: null } })
          },
        }
      }
    }
    for (const { name, patch } of instrumentation.getModuleDefinitions()) {
      if (name === 'kafkajs') patch?.({ Kafka })
    }
    try {
      const kafka = new Kafka()
      await kafka.producer().sendBatch({ topicMessages: [{ topic: 'users', messages: [{ key: 'a' }] }] })
      await kafka.consumer().run({ eachMessage: (payload) => Promise.resolve(void handled.push(payload)) })
    } finally {
      diag.disable()
    }
    deepEqual([sent.length, handled.length], [1, 1])
    equal(said.filter((line) => String(line).includes('a hook of ours')).length, 2)
  })

  it('fails nobody who sends, receives or commits: a propagator never throws', () => {
    const spanContext: SpanContext = {
      traceId: '0af7651916cd43dd8448eb211c80319c',
      spanId: 'b7ad6b7169203331',
      traceFlags: TraceFlags.SAMPLED,
    }
    const context = trace.setSpanContext(ROOT_CONTEXT, spanContext)
    const hostile = new Proxy(
      {},
      {
        ownKeys: () => {
          throw new Error('no keys')
        },
        get: () => {
          throw new Error('no value')
        },
        set: () => {
          throw new Error('no change')
        },
      },
    )
    const throwing: TextMapGetter = {
      keys: () => ['traceparent'],
      get: () => {
        throw new Error('no value')
      },
    }
    const propagator = createPropagator()
    for (const carrier of [hostile, Object.freeze({}), null, undefined, 7]) {
      doesNotThrow(() => propagator.inject(context, carrier, defaultTextMapSetter))
      equal(propagator.extract(ROOT_CONTEXT, carrier, defaultTextMapGetter), ROOT_CONTEXT)
    }
    equal(propagator.extract(ROOT_CONTEXT, { traceparent: '' }, throwing), ROOT_CONTEXT)
  })

  it('fails no line, whatever is logged and whatever becomes of it', () => {
    const lines: string[] = []
    const log = createLogger('tests') as LoggerInside
    const stream = (write: (line: string) => void) => ({
      level: 10,
      raw: false,
      type: 'stream',
      stream: { write },
    })
    const raw = { level: 10, raw: true, type: 'raw', stream: new OpenTelemetryBunyanStream() }
    const cyclic: Record<string, unknown> = { name: 'cyclic' }
    cyclic.self = cyclic
    const withCause = new Error('with itself as its cause')
    withCause.cause = withCause
    const plain: unknown[] = [cyclic, withCause, Symbol('s'), () => 1, null, undefined, NaN, new Map()]

    log.streams = [stream((line) => lines.push(line)), raw]
    doesNotThrow(() => {
      for (const value of plain) log.child({ value }).error({ err: value, value }, 'logged')
      log.error({ value: 1n }, 'what is no JSON')
    })
    equal(lines.length, plain.length)

    const closed = (): never => {
      throw new Error('write after end')
    }
    log.streams = [stream(closed)]
    doesNotThrow(() => log.error('into a stream that is closed'))
  })

  it('keeps no process from its work when nobody reads its lines any more', async () => {
    const logger = new URL('./logger.ts', import.meta.url).href
    child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { createLogger } from ${JSON.stringify(logger)}
         const log = createLogger('tests')
         process.stdin.on('end', () => {
           for (let line = 0; line < 100; line++) setTimeout(() => log.info('unheard'), line / 10)
           setTimeout(() => process.exit(7), 50)
         }).resume()
         log.info('ready')`,
      ],
      { stdio: 'pipe' },
    )
    await once(child.stdout, 'data')
    child.stdout.destroy()
    child.stdin.end()
    deepEqual(await once(child, 'exit'), [7, null])
  })

  it('keeps in memory no more than a bound of what nobody reads, and says later how much was lost', async () => {
    const [logger, telemetryLog] = ['./logger.ts', './telemetry-log.ts'].map((file) =>
      JSON.stringify(new URL(file, import.meta.url).href),
    )
    child = spawn(
      process.execPath,
      [
        '--input-type=module',
        '--eval',
        `import { createRequire } from 'node:module'
         const { diag, DiagLogLevel } = createRequire(${logger})('@opentelemetry/api')
         const { createTelemetryLog } = await import(${telemetryLog})
         diag.setLogger(createTelemetryLog('tests'), DiagLogLevel.WARN)
         const { createLogger } = await import(${logger})
         const log = createLogger('tests')
         for (let line = 0; line < 20_000; line++) log.info({ pad: 'x'.repeat(500) }, 'unread')
         process.stderr.write(String(process.stdout.writableLength))
         process.stdin.on('end', () => {
           const read = setInterval(() => {
             if (process.stdout.writableLength > 0) return
             clearInterval(read)
             log.info('read again')
           })
         }).resume()`,
      ],
      { stdio: 'pipe' },
    )
    const [waiting] = (await once(child.stderr.setEncoding('utf8'), 'data')) as [string]
    ok(Number(waiting) > 1e6 && Number(waiting) < 5e6, waiting)
    child.stdin.end()
    let read = ''
    for await (const text of child.stdout.setEncoding('utf8')) read += text as string
    const lines = read
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as { msg: string })
    const [lost] = lines.slice(-1)
    const unread = lines.filter(({ msg }) => msg === 'unread').length
    equal(lost?.msg, `${20_000 - unread} lines were not written: nobody read standard output`)
    equal(lines.at(-2)?.msg, 'read again')
  }).timeout(10_000)

  it('asks a broker that is silent for the lag once, not at every export', async () => {
    // Loaded afresh, so that its gauge belongs to this test's provider: see saga-metrics.test.ts.
    const fresh = new URL('./consumer-lag.ts?asked-by-this-test', import.meta.url).href
    const { observeLag } = (await import(fresh)) as typeof ConsumerLag
    let asked = 0
    observeLag('sagascope-tests', () => {
      asked += 1
      return new Promise(() => {})
    })
    for (let exports = 0; exports < 3; exports++) await reader.collect()
    equal(asked, 1)
  }).timeout(5_000)
})

/** Where a logger writes to is for it alone to know, but to take standard output from it. */
type LoggerInside = Logger & { streams: unknown[] }
