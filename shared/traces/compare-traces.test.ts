import { deepEqual, equal, ok } from 'node:assert/strict'
import fc from 'fast-check'
import { compareTraces, contributionsTo, verdictOn } from './compare-traces.ts'
import type { Sketch } from './traces-for-tests.ts'
import { anySpans, sagaSpans, spansOf } from './traces-for-tests.ts'

const topic = { attributes: { 'messaging.destination.name': 'orders' } }

const checkout = (captureMillis: number, queueMillis = 5): Sketch[] => [
  {
    is: 'producer orders send orders',
    at: 0,
    for: 4,
    below: [
      {
        is: 'consumer payments process orders',
        at: 4 + queueMillis,
        for: captureMillis + 3,
        ...topic,
        below: [{ is: 'client payments capture payment', at: 5 + queueMillis, for: captureMillis }],
      },
    ],
  },
]

const drawn = (a: readonly Sketch[], b: readonly Sketch[]) =>
  compareTraces(spansOf(a), spansOf(b)).rows.map(
    ({ kind, name, verdict, differenceMicros }) => `${kind} ${name}: ${verdict} ${differenceMicros / 1_000}`,
  )

describe('two traces compared', () => {
  it('names what is slower, with the queue as a row of its own', () => {
    deepEqual(drawn(checkout(10), checkout(200, 25)), [
      'span send orders: same 0',
      'queue orders: slower 20',
      'span process orders: slower 190',
      'span capture payment: slower 190',
    ])
    deepEqual(drawn(checkout(200, 25), checkout(10))[1], 'queue orders: faster -20')
  })

  it('tells the span that is to blame from those that only waited for it', () => {
    const comparison = compareTraces(spansOf(checkout(10)), spansOf(checkout(200)))
    deepEqual(
      contributionsTo(comparison).map(({ name, criticalDifferenceMicros }) => [
        name,
        criticalDifferenceMicros,
      ]),
      [['capture payment', 190_000]],
    )
    const [, , process] = comparison.rows
    deepEqual([process?.a?.selfMicros, process?.b?.selfMicros], [3_000, 3_000])
  })

  it('counts spans, failures and traces, and finds the saga', () => {
    const [sketch] = spansOf([{ is: 'x m', at: 0, for: 2, failed: true, attributes: { 'saga.id': 's1' } }])
    const { a, b, verdict, ratio } = compareTraces(sketch ? [sketch] : [], [])
    deepEqual(
      [a.spans, a.failed, a.durationMicros, a.sagaId, a.traceIds.length, b.spans, b.durationMicros, b.sagaId],
      [1, 1, 2_000, 's1', 1, 0, 0, undefined],
    )
    deepEqual([verdict, ratio], ['faster', 0])
  })

  it('calls slower what passes both thresholds, and nothing that clocks of milliseconds cannot tell', () => {
    const thresholds = { ratio: 1.5, differenceMicros: 1_000 }
    equal(verdictOn(100, 900, thresholds), 'same')
    equal(verdictOn(10_000, 14_000, thresholds), 'same')
    equal(verdictOn(10_000, 16_000, thresholds), 'slower')
    equal(verdictOn(16_000, 10_000, thresholds), 'faster')
    equal(verdictOn(0, 5_000, thresholds), 'slower')
  })

  it('adds up: what rows have of the critical path is the length of each trace, and their differences its', () => {
    const anyTrace = fc.oneof(anySpans(), sagaSpans())
    fc.assert(
      fc.property(anyTrace, anyTrace, (spansOfA, spansOfB) => {
        const { a, b, rows, differenceMicros } = compareTraces(spansOfA, spansOfB)
        const sum = (of: (row: (typeof rows)[number]) => number) =>
          rows.reduce((total, row) => total + of(row), 0)
        equal(
          sum((row) => row.a?.criticalMicros ?? 0),
          a.durationMicros,
        )
        equal(
          sum((row) => row.b?.criticalMicros ?? 0),
          b.durationMicros,
        )
        equal(
          sum((row) => row.criticalDifferenceMicros),
          differenceMicros,
        )
        ok(rows.every((row) => (row.a?.durationMicros ?? 0) >= (row.a?.criticalMicros ?? 0)))
      }),
      { numRuns: 500 },
    )
  })

  it('finds no difference between a trace and itself', () => {
    fc.assert(
      fc.property(sagaSpans(), (spans) => {
        ok(
          compareTraces(spans, spans).rows.every(
            (row) => row.verdict === 'same' && row.differenceMicros === 0,
          ),
        )
      }),
    )
  })
})
