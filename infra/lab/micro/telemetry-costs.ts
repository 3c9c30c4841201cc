/**
 * `node infra/lab/micro/telemetry-costs.ts`: what our telemetry does for a message, a span, a query and a log line, each
 * beside the least that does the same with the SDK's own parts. Processor time, of this machine and this moment; the
 * ratio is what can be compared. For what all of it costs a checkout, ask `npm run lab`.
 */
import type { Context, TextMapGetter, Tracer } from '@opentelemetry/api'
import {
  context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  metrics,
  propagation,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import type { Instrumentation, InstrumentationBase } from '@opentelemetry/instrumentation'
import { KafkaJsInstrumentation } from '@opentelemetry/instrumentation-kafkajs'
import { MongoDBInstrumentation } from '@opentelemetry/instrumentation-mongodb'
import { LoggerProvider } from '@opentelemetry/sdk-logs'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import type { SpanProcessor } from '@opentelemetry/sdk-trace'
import { AlwaysOffSampler, TracerProvider } from '@opentelemetry/sdk-trace'
import { createInstrumentations } from '../../../shared/telemetry/instrumentations.ts'
import { createLogProcessors } from '../../../shared/telemetry/log-processors.ts'
import { createPropagator } from '../../../shared/telemetry/propagation.ts'
import { withSagaId } from '../../../shared/telemetry/saga-id.ts'
import { createSampler } from '../../../shared/telemetry/samplers.ts'
import { createSpanProcessors } from '../../../shared/telemetry/span-processors.ts'
import { OwnTracePerHop } from '../../../shared/telemetry/trace-hops.ts'
import type { Operation } from './nanoseconds.ts'
import { nanosecondsPerCall } from './nanoseconds.ts'

interface Row extends Operation {
  readonly what: string
}

/** The first row is what the others of its group are compared with. */
interface Group {
  readonly name: string
  readonly rows: readonly [Row, ...Row[]]
}

const checkoutId = '0190163d-8694-739b-aea5-966c26f8ad91'
const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
const unsampledTraceparent = `${traceparent.slice(0, -1)}0`

/** As a message of the saga has them before a context is written to it. */
const eventHeaders = {
  'content-type': 'application/json',
  ce_specversion: '1.0',
  ce_id: `${checkoutId}@3/0`,
  ce_source: '/sagascope/orders',
  ce_type: 'dev.sagascope.OrderPlaced.v1',
  ce_time: '2026-11-26T21:32:16.000Z',
  ce_subject: checkoutId,
}

/** As it arrives. */
const headersOnKafka = (context: Readonly<Record<string, string>>): Record<string, Buffer> =>
  Object.fromEntries(
    Object.entries({ ...eventHeaders, ...context }).map(([name, value]) => [name, Buffer.from(value)]),
  )

/** What the Kafka instrumentation reads headers with. */
const bufferGetter: TextMapGetter<Record<string, Buffer>> = {
  keys: (carrier) => Object.keys(carrier),
  get: (carrier, name) => carrier[name]?.toString(),
}

const discarding: SpanProcessor = {
  onStart() {},
  onEnd() {},
  forceFlush: () => Promise.resolve(),
  shutdown: () => Promise.resolve(),
}

const spanOf = (tracer: Tracer): (() => void) => {
  const attributes = { 'messaging.system': 'kafka', 'messaging.destination.name': 'orders' }
  return () => tracer.startSpan('send orders', { attributes }).end()
}

async function spans(): Promise<Group> {
  const own = await createSpanProcessors('otlp', () => discarding)
  const bare = new TracerProvider({ spanProcessors: [discarding] }).getTracer('bare')
  const ours = new TracerProvider({ spanProcessors: own }).getTracer('ours')
  const tracerOf = (name: string, argument: number): Tracer => {
    const sampler = createSampler(name, argument)
    return new TracerProvider({ spanProcessors: own, ...(sampler && { sampler }) }).getTracer(name)
  }
  const off = new TracerProvider({ spanProcessors: own, sampler: new AlwaysOffSampler() }).getTracer('off')
  return {
    name: 'a span, started and ended',
    rows: [
      { what: 'the SDK alone', run: spanOf(bare) },
      { what: 'our processors', run: spanOf(ours) },
      { what: 'our processors, in a checkout', run: () => withSagaId(checkoutId, spanOf(ours)) },
      { what: 'unsampled, always_off', run: spanOf(off) },
      {
        what: 'unsampled, consistent probability',
        run: spanOf(tracerOf('parentbased_consistent_probability', 0)),
      },
      { what: 'unsampled, rate limited', run: spanOf(tracerOf('parentbased_rate_limiting', 1e-6)) },
    ],
  }
}

function reading(): Group {
  const w3c = new W3CTraceContextPropagator()
  const ours = createPropagator()
  const links = new OwnTracePerHop(createPropagator())
  const message = headersOnKafka({ traceparent })
  const b3 = headersOnKafka({ b3: '0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-1' })
  const none = headersOnKafka({})
  const request = { host: 'localhost:8080', 'content-type': 'application/json', traceparent }
  return {
    name: 'a context, read',
    rows: [
      {
        what: 'W3C’s alone, from a message',
        run: () => w3c.extract(ROOT_CONTEXT, message, bufferGetter),
      },
      { what: 'ours, from a message', run: () => ours.extract(ROOT_CONTEXT, message, bufferGetter) },
      {
        what: 'ours, from a message, hops as links',
        run: () => links.extract(ROOT_CONTEXT, message, bufferGetter),
      },
      { what: 'ours, from a message with B3', run: () => ours.extract(ROOT_CONTEXT, b3, bufferGetter) },
      {
        what: 'ours, from a message with neither',
        run: () => ours.extract(ROOT_CONTEXT, none, bufferGetter),
      },
      {
        what: 'ours, from a request',
        run: () => ours.extract(ROOT_CONTEXT, request, defaultTextMapGetter),
      },
    ],
  }
}

function writing(active: Context): Group {
  const w3c = new W3CTraceContextPropagator()
  const ours = createPropagator()
  const headers = (): Record<string, string> => ({ ...eventHeaders })
  return {
    name: 'a context, written',
    rows: [
      {
        what: 'W3C’s alone, to a message',
        run: () => w3c.inject(active, headers(), defaultTextMapSetter),
      },
      { what: 'ours, to a message', run: () => ours.inject(active, headers(), defaultTextMapSetter) },
      { what: 'ours, to a commit', run: () => ours.inject(active, {}, defaultTextMapSetter) },
    ],
  }
}

function asItComes(kind: new (config: { enabled: boolean }) => Instrumentation): InstrumentationBase {
  const made = new kind({ enabled: false })
  made.setMeterProvider(metrics.getMeterProvider())
  return made as unknown as InstrumentationBase
}

/** Made as in a service, and given what patches are for: their own module is not loaded here. */
function instrumentation(
  kind: new (...none: never[]) => unknown,
  made: readonly Instrumentation[],
): InstrumentationBase {
  const found = made.find((each) => each instanceof kind)
  if (!found) throw new Error(`no ${kind.name}`)
  return found as unknown as InstrumentationBase
}

const patch = (
  from: InstrumentationBase,
  name: string,
  file: string | undefined,
  moduleExports: object,
): void => {
  for (const definition of from.getModuleDefinitions().filter((each) => each.name === name)) {
    if (file === undefined) definition.patch?.(moduleExports)
    else definition.files.findLast((each) => each.name === file)?.patch(moduleExports)
  }
}

type EachMessage = (payload: unknown) => Promise<void>

/** A consumer and a producer that do nothing but what an instrumentation adds. */
function patchedKafka(by: InstrumentationBase): { handle: EachMessage; send: () => Promise<unknown> } {
  class Kafka {
    producer() {
      return {
        events: {},
        on() {},
        send: () => Promise.resolve(),
        sendBatch: (...batches: unknown[]) => Promise.resolve(batches),
        transaction: () => Promise.resolve(),
      }
    }
    consumer() {
      return { events: {}, on() {}, run: (config: { eachMessage: EachMessage }) => config.eachMessage }
    }
  }
  patch(by, 'kafkajs', undefined, { Kafka })
  const kafka = new Kafka()
  const producer = kafka.producer()
  const message = () => ({ key: checkoutId, value: '{}', headers: { ce_id: 'one', ce_type: 'OrderPlaced' } })
  return {
    handle: kafka.consumer().run({ eachMessage: () => Promise.resolve() }),
    send: () => producer.sendBatch({ topicMessages: [{ topic: 'orders', messages: [message()] }] }),
  }
}

const payload = (headers: Record<string, Buffer>) => ({
  topic: 'orders',
  partition: 0,
  message: { key: Buffer.from(checkoutId), value: Buffer.from('{}'), offset: '1', headers },
})

function messages(ours: readonly Instrumentation[], active: Context): Group {
  const plain = patchedKafka(asItComes(KafkaJsInstrumentation))
  const own = patchedKafka(instrumentation(KafkaJsInstrumentation, ours))
  const sampled = payload(headersOnKafka({ traceparent }))
  const unsampled = payload(headersOnKafka({ traceparent: unsampledTraceparent }))
  return {
    name: 'a message, through the Kafka instrumentation',
    rows: [
      { what: 'handled, without our hooks', run: () => plain.handle(sampled), isAsync: true },
      { what: 'handled', run: () => own.handle(sampled), isAsync: true },
      { what: 'handled, unsampled', run: () => own.handle(unsampled), isAsync: true },
      { what: 'sent, without our hooks', run: () => context.with(active, plain.send), isAsync: true },
      { what: 'sent', run: () => context.with(active, own.send), isAsync: true },
    ],
  }
}

/** A connection that answers at once and the session of its command, as an instrumentation has patched them. */
function patchedMongo(by: InstrumentationBase): () => Promise<unknown> {
  class ServerSessionPool {
    readonly sessions: object[] = [{}]
    acquire(): object {
      return this.sessions.pop() ?? {}
    }
    release(session: object): void {
      this.sessions.push(session)
    }
  }
  class Connection {
    readonly id = 1
    readonly address = '127.0.0.1:27017'
    command(...asked: unknown[]): Promise<unknown> {
      return Promise.resolve(asked)
    }
  }
  patch(by, 'mongodb', 'mongodb/lib/cmap/connection.js', { Connection })
  patch(by, 'mongodb', 'mongodb/lib/sessions.js', { ServerSessionPool })
  const pool = new ServerSessionPool()
  const connection = new Connection()
  const commit = {
    _id: `${checkoutId}@3`,
    causedBy: `${checkoutId}@2/0`,
    events: [{ type: 'OrderPlaced', data: { items: [{ sku: 'SAGA-MUG', quantity: 2 }], totalCents: 2_400 } }],
    traceHeaders: { traceparent },
    writer: '00000000-0000-4000-8000-000000000000',
    seq: 1,
  }
  const namespace = { db: 'sagascope_orders', collection: 'commits' }
  return async () => {
    const session = pool.acquire()
    await connection.command(namespace, { insert: 'commits', documents: [commit], ordered: true })
    pool.release(session)
  }
}

function queries(ours: readonly Instrumentation[], sampled: Context, unsampled: Context): Group {
  const plain = patchedMongo(asItComes(MongoDBInstrumentation))
  const own = patchedMongo(instrumentation(MongoDBInstrumentation, ours))
  return {
    name: 'a commit, inserted',
    rows: [
      { what: 'as the instrumentation comes', run: () => context.with(sampled, plain), isAsync: true },
      { what: 'as we have it', run: () => context.with(sampled, own), isAsync: true },
      { what: 'as it comes, unsampled', run: () => context.with(unsampled, plain), isAsync: true },
      { what: 'as we have it, unsampled', run: () => context.with(unsampled, own), isAsync: true },
    ],
  }
}

async function logRecords(sampled: Context, unsampled: Context): Promise<Group> {
  const discard = () => ({
    onEmit() {},
    forceFlush: () => Promise.resolve(),
    shutdown: () => Promise.resolve(),
  })
  const loggerWith = async (traceBased: string) =>
    new LoggerProvider({
      processors: (await createLogProcessors('otlp', discard, traceBased)) ?? [],
    }).getLogger('tests')
  const [every, ofSampled] = await Promise.all([loggerWith('off'), loggerWith('on')])
  const record = {
    body: 'message answered',
    attributes: { 'saga.id': checkoutId, 'messaging.destination.name': 'orders', outcome: 'answered' },
  }
  return {
    name: 'a log record, emitted',
    rows: [
      { what: 'in a sampled trace', run: () => every.emit({ ...record, context: sampled }) },
      { what: 'in an unsampled trace', run: () => every.emit({ ...record, context: unsampled }) },
      {
        what: 'in an unsampled trace, TRACE_BASED_LOGS=on',
        run: () => ofSampled.emit({ ...record, context: unsampled }),
      },
    ],
  }
}

async function print({ name, rows }: Group): Promise<void> {
  const nanoseconds = await nanosecondsPerCall(rows)
  const [baseline = NaN] = nanoseconds
  console.log(`\n${name.padEnd(50)} ns a call   ratio`)
  for (const [index, { what }] of rows.entries()) {
    const [took, ratio] = [nanoseconds[index] ?? NaN, (nanoseconds[index] ?? NaN) / baseline]
    console.log(`  ${what.padEnd(48)} ${took.toFixed(0).padStart(9)} ${ratio.toFixed(2).padStart(7)}`)
  }
}

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(createPropagator())
// Without a reader, what is counted would be counted nowhere.
const reader = new PeriodicExportingMetricReader({
  exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
  exportIntervalMillis: 3_600_000,
})
metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
trace.setGlobalTracerProvider(
  new TracerProvider({ spanProcessors: await createSpanProcessors('otlp', () => discarding) }),
)
const within = (header: string): Context =>
  propagation.extract(ROOT_CONTEXT, { traceparent: header }, defaultTextMapGetter)
const [sampled, unsampled] = [within(traceparent), within(unsampledTraceparent)]
const instrumentations = createInstrumentations()
for (const each of instrumentations) each.setMeterProvider(metrics.getMeterProvider()) // as NodeSDK does

for (const group of [
  await spans(),
  reading(),
  writing(sampled),
  messages(instrumentations, sampled),
  queries(instrumentations, sampled, unsampled),
  await logRecords(sampled, unsampled),
]) {
  await print(group)
}
for (const each of instrumentations) each.disable()
await reader.shutdown()
