import { deepEqual, equal } from 'node:assert/strict'
import type { Instrumentation, InstrumentationBase } from '@opentelemetry/instrumentation'
import { context, propagation } from '@opentelemetry/api'
import { KafkaJsInstrumentation } from '@opentelemetry/instrumentation-kafkajs'
import { MongoDBInstrumentation } from '@opentelemetry/instrumentation-mongodb'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import type { ReadableSpan } from '@opentelemetry/sdk-trace'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { createInstrumentations } from './instrumentations.ts'
import { createPropagator } from './propagation.ts'
import { createSpanProcessors } from './span-processors.ts'
import { OwnTracePerHop } from './trace-hops.ts'

const checkoutId = '0190163d-8694-739b-aea5-966c26f8ad91'
const producerTrace = '0af7651916cd43dd8448eb211c80319c'
const producerSpan = 'b7ad6b7169203331'

type EachMessage = (payload: unknown) => Promise<void>

/** What kafkajs has that is patched, and nothing behind it. */
class Kafka {
  producer() {
    return {
      events: {},
      on() {},
      send: (record: unknown) => Promise.resolve(record),
      sendBatch: (batch: unknown) => Promise.resolve(batch),
      transaction: () => Promise.resolve(),
    }
  }
  consumer() {
    return { events: {}, on() {}, run: (config: { eachMessage: EachMessage }) => config.eachMessage }
  }
}

class Connection {
  readonly address = '127.0.0.1:27017'
  command(...asked: unknown[]): Promise<unknown> {
    return Promise.resolve(asked)
  }
}

class ServerSessionPool {
  readonly sessions: object[] = []
  acquire(): object {
    return this.sessions.pop() ?? {}
  }
  release(session: object): void {
    this.sessions.push(session)
  }
}

describe('our instrumentations', () => {
  const exporter = new InMemorySpanExporter()
  let provider: TracerProvider
  let instrumentations: Instrumentation[]

  before(async () => {
    const spanProcessors = await createSpanProcessors('otlp', () => new SimpleSpanProcessor({ exporter }))
    provider = new TracerProvider({ spanProcessors })
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    instrumentations = createInstrumentations()
    for (const each of instrumentations) each.setTracerProvider(provider)
  })
  afterEach(() => {
    propagation.disable()
    exporter.reset()
  })
  after(() => {
    for (const each of instrumentations) each.disable()
    context.disable()
  })

  const inside = (kind: typeof KafkaJsInstrumentation | typeof MongoDBInstrumentation): InstrumentationBase =>
    instrumentations.find((each) => each instanceof kind) as unknown as InstrumentationBase

  const onlySpan = (): ReadableSpan | undefined => exporter.getFinishedSpans()[0]

  describe('of Kafka', () => {
    let kafka: Kafka
    before(() => {
      const [definition] = inside(KafkaJsInstrumentation).getModuleDefinitions()
      definition?.patch?.({ Kafka })
      kafka = new Kafka()
    })

    const handle = (key: string): Promise<void> => {
      const headers = { traceparent: Buffer.from(`00-${producerTrace}-${producerSpan}-01`) }
      const message = { key: Buffer.from(key), value: Buffer.from('{}'), offset: '1', headers }
      return kafka.consumer().run({ eachMessage: () => Promise.resolve() })({
        topic: 'orders',
        partition: 0,
        message,
      })
    }
    const send = (key: string): Promise<unknown> =>
      kafka.producer().sendBatch({ topicMessages: [{ topic: 'orders', messages: [{ key, value: '{}' }] }] })

    it('make a consumer span that links to the producer’s, as its child or not', async () => {
      const propagator = createPropagator()
      for (const [each, isChild] of [
        [propagator, true],
        [new OwnTracePerHop(propagator), false],
      ] as const) {
        propagation.setGlobalPropagator(each)
        await handle(checkoutId)
        const span = onlySpan()
        equal(span?.parentSpanContext?.spanId, isChild ? producerSpan : undefined)
        deepEqual(
          span?.links.map((link) => [link.context.traceId, link.context.spanId]),
          [[producerTrace, producerSpan]],
        )
        propagation.disable()
        exporter.reset()
      }
    })

    it('make a producer span that has the checkout’s id and no link', async () => {
      await send(checkoutId)
      equal(onlySpan()?.attributes['saga.id'], checkoutId)
      deepEqual(onlySpan()?.links, [])
    })

    it('write no key that is not a checkout’s id', async () => {
      for (const use of [send, handle]) {
        await use('ada@example.com')
        equal(onlySpan()?.attributes['messaging.kafka.message.key'], '*')
        exporter.reset()
      }
    })
  })

  describe('of the store', () => {
    /** As the driver does one command, under a span. */
    async function insert(): Promise<void> {
      const pool = new ServerSessionPool()
      await provider.getTracer('tests').startActiveSpan('parent', async (parent) => {
        const session = pool.acquire()
        await new Connection().command(
          { db: 'sagascope_users', collection: 'email_register' },
          { insert: 'email_register', documents: [{ _id: 'ada@example.com' }] },
        )
        pool.release(session)
        parent.end()
      })
    }

    before(() => {
      const files = inside(MongoDBInstrumentation)
        .getModuleDefinitions()
        .flatMap((definition) => definition.files)
      const patch = (name: string, moduleExports: object): unknown =>
        files.findLast((file) => file.name === name)?.patch(moduleExports)
      patch('mongodb/lib/cmap/connection.js', { Connection })
      patch('mongodb/lib/sessions.js', { ServerSessionPool })
    })

    it('say operation and collection of a command, and nothing of what is in it', async () => {
      await insert()
      const attributes = onlySpan()?.attributes ?? {}
      equal(attributes['db.operation.name'], 'insert')
      equal(attributes['db.collection.name'], 'email_register')
      equal('db.query.text' in attributes, false)
    })

    it('count nothing', async () => {
      const reader = new PeriodicExportingMetricReader({
        exporter: new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE),
        exportIntervalMillis: 3_600_000,
      })
      const meterProvider = new MeterProvider({ readers: [reader] })
      inside(MongoDBInstrumentation).setMeterProvider(meterProvider)
      await insert()
      const { resourceMetrics } = await reader.collect()
      deepEqual(resourceMetrics.scopeMetrics, [])
      await meterProvider.shutdown()
    })
  })
})
