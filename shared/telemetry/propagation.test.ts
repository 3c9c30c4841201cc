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
import { createPropagator, propagationHeaders } from './propagation.ts'

const w3cTrace = '0af7651916cd43dd8448eb211c80319c'
const b3Trace = '80f198ee56343ba864fe8b2a57d3eff7'
const spanId = 'b7ad6b7169203331'
const traceparent = `00-${w3cTrace}-${spanId}-01`

const ignore = (): void => {}

function written(requested?: string, headers: Record<string, string> = {}): Record<string, string> {
  const spanContext = { traceId: w3cTrace, spanId, traceFlags: TraceFlags.SAMPLED }
  createPropagator(requested, ignore).inject(
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

  it('takes the place of what an earlier hop wrote, in whatever case and format, and of nothing else', () => {
    const earlier = {
      ce_id: 'orders/checkout-1@2/0',
      TraceParent: traceparent,
      tracestate: 'vendor=1',
      baggage: 'shop=north',
      b3: `${b3Trace}-${spanId}-1`,
      'X-B3-TraceId': b3Trace,
    }
    deepEqual(written(undefined, earlier), { ce_id: 'orders/checkout-1@2/0', traceparent })
  })

  it('leaves a carrier as it is where there is no trace', () => {
    const headers = { traceparent, b3: `${b3Trace}-${spanId}-1` }
    createPropagator().inject(ROOT_CONTEXT, headers, defaultTextMapSetter)
    deepEqual(Object.keys(headers), ['traceparent', 'b3'])
  })

  it('has each of its headers known in lower case, so that they can be taken off', () => {
    const names = Object.keys(written('b3,b3multi'))
    deepEqual(
      names.filter((name) => !propagationHeaders.includes(name)),
      [],
    )
  })
})

describe('OTEL_PROPAGATORS', () => {
  const warningsOf = (requested?: string): string[] => {
    const warnings: string[] = []
    createPropagator(requested, (message) => warnings.push(message))
    return warnings
  }

  it('is accepted without a word when all of its names are known', () => {
    for (const requested of [undefined, '', 'none', 'tracecontext,baggage', ' b3 , b3multi ,']) {
      deepEqual(warningsOf(requested), [], requested)
    }
  })

  it('has all names that are not known in one warning, with what is done instead', () => {
    deepEqual(warningsOf('tracecontext,jaeger,B3,xray,jaeger'), [
      'OTEL_PROPAGATORS: "jaeger", "B3", "xray" ignored; ' +
        "known are tracecontext, baggage, b3, b3multi, none, and W3C's are always written",
    ])
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

  it('is none where it is given twice over HTTP, which makes one list of it', () => {
    equal(read({ traceparent: `${traceparent}, ${traceparent}` }), undefined)
    const b3 = `${b3Trace}-${spanId}-1`
    equal(read({ b3: `${b3}, ${b3}` }), undefined)
    equal(
      read({ 'x-b3-traceid': `${b3Trace}, ${b3Trace}`, 'x-b3-spanid': spanId, 'x-b3-sampled': '1' }),
      undefined,
    )
  })

  it('carries baggage', () => {
    const context = createPropagator().extract(ROOT_CONTEXT, { baggage: 'shop=north' }, defaultTextMapGetter)
    equal(propagation.getBaggage(context)?.getEntry('shop')?.value, 'north')
  })

  it('never throws, whatever the headers are', () => {
    const name = fc.constantFrom('traceparent', 'TraceParent', 'tracestate', 'baggage', 'b3', 'x-b3-traceid')
    const bytes = fc.oneof(
      fc.string().map((text) => Buffer.from(text)),
      fc.constant(null),
    )
    const value = fc.oneof(fc.string(), fc.array(fc.string()), bytes, fc.array(bytes), fc.constant(undefined))
    fc.assert(
      fc.property(fc.dictionary(name, value), (headers) => {
        doesNotThrow(() => read(headers))
      }),
    )
    for (const carrier of [undefined, null, {}]) equal(read(carrier), undefined)
  })
})

describe('the trace context of a Kafka message', () => {
  const bytes = (text: string): Buffer => Buffer.from(text)
  const b3 = bytes(`${b3Trace}-${spanId}-1`)

  it('is read from bytes', () => {
    equal(read({ traceparent: bytes(traceparent) })?.traceId, w3cTrace)
    equal(read({ b3 })?.traceId, b3Trace)
  })

  it('is read from keys in any case', () => {
    equal(read({ TraceParent: bytes(traceparent) })?.traceId, w3cTrace)
    equal(read({ B3: b3 })?.traceId, b3Trace)
    const multi = { 'X-B3-TraceId': bytes(b3Trace), 'X-B3-SpanId': bytes(spanId), 'X-B3-Sampled': bytes('1') }
    deepEqual(read(multi), { traceId: b3Trace, spanId, traceFlags: 1, isRemote: true })
  })

  it('is that of the key in lower case where there are several, in whatever order', () => {
    const other = bytes(traceparent.replaceAll('0af7', 'ffff'))
    equal(read({ TraceParent: other, traceparent: bytes(traceparent) })?.traceId, w3cTrace)
    equal(read({ traceparent: bytes(traceparent), TRACEPARENT: other })?.traceId, w3cTrace)
    equal(read({ TraceParent: other, TRACEPARENT: other }), undefined)
  })

  it('is none where its header is repeated: libraries differ in which of them counts', () => {
    const other = bytes(traceparent.replaceAll('0af7', 'ffff'))
    equal(read({ traceparent: [bytes(traceparent), other] }), undefined)
    equal(read({ b3: [b3, b3] }), undefined)
  })

  it('is B3 where there are both and W3C’s is repeated', () => {
    equal(read({ traceparent: [bytes(traceparent), bytes(traceparent)], b3 })?.traceId, b3Trace)
  })

  it('has one list of baggage and one of tracestate, however often they are given', () => {
    const carrier = {
      traceparent: bytes(traceparent),
      tracestate: [bytes('a=1'), bytes('b=2')],
      baggage: [bytes('shop=north'), bytes('till=7')],
    }
    const context = createPropagator().extract(ROOT_CONTEXT, carrier, defaultTextMapGetter)
    equal(trace.getSpanContext(context)?.traceState?.serialize(), 'a=1,b=2')
    equal(propagation.getBaggage(context)?.getEntry('till')?.value, '7')
  })

  it('is read beside a header without a value and one that is too long', () => {
    const baggage = bytes(`a=${'x'.repeat(65_536)}`)
    const context = createPropagator().extract(
      ROOT_CONTEXT,
      { traceparent: bytes(traceparent), tracestate: null, baggage, Baggage: bytes('shop=north') },
      defaultTextMapGetter,
    )
    equal(trace.getSpanContext(context)?.traceId, w3cTrace)
    equal(propagation.getBaggage(context), undefined)
  })

  it('is none from too many headers, repeated ones counted each', () => {
    const crowd = { 'x-tag': Array.from({ length: 64 }, () => bytes('1')) }
    equal(read({ ...crowd, traceparent: bytes(traceparent) }), undefined)
  })
})
