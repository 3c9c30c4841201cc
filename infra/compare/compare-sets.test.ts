import { deepEqual, equal, ok } from 'node:assert/strict'
import { seededRandom } from '../chaos/random.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import type { Sketch } from '../../shared/traces/traces-for-tests.ts'
import { spansOf } from '../../shared/traces/traces-for-tests.ts'
import { compareSets, defaultSetThresholds, mainCauseOf } from './compare-sets.ts'
import type { SetComparison, SetRow } from './compare-sets.ts'

interface Changes {
  readonly captureMillis?: number
  readonly queueMillis?: number
  readonly isWrapped?: boolean
  readonly failingShare?: number
  readonly refundShare?: number
}

/** Checkouts whose times vary by a half in either direction. */
function checkouts(count: number, seed: number, changes: Changes = {}): TraceSpan[][] {
  const random = seededRandom(seed)
  const about = (millis: number) => millis * random.between(0.5, 1.5)
  const { captureMillis = 10, queueMillis = 5, isWrapped, failingShare = 0, refundShare = 0 } = changes
  return Array.from({ length: count }, (_, index) => {
    const [send, queue, capture, rest] = [about(4), about(queueMillis), about(captureMillis), about(3)]
    const start = send + queue
    const captured: Sketch = {
      is: 'client payments capture payment',
      at: start,
      for: capture,
      ...(random.next() < failingShare && { failed: true as const }),
    }
    const refund: Sketch = { is: 'client payments refund', at: start + capture, for: about(2) }
    const below = [captured, ...(random.next() < refundShare ? [refund] : [])]
    const process: Sketch = {
      is: 'consumer payments process orders',
      at: start,
      for: capture + rest,
      attributes: { 'messaging.destination.name': 'orders' },
      below: isWrapped ? [{ is: 'payments guard', at: start, for: capture + rest, below }] : below,
    }
    return spansOf(
      [{ is: 'producer orders send orders', at: 0, for: send, below: [process] }],
      `t${seed}-${index}`,
    )
  })
}

const rowOf = ({ rows }: SetComparison, name: string, kind: SetRow['kind'] = 'span'): SetRow => {
  const row = rows.find((each) => each.name === name && each.kind === kind)
  ok(row, name)
  return row
}

describe('two sets of traces compared', function () {
  this.timeout(20_000)

  it('calls nothing different between sets that are alike, or hardly ever', () => {
    const runs = 100
    const different = Array.from({ length: runs }, (_, run) =>
      compareSets(checkouts(20, 2 * run + 1), checkouts(20, 2 * run + 2), {
        ...defaultSetThresholds,
        ratio: 1,
        differenceMicros: 0,
        seed: run,
      }),
    ).filter(
      ({ length, rows }) =>
        length.isSignificant || rows.some(({ verdict, self }) => verdict !== 'same' || self?.isSignificant),
    )
    ok(different.length <= 5, `${different.length} of ${runs}`)
  })

  it('names the span that is to blame, and tells it from those that waited for it', () => {
    const comparison = compareSets(checkouts(30, 1), checkouts(30, 2, { captureMillis: 60 }))
    const cause = mainCauseOf(comparison)
    ok(cause)
    deepEqual(
      [cause.name, cause.kind, cause.service, cause.verdict],
      ['capture payment', 'span', 'payments', 'slower'],
    )
    deepEqual(cause.path, ['send orders', 'process orders'])
    const process = rowOf(comparison, 'process orders')
    deepEqual([process.verdict, process.self?.isSignificant], ['slower', false])
    equal(comparison.verdict, 'slower')
    const ratio = cause.duration?.intervals?.ratio
    ok(ratio && ratio.lower > 3 && ratio.upper < 12, JSON.stringify(ratio))
  })

  it('names a queue as it names a span', () => {
    const cause = mainCauseOf(compareSets(checkouts(30, 1), checkouts(30, 2, { queueMillis: 80 })))
    deepEqual([cause?.kind, cause?.name, cause?.service], ['queue', 'orders', 'payments'])
  })

  it('blames nobody when the second set is the faster', () => {
    const comparison = compareSets(checkouts(30, 2, { captureMillis: 60 }), checkouts(30, 1))
    deepEqual([comparison.verdict, mainCauseOf(comparison)], ['faster', undefined])
  })

  it('adds up to the difference between the mean lengths', () => {
    const { rows, meanDifferenceMicros } = compareSets(
      checkouts(9, 1),
      checkouts(14, 2, { captureMillis: 60, refundShare: 0.5, isWrapped: true }),
    )
    const sum = rows.reduce((total, row) => total + row.criticalDifferenceMicros, 0)
    ok(Math.abs(sum - meanDifferenceMicros) < 0.01, `${sum} of ${meanDifferenceMicros}`)
    const sizes = rows.map((row) => Math.abs(row.criticalDifferenceMicros))
    deepEqual(
      sizes,
      sizes.toSorted((a, b) => b - a),
    )
  })

  it('says of a level that only one set has that it was added, and matches what is below it', () => {
    const comparison = compareSets(checkouts(20, 1), checkouts(20, 2, { isWrapped: true }))
    equal(rowOf(comparison, 'guard').verdict, 'added')
    deepEqual(rowOf(comparison, 'capture payment').traces, { a: 20, b: 20 })
  })

  it('says of what is there, or fails, more often whether that can be chance', () => {
    const often = compareSets(checkouts(30, 1), checkouts(30, 2, { refundShare: 0.8, failingShare: 0.8 }))
    deepEqual(
      [
        rowOf(often, 'refund').verdict,
        rowOf(often, 'refund').presenceDiffers,
        rowOf(often, 'capture payment').failuresDiffer,
      ],
      ['added', true, true],
    )
    const seldom = compareSets(checkouts(30, 1), checkouts(30, 2, { refundShare: 0.1, failingShare: 0.1 }))
    deepEqual(
      [
        rowOf(seldom, 'refund').verdict,
        rowOf(seldom, 'refund').presenceDiffers,
        rowOf(seldom, 'capture payment').failuresDiffer,
      ],
      ['same', false, false],
    )
  })

  it('says nothing of a few', () => {
    const { length, rows } = compareSets(checkouts(5, 1), checkouts(5, 2, { captureMillis: 500 }))
    deepEqual([length.isSignificant, length.intervals], [false, undefined])
    ok(rows.every(({ verdict }) => verdict === 'same'))
  })

  it('comes to the same in whatever order the traces are read', () => {
    const [a, b] = [checkouts(12, 1, { refundShare: 0.5 }), checkouts(12, 2)]
    deepEqual(compareSets(a.toReversed(), b.toReversed()), compareSets(a, b))
  })
})
