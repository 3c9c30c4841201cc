import { deepEqual, equal } from 'node:assert/strict'
import fc from 'fast-check'
import { criticalPathOf, criticalTimes } from './critical-path.ts'
import { spanForest } from './span-forest.ts'
import type { TraceSpan } from './trace.ts'
import { endMicrosOf } from './trace.ts'
import type { Sketch } from './traces-for-tests.ts'
import { anySpans, beginning, sagaSpans, spansOf } from './traces-for-tests.ts'

const pathOf = (spans: readonly TraceSpan[]) => criticalPathOf(spanForest(spans))

/** `name from-to` in milliseconds. */
const drawn = (...sketches: Sketch[]): string[] =>
  pathOf(spansOf(sketches)).segments.map(({ kind, node, startMicros, endMicros }) => {
    const [from, to] = [startMicros, endMicros].map((micros) => String((micros - beginning) / 1_000))
    return `${kind === 'span' ? '' : `${kind} `}${node.span.name} ${from ?? ''}-${to ?? ''}`
  })

describe('the critical path', () => {
  it('is nothing of nothing', () => {
    deepEqual(criticalPathOf([]), { startMicros: 0, endMicros: 0, segments: [] })
  })

  it('goes through the child that finished last, and the span itself for the rest', () => {
    const below = [
      { is: 'x b', at: 2, for: 3 },
      { is: 'x c', at: 10, for: 8 },
    ]
    deepEqual(drawn({ is: 'x a', at: 0, for: 20, below }), ['a 0-2', 'b 2-5', 'a 5-10', 'c 10-18', 'a 18-20'])
  })

  it('leaves out what ran beside it', () => {
    const below = [
      { is: 'x long', at: 2, for: 16 },
      { is: 'x short', at: 4, for: 5 },
    ]
    deepEqual(drawn({ is: 'x a', at: 0, for: 20, below }), ['a 0-2', 'long 2-18', 'a 18-20'])
  })

  it('goes into a child that seems to have ended a little later than what followed it began', () => {
    const below = [
      { is: 'x b', at: 2, for: 5.9 },
      { is: 'x c', at: 7, for: 8 },
    ]
    deepEqual(drawn({ is: 'x a', at: 0, for: 16, below }), ['a 0-2', 'b 2-7', 'c 7-15', 'a 15-16'])
  })

  it('does not wait for what a span began and did not wait for', () => {
    deepEqual(
      drawn({
        is: 'x root',
        at: 0,
        for: 100,
        below: [{ is: 'x a', at: 0, for: 10, below: [{ is: 'x aside', at: 5, for: 50 }] }],
      }),
      ['a 0-10', 'root 10-100'],
    )
  })

  it('crosses a queue: from the handling of a message back to the end of its sending', () => {
    const process = { is: 'consumer y process t', at: 15, for: 30 }
    deepEqual(
      drawn({
        is: 'server x POST',
        at: 0,
        for: 9,
        below: [{ is: 'producer x send t', at: 4, for: 4, below: [process] }],
      }),
      ['POST 0-4', 'send t 4-8', 'queue process t 8-15', 'process t 15-45'],
    )
  })

  it('leaves the sending when the handling begins before the acknowledgement', () => {
    const process = { is: 'consumer y process t', at: 6, for: 30 }
    deepEqual(drawn({ is: 'producer x send t', at: 0, for: 10, below: [process] }), [
      'send t 0-6',
      'process t 6-36',
    ])
  })

  it('takes handlings of one message by two services for what they are: neither waits for the other', () => {
    const below = [
      { is: 'consumer y process t', at: 12, for: 5 },
      { is: 'consumer z process t', at: 20, for: 5 },
    ]
    deepEqual(drawn({ is: 'producer x send t', at: 0, for: 10, below }), [
      'send t 0-10',
      'queue process t 10-20',
      'process t 20-25',
    ])
  })

  it('goes through earlier attempts of one service at one message', () => {
    const below = [
      { is: 'consumer y process t', at: 12, for: 5, failed: true as const },
      { is: 'consumer y process t', at: 20, for: 5 },
    ]
    deepEqual(drawn({ is: 'producer x send t', at: 0, for: 10, below }), [
      'send t 0-10',
      'queue process t 10-12',
      'process t 12-17',
      'queue process t 17-20',
      'process t 20-25',
    ])
  })

  it('names the gap before what goes on in the background, and before a tree that nothing joins', () => {
    deepEqual(
      drawn(
        { is: 'x a', at: 0, for: 5, below: [{ is: 'x later', at: 8, for: 2 }] },
        { is: 'x orphan', at: 14, for: 6 },
      ),
      ['a 0-5', 'gap later 5-8', 'later 8-10', 'gap orphan 10-14', 'orphan 14-20'],
    )
  })

  it('is as long as the trace, without a hole and without an overlap, whatever the spans are', () => {
    const holds = (spans: readonly TraceSpan[]): void => {
      const { startMicros, endMicros, segments } = pathOf(spans)
      equal(startMicros, Math.min(...spans.map((span) => span.startMicros)))
      equal(endMicros, Math.max(...spans.map(endMicrosOf)))
      let reached = startMicros
      for (const segment of segments) {
        equal(segment.startMicros, reached)
        reached = segment.endMicros
      }
      equal(reached, endMicros)
      const total = [...criticalTimes({ startMicros, endMicros, segments }).values()].reduce(
        (sum, { spanMicros, waitMicros }) => sum + spanMicros + waitMicros,
        0,
      )
      equal(total, endMicros - startMicros)
    }
    fc.assert(fc.property(anySpans(1), holds), { numRuns: 2_000 })
    fc.assert(fc.property(sagaSpans(), holds), { numRuns: 2_000 })
  })

  it('has of a span only times in which the span ran', () => {
    fc.assert(
      fc.property(sagaSpans(), (spans) => {
        for (const { kind, node, startMicros, endMicros } of pathOf(spans).segments) {
          if (kind === 'span')
            deepEqual(
              [startMicros >= node.span.startMicros, endMicros <= endMicrosOf(node.span)],
              [true, true],
            )
          else equal(endMicros <= node.span.startMicros, true)
        }
      }),
      { numRuns: 2_000 },
    )
  })

  it('bears a trace that is deeper than the stack', () => {
    const [model] = spansOf([{ is: 'x m', at: 0, for: 1 }])
    const spans = Array.from({ length: 30_000 }, (_, index) => ({
      ...(model as TraceSpan),
      spanId: String(index),
      parentSpanId: String(index - 1),
      startMicros: beginning + index * 10,
    }))
    equal(pathOf(spans).segments.length, 30_000)
  })
})
