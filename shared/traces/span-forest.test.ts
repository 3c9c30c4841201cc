import { deepEqual, equal } from 'node:assert/strict'
import fc from 'fast-check'
import { depthFirst, keyOf, spanForest } from './span-forest.ts'
import type { TraceSpan } from './trace.ts'
import { anySpans, spansOf } from './traces-for-tests.ts'

const drawn = (spans: readonly TraceSpan[]): string[] =>
  depthFirst(spanForest(spans)).map(({ span, depth }) => `${'  '.repeat(depth)}${span.name}`)

describe('spans as trees', () => {
  it('puts each below its parent, siblings by their start', () => {
    const spans = spansOf([
      {
        is: 'gateway POST',
        at: 0,
        for: 10,
        below: [
          { is: 'gateway late', at: 5, for: 1, below: [{ is: 'gateway deep', at: 6, for: 1 }] },
          { is: 'gateway early', at: 1, for: 1 },
        ],
      },
    ])
    deepEqual(drawn(spans.toReversed()), ['POST', '  early', '  late', '    deep'])
  })

  it('puts the trace of a hop below the span that it links to, which is in another trace', () => {
    const spans = spansOf([
      {
        is: 'producer gateway send checkouts',
        at: 0,
        for: 1,
        below: [{ is: 'consumer users process checkouts', at: 2, for: 1, linked: true }],
      },
    ])
    equal(new Set(spans.map(({ traceId }) => traceId)).size, 2)
    deepEqual(drawn(spans), ['send checkouts', '  process checkouts'])
  })

  it('keeps apart spans of two traces that have one id', () => {
    const spans = [
      ...spansOf([{ is: 'x one', at: 0, for: 1 }]),
      ...spansOf([{ is: 'x two', at: 1, for: 1 }], 'b'),
    ]
    deepEqual(drawn(spans), ['one', 'two'])
  })

  it('has every span once, also where they are their own ancestors, and the same in any order', () => {
    fc.assert(
      fc.property(anySpans(), fc.infiniteStream(fc.nat()), (spans, numbers) => {
        const shuffled = spans
          .map((span) => ({ span, place: numbers.next().value as number }))
          .sort((one, other) => one.place - other.place)
          .map(({ span }) => span)
        const keys = depthFirst(spanForest(shuffled)).map(({ span }) => keyOf(span))
        deepEqual(
          keys,
          depthFirst(spanForest(spans)).map(({ span }) => keyOf(span)),
        )
        deepEqual(keys.toSorted(), spans.map(keyOf).sort())
      }),
    )
  })

  it('bears a trace that is deeper than the stack', () => {
    const spans = Array.from({ length: 30_000 }, (_, index) => ({
      ...(spansOf([{ is: 'x m', at: index, for: 1 }])[0] as TraceSpan),
      spanId: String(index),
      parentSpanId: String(index - 1),
    }))
    equal(depthFirst(spanForest(spans)).at(-1)?.depth, 29_999)
  })
})
