import { deepEqual, equal, ok } from 'node:assert/strict'
import type { Context, SpanContext } from '@opentelemetry/api'
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  trace,
} from '@opentelemetry/api'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { createPropagator } from './propagation.ts'
import { createSampler } from './samplers.ts'
import { ProducerLinkProcessor } from './span-processors.ts'
import { OwnTracePerHop, producerOf } from './trace-hops.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const spanId = 'b7ad6b7169203331'
const sampled = `00-${traceId}-${spanId}-01`
const unsampled = `00-${traceId}-${spanId}-00`

type Headers = Readonly<Record<string, string>>

const onKafka = (headers: Headers) =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)]))

const modes = {
  parent: () => createPropagator(),
  link: () => new OwnTracePerHop(createPropagator()),
} as const
type Mode = keyof typeof modes

const extract = (mode: Mode, carrier: unknown): Context =>
  modes[mode]().extract(ROOT_CONTEXT, carrier, defaultTextMapGetter)

describe('a hop over Kafka', () => {
  const headers = { traceparent: sampled, tracestate: 'vendor=1', baggage: 'shop=north' }

  it('continues the producer’s trace where hops are children', () => {
    const context = extract('parent', onKafka(headers))
    equal(trace.getSpanContext(context)?.traceId, traceId)
    equal(producerOf(context)?.spanId, spanId)
  })

  it('continues no trace where hops are links, and knows what to link to', () => {
    const context = extract('link', onKafka(headers))
    equal(trace.getSpanContext(context), undefined)
    equal(producerOf(context)?.spanId, spanId)
  })

  it('carries baggage in both', () => {
    for (const mode of ['parent', 'link'] as const) {
      const baggage = propagation.getBaggage(extract(mode, onKafka(headers)))
      equal(baggage?.getEntry('shop')?.value, 'north', mode)
    }
  })

  it('has no producer where a message has no trace context', () => {
    for (const mode of ['parent', 'link'] as const) {
      equal(producerOf(extract(mode, onKafka({ ce_id: 'one' }))), undefined, mode)
    }
  })

  it('is not what a request or a stored commit continues: they stay in their trace', () => {
    equal(trace.getSpanContext(extract('link', headers))?.traceId, traceId)
  })

  it('is written as any other context is', () => {
    deepEqual(modes.link().fields(), modes.parent().fields())
    const carrier = {}
    modes.link().inject(extract('link', headers), carrier, defaultTextMapSetter)
    deepEqual(carrier, headers)
  })
})

describe('the consumer span', () => {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({
    spanProcessors: [new ProducerLinkProcessor(), new SimpleSpanProcessor({ exporter })],
  })
  afterEach(() => {
    propagation.disable()
    exporter.reset()
  })

  /** As the Kafka instrumentation does it. */
  function consume(mode: Mode, headers: Record<string, Buffer | Buffer[]>) {
    propagation.setGlobalPropagator(modes[mode]())
    const parent = propagation.extract(ROOT_CONTEXT, headers)
    const span = provider.getTracer('tests').startSpan('process users', { kind: SpanKind.CONSUMER }, parent)
    span.end()
    const [finished] = exporter.getFinishedSpans()
    ok(finished)
    return finished
  }

  it('is the child of the producer’s and links to it', () => {
    const span = consume('parent', onKafka({ traceparent: sampled }))
    equal(span.parentSpanContext?.spanId, spanId)
    equal(span.spanContext().traceId, traceId)
    deepEqual(
      span.links.map((link) => link.context.spanId),
      [spanId],
    )
  })

  it('is a root that links to the producer’s where hops are links', () => {
    const span = consume('link', onKafka({ traceparent: sampled }))
    equal(span.parentSpanContext, undefined)
    ok(span.spanContext().traceId !== traceId)
    deepEqual(
      span.links.map(({ context }) => [context.traceId, context.spanId]),
      [[traceId, spanId]],
    )
  })

  it('links to what it is a child of and to nothing else, also when a header is repeated', () => {
    const traceparent = [Buffer.from(sampled), Buffer.from(sampled)]
    for (const mode of ['parent', 'link'] as const) {
      const span = consume(mode, { traceparent })
      equal(span.parentSpanContext, undefined, mode)
      deepEqual(span.links, [], mode)
      exporter.reset()
    }
  })
})

describe('sampling, where hops are links', () => {
  const started = (context: Context, sampler?: string, argument?: number): SpanContext => {
    const provider = new TracerProvider({
      sampler: createSampler(sampler, argument, true) ?? { shouldSample: never },
    })
    return provider.getTracer('tests').startSpan('a span', {}, context).spanContext()
  }
  const isSampled = (...asked: Parameters<typeof started>): boolean =>
    (started(...asked).traceFlags & 1) === 1
  const never = (): never => {
    throw new Error('the SDK’s own sampler was meant')
  }
  const message = (traceparent: string, others: Headers = {}): Context =>
    extract('link', onKafka({ traceparent, ...others }))

  it('is decided once, at the start of a checkout: a hop follows the producer that it links to', () => {
    for (const sampler of [
      'parentbased_always_on',
      'parentbased_always_off',
      'parentbased_traceidratio',
      'parentbased_consistent_probability',
      'parentbased_rate_limiting',
    ]) {
      equal(isSampled(message(sampled), sampler, 0), true, sampler)
      equal(isSampled(message(unsampled), sampler, 1), false, sampler)
    }
  })

  it('is decided by the sampler that was asked for where there is nobody to follow', () => {
    equal(isSampled(ROOT_CONTEXT), true)
    equal(isSampled(ROOT_CONTEXT, 'parentbased_always_off'), false)
    equal(isSampled(ROOT_CONTEXT, 'parentbased_traceidratio', 0), false)
    equal(isSampled(ROOT_CONTEXT, 'parentbased_traceidratio', 1), true)
  })

  it('follows a parent first', () => {
    const inside = trace.setSpanContext(message(sampled), { traceId, spanId, traceFlags: 0 })
    equal(isSampled(inside), false)
  })

  it('says by which randomness it was decided, for a trace with an id of its own', () => {
    const stateOf = (tracestate: string): string | undefined =>
      started(message(sampled, { tracestate })).traceState?.serialize()
    equal(stateOf('ot=th:c'), 'ot=th:c;rv:48eb211c80319c')
    equal(stateOf('ot=th:c;rv:d0000000000000,vendor=1'), 'ot=th:c;rv:d0000000000000')
    equal(stateOf('ot=other:1'), undefined)
    equal(stateOf('vendor=1'), undefined)
    equal(started(message(unsampled, { tracestate: 'ot=th:c' })).traceState, undefined)
  })

  it('is left to the SDK with a sampler that follows nobody', () => {
    for (const sampler of ['always_on', 'always_off', 'traceidratio', 'unheard of']) {
      equal(createSampler(sampler, 1, true), undefined, sampler)
    }
  })
})
