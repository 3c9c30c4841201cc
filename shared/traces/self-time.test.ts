import { deepEqual, equal, ok } from 'node:assert/strict'
import fc from 'fast-check'
import { selfMicrosOf, waitMicrosOf } from './self-time.ts'
import { depthFirst, spanForest } from './span-forest.ts'
import type { TraceSpan } from './trace.ts'
import { durationMicrosOf } from './trace.ts'
import type { Sketch } from './traces-for-tests.ts'
import { anySpans, spansOf } from './traces-for-tests.ts'

const nodesOf = (spans: readonly TraceSpan[]) => depthFirst(spanForest(spans))
const selfMillis = (sketch: Sketch): number[] =>
  nodesOf(spansOf([sketch])).map((node) => selfMicrosOf(node) / 1_000)

describe('the self time of a span', () => {
  it('is its duration when nothing is below it', () => {
    deepEqual(selfMillis({ is: 'x m', at: 0, for: 10 }), [10])
  })

  it('counts once what several children do at the same time', () => {
    const below = [
      { is: 'x a', at: 1, for: 4 },
      { is: 'x b', at: 3, for: 4 },
      { is: 'x c', at: 4, for: 1 },
    ]
    equal(selfMillis({ is: 'x m', at: 0, for: 10, below })[0], 4)
  })

  it('leaves out what children do after it, or before it', () => {
    const below = [
      { is: 'x a', at: 8, for: 20 },
      { is: 'x b', at: -5, for: 6 },
      { is: 'x c', at: 30, for: 1 },
    ]
    equal(selfMillis({ is: 'x m', at: 0, for: 10, below })[0], 7)
  })

  it('is not less for what a consumer does with its message, which may begin before it is acknowledged', () => {
    const below = [{ is: 'consumer y process t', at: 2, for: 50 }]
    equal(selfMillis({ is: 'producer x send t', at: 0, for: 10, below })[0], 10)
  })

  it('is never negative, nor more than the duration, whatever the spans are', () => {
    fc.assert(
      fc.property(anySpans(), (spans) => {
        for (const node of nodesOf(spans)) {
          const self = selfMicrosOf(node)
          ok(self >= 0 && self <= durationMicrosOf(node.span))
        }
      }),
    )
  })
})

describe('the wait before a span', () => {
  it('is from the end of what is above it to its start', () => {
    const waits = (at: number): number[] =>
      nodesOf(
        spansOf([
          { is: 'producer x send t', at: 0, for: 10, below: [{ is: 'consumer y process t', at, for: 1 }] },
        ]),
      ).map(waitMicrosOf)
    deepEqual(waits(25), [0, 15_000])
    deepEqual(waits(5), [0, 0])
  })
})
