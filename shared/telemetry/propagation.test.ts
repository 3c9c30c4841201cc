import { deepEqual, doesNotThrow, equal } from 'node:assert/strict'
import type { SpanContext } from '@opentelemetry/api'
import {
  defaultTextMapGetter,
  defaultTextMapSetter,
  propagation,
  ROOT_CONTEXT,
  trace,
  TraceFlags,
} from '@opentelemetry/api'
import fc from 'fast-check'
import { createPropagator } from './propagation.ts'

const w3cTrace = '0af7651916cd43dd8448eb211c80319c'
const b3Trace = '80f198ee56343ba864fe8b2a57d3eff7'
const spanId = 'b7ad6b7169203331'
const traceparent = `00-${w3cTrace}-${spanId}-01`

function written(requested?: string): Record<string, string> {
  const headers: Record<string, string> = {}
  const spanContext = { traceId: w3cTrace, spanId, traceFlags: TraceFlags.SAMPLED }
  createPropagator(requested).inject(
    trace.setSpanContext(ROOT_CONTEXT, spanContext),
    headers,
    defaultTextMapSetter,
  )
  return headers
}

const read = (headers: unknown): SpanContext | undefined =>
  trace.getSpanContext(createPropagator().extract(ROOT_CONTEXT, headers, defaultTextMapGetter))

describe('the trace context that is written', () => {
  it('is W3C, whatever was asked for', () => {
    for (const requested of [undefined, '', 'none', 'tracecontext', 'b3', 'b3multi', 'jaeger']) {
      equal(written(requested).traceparent, traceparent, requested)
    }
  })

  it('is nothing but W3C unless more was asked for', () => {
    deepEqual(Object.keys(written()), ['traceparent'])
  })

  it('is B3 as well when one header is asked for', () => {
    deepEqual(written('tracecontext,baggage,b3'), { traceparent, b3: `${w3cTrace}-${spanId}-1` })
  })

  it('is B3 as well when several headers are asked for', () => {
    deepEqual(written(' tracecontext , b3multi '), {
      traceparent,
      'x-b3-traceid': w3cTrace,
      'x-b3-spanid': spanId,
      'x-b3-sampled': '1',
    })
  })

  it('may be both kinds of B3', () => {
    const names = Object.keys(written('b3,b3multi'))
    deepEqual(
      ['traceparent', 'b3', 'x-b3-traceid'].filter((name) => !names.includes(name)),
      [],
    )
  })

  it('is named beforehand, so that carriers know what to keep', () => {
    deepEqual(createPropagator().fields(), ['traceparent', 'tracestate', 'baggage'])
    equal(createPropagator('b3').fields().includes('b3'), true)
  })

  it('is nothing where there is no trace', () => {
    const headers = {}
    createPropagator('b3').inject(ROOT_CONTEXT, headers, defaultTextMapSetter)
    deepEqual(headers, {})
  })
})

describe('the trace context that is read', () => {
  it('is W3C, and the parent is remote', () => {
    deepEqual(read({ traceparent }), { traceId: w3cTrace, spanId, traceFlags: 1, isRemote: true })
  })

  it('is B3 of one header or of several, also when nobody asked for B3', () => {
    equal(read({ b3: `${b3Trace}-${spanId}-1` })?.traceId, b3Trace)
    equal(read({ 'x-b3-traceid': b3Trace, 'x-b3-spanid': spanId, 'x-b3-sampled': '1' })?.traceId, b3Trace)
  })

  it('is W3C where there are both', () => {
    equal(read({ b3: `${b3Trace}-${spanId}-1`, traceparent })?.traceId, w3cTrace)
  })

  it('is B3 where there are both and W3C’s is malformed', () => {
    equal(read({ b3: `${b3Trace}-${spanId}-1`, traceparent: '00-zz' })?.traceId, b3Trace)
  })

  it('is none where it is malformed', () => {
    const malformed = [
      '',
      'garbage',
      `00-${w3cTrace}-${spanId}`,
      `00-${'0'.repeat(32)}-${spanId}-01`,
      `00-${w3cTrace}-${'0'.repeat(16)}-01`,
      `ff-${w3cTrace}-${spanId}-01`,
      `00-${w3cTrace.toUpperCase()}-${spanId}-01`,
      `00-${w3cTrace}-${spanId}-01-more`,
    ]
    for (const header of malformed) equal(read({ traceparent: header }), undefined, header)
  })

  it('is none from a carrier with too many headers', () => {
    const crowd = Object.fromEntries(Array.from({ length: 199 }, (_, index) => [`x-${index}`, '1']))
    equal(read({ ...crowd, traceparent }), undefined)
  })

  it('is read beside a header that is too long, which is not', () => {
    const carrier = { traceparent, tracestate: `a=${'x'.repeat(65_536)}`, baggage: `a=${'x'.repeat(65_536)}` }
    const context = createPropagator().extract(ROOT_CONTEXT, carrier, defaultTextMapGetter)
    equal(trace.getSpanContext(context)?.traceId, w3cTrace)
    equal(trace.getSpanContext(context)?.traceState, undefined)
    equal(propagation.getBaggage(context), undefined)
    equal(read({ traceparent: `${traceparent}${' '.repeat(65_536)}` }), undefined)
  })

  it('carries baggage', () => {
    const context = createPropagator().extract(ROOT_CONTEXT, { baggage: 'shop=north' }, defaultTextMapGetter)
    equal(propagation.getBaggage(context)?.getEntry('shop')?.value, 'north')
  })

  it('never throws, whatever the headers are', () => {
    const name = fc.constantFrom('traceparent', 'tracestate', 'baggage', 'b3', 'x-b3-traceid', 'x-b3-spanid')
    const value = fc.oneof(fc.string(), fc.array(fc.string()), fc.constant(undefined))
    fc.assert(
      fc.property(fc.dictionary(name, value), (headers) => {
        doesNotThrow(() => read(headers))
      }),
    )
    for (const carrier of [undefined, null, {}]) equal(read(carrier), undefined)
  })
})
