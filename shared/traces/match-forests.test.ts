import { deepEqual, equal } from 'node:assert/strict'
import fc from 'fast-check'
import { matchTraces, measureTrace } from './compare-traces.ts'
import { depthFirst } from './span-forest.ts'
import type { TraceSpan } from './trace.ts'
import type { Sketch } from './traces-for-tests.ts'
import { anySpans, sagaSpans, spansOf } from './traces-for-tests.ts'

const match = (a: readonly TraceSpan[], b: readonly TraceSpan[]) =>
  depthFirst(matchTraces(measureTrace(a), measureTrace(b)))

/** `a=b` by the starts of the two in milliseconds; `a-` only A has, `+b` only B. */
function drawn(a: readonly Sketch[], b: readonly Sketch[]): string[] {
  const startOf = (span: TraceSpan): string => String((span.startMicros % 1e12) / 1_000)
  return match(spansOf(a), spansOf(b)).map(({ a, b }) => {
    const name = (a ?? b)?.span.name ?? ''
    if (!a) return `${name} +${b ? startOf(b.span) : ''}`
    return `${name} ${startOf(a.span)}${b ? `=${startOf(b.span)}` : '-'}`
  })
}

const m = (at: number, below: readonly Sketch[] = []): Sketch => ({ is: 'x m', at, for: 1, below })
const leaf = (name: string, at: number): Sketch => ({ is: `x ${name}`, at, for: 1 })

describe('which span is which', () => {
  it('is said by service, name, kind and what is above, whatever came first', () => {
    const a = [m(0, [leaf('p', 1), leaf('q', 2)])]
    const b = [m(0, [leaf('q', 1), leaf('p', 2)])]
    deepEqual(drawn(a, b), ['m 0=0', 'p 1=2', 'q 2=1'])
  })

  it('takes another service, or another kind, for another span', () => {
    const a = [{ is: 'x send', at: 0, for: 1 }]
    deepEqual(drawn(a, [{ is: 'y send', at: 0, for: 1 }]), ['send +0', 'send 0-'])
    deepEqual(drawn(a, [{ is: 'producer x send', at: 0, for: 1 }]), ['send +0', 'send 0-'])
  })

  it('says what only one side has, with all below it, where it stands', () => {
    const a = [m(0, [leaf('p', 1), leaf('q', 5)])]
    const b = [m(0, [leaf('p', 1), { ...leaf('new', 2), below: [leaf('deep', 3)] }, leaf('q', 5)])]
    deepEqual(drawn(a, b), ['m 0=0', 'p 1=1', 'new +2', 'deep +3', 'q 5=5'])
    deepEqual(drawn(b, a), ['m 0=0', 'p 1=1', 'new 2-', 'deep 3-', 'q 5=5'])
  })

  it('takes the first for the first where both tried as often', () => {
    deepEqual(drawn([m(0, [leaf('p', 1), leaf('p', 2)])], [m(0, [leaf('p', 3), leaf('p', 4)])]), [
      'm 0=0',
      'p 1=3',
      'p 2=4',
    ])
  })

  it('takes the attempt that came to something for the only one of the other side', () => {
    const attempt = (at: number): Sketch => ({ ...leaf('try', at), failed: true })
    const success = (at: number): Sketch => ({ ...leaf('try', at), below: [leaf('insert', at)] })
    deepEqual(drawn([m(0, [success(1)])], [m(0, [attempt(1), attempt(2), success(3)])]), [
      'm 0=0',
      'try +1',
      'try +2',
      'try 1=3',
      'insert 1=3',
    ])
  })

  it('takes the attempt that did not fail for the only one of the other side, where nothing is below', () => {
    const failed = (at: number): Sketch => ({ ...leaf('try', at), failed: true })
    deepEqual(drawn([m(0, [leaf('try', 1)])], [m(0, [failed(1), leaf('try', 2)])]), [
      'm 0=0',
      'try +1',
      'try 1=2',
    ])
  })

  it('passes over a level that one side lacks', () => {
    const plain = [m(0, [leaf('p', 1), leaf('q', 2)])]
    const wrapped = [m(0, [{ ...leaf('router', 0), below: [leaf('p', 1), leaf('q', 2)] }])]
    deepEqual(drawn(plain, wrapped), ['m 0=0', 'router +0', 'p 1=1', 'q 2=2'])
    deepEqual(drawn(wrapped, plain), ['m 0=0', 'router 0-', 'p 1=1', 'q 2=2'])
  })

  it('passes over a root that only one side has, as when the caller takes part in the trace', () => {
    deepEqual(drawn([m(1, [leaf('p', 2)])], [{ ...leaf('caller', 0), below: [m(1, [leaf('p', 2)])] }]), [
      'caller +0',
      'm 1=1',
      'p 2=2',
    ])
  })

  it('does not look for a match any deeper, where names repeat', () => {
    const deep = { ...leaf('r', 1), below: [{ ...leaf('s', 1), below: [leaf('p', 1)] }] }
    deepEqual(drawn([m(0, [leaf('p', 1)])], [m(0, [deep])]), ['m 0=0', 'r +1', 's +1', 'p +1', 'p 1-'])
  })

  it('does not take for a level that was passed over what has only one of many children in common', () => {
    const other = { ...leaf('r', 1), below: [leaf('p', 2), leaf('s', 3), leaf('t', 4)] }
    deepEqual(drawn([m(0, [leaf('p', 1)])], [m(0, [other])]), [
      'm 0=0',
      'r +1',
      'p +2',
      's +3',
      't +4',
      'p 1-',
    ])
  })

  it('is the same whether hops are children or traces of their own that link', () => {
    const hops = (linked: object): Sketch[] => [
      {
        is: 'producer gateway send checkouts',
        at: 0,
        for: 1,
        below: [{ is: 'consumer users process checkouts', at: 2, for: 1, ...linked, below: [leaf('p', 2)] }],
      },
    ]
    deepEqual(drawn(hops({}), hops({ linked: true })), [
      'send checkouts 0=0',
      'process checkouts 2=2',
      'p 2=2',
    ])
  })

  const anyTrace = fc.oneof(anySpans(), sagaSpans())

  it('has every span of both exactly once, and only pairs of one label', () => {
    fc.assert(
      fc.property(anyTrace, anyTrace, (a, b) => {
        const matched = match(a, b)
        const idsOf = (spans: readonly (TraceSpan | undefined)[]) =>
          spans.flatMap((span) => (span ? [span.spanId] : [])).sort()
        deepEqual(idsOf(matched.map(({ a }) => a?.span)), idsOf(a))
        deepEqual(idsOf(matched.map(({ b }) => b?.span)), idsOf(b))
        for (const { a, b } of matched)
          if (a && b) equal(a.span.name + a.span.service, b.span.name + b.span.service)
      }),
      { numRuns: 1_000 },
    )
  })

  it('finds a trace to be itself, whatever the order of its spans and its ids', () => {
    fc.assert(
      fc.property(anyTrace, (spans) => {
        const renamed = spans.map((span) => ({
          ...span,
          traceId: `other ${span.traceId}`,
          links: span.links.map((link) => ({ ...link, traceId: `other ${link.traceId}` })),
        }))
        for (const { a, b } of match(spans, renamed.toReversed())) equal(a?.span.spanId, b?.span.spanId)
      }),
      { numRuns: 1_000 },
    )
  })

  it('finds what was left out of a trace, be it any one span: the others all have their match', () => {
    // With one name each nothing can be taken for anything else.
    const distinct = (spans: readonly TraceSpan[]) => spans.map((span) => ({ ...span, name: span.spanId }))
    fc.assert(
      fc.property(sagaSpans(2), fc.nat(), (spans, nth) => {
        const whole = distinct(spans)
        const gone = whole[1 + (nth % (whole.length - 1))]
        const less = whole
          .filter((span) => span !== gone)
          .map((span) =>
            span.parentSpanId === gone?.spanId ? { ...span, parentSpanId: gone?.parentSpanId } : span,
          )
        deepEqual(
          match(whole, less)
            .filter(({ a, b }) => !a || !b)
            .map(({ a }) => a?.span.name),
          [gone?.name],
        )
      }),
      { numRuns: 1_000 },
    )
  })
})
