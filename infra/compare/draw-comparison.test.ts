import { deepEqual, ok } from 'node:assert/strict'
import { compareTraces } from '../../shared/traces/compare-traces.ts'
import { spansOf } from '../../shared/traces/traces-for-tests.ts'
import { compareSets } from './compare-sets.ts'
import { slowSpans, usualSpans } from './comparison-for-tests.ts'
import { drawComparison, drawSets } from './draw-comparison.ts'

const golden = `
A  checkout usual, trace aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa, 7 spans, 36.0 ms
B  checkout slow, trace bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb, 6 spans, 1 failed, 175.0 ms
B is slower than A: +139.0 ms, 4.86x

                                              A    self         B      self      B - A   B / A  path
    POST /checkouts           gateway    8.0 ms  5.0 ms    8.0 ms    5.0 ms    +0.0 ms   1.00x  AB
      send orders             gateway    3.0 ms  3.0 ms    3.0 ms    3.0 ms    +0.0 ms   1.00x  AB
>       queue orders          payments   2.0 ms           32.0 ms             +30.0 ms  16.00x  AB
>       process orders        payments  15.0 ms  4.0 ms  135.0 ms   11.0 ms  +120.0 ms   9.00x  AB
+!        capture payment     payments                    20.0 ms   20.0 ms                      B
-         insert commits      payments   2.0 ms  2.0 ms                                         A
>         capture payment     payments   5.0 ms  5.0 ms  100.0 ms  100.0 ms   +95.0 ms  20.00x  AB
          send payments       payments   4.0 ms  4.0 ms    4.0 ms    4.0 ms    +0.0 ms   1.00x  AB
-           queue payments    orders     6.0 ms                                                 A
-           process payments  orders     6.0 ms  6.0 ms                                         A
> slower, < faster, - missing in B, + added in B, ! failed; path: on the critical path of A, B, or both

On the critical path, +139.0 ms in all:
  +95.0 ms  capture payment (payments)
  +30.0 ms  queue orders (payments)
  +20.0 ms  capture payment (payments), only in B
   +8.0 ms  process orders (payments)
   -6.0 ms  queue payments (orders), only in A
   -8.0 ms  everything else
`

describe('a comparison in the terminal', () => {
  it('shows both traces, what differs, and what made the difference', () => {
    deepEqual(drawComparison(compareTraces(usualSpans, slowSpans)), golden.trim().split('\n'))
  })

  it('says that traces are alike when they are', () => {
    const lines = drawComparison(compareTraces(usualSpans, usualSpans))
    ok(lines.includes('B takes about as long as A: +0.0 ms'))
    ok(lines.every((line) => !/^[<>+-]/.test(line) || line.startsWith('> slower')))
  })

  it('paints each line by what it says', () => {
    const painted = drawComparison(
      compareTraces(usualSpans, slowSpans),
      (verdict, text) => `${verdict}|${text}`,
    )
    for (const verdict of ['slower', 'missing', 'added', 'same']) {
      ok(
        painted.some((line) => line.startsWith(`${verdict}|`)),
        verdict,
      )
    }
  })

  it('writes nothing that a terminal would obey', () => {
    const evil = spansOf([{ is: 'x a\u001b[2Jb\nc\u202e', at: 0, for: 1 }]).map((span) => ({
      ...span,
      name: 'a\u001b[2Jb\nc\u202e',
      traceId: 'a\u001b',
    }))
    const lines = [...drawComparison(compareTraces(evil, evil)), ...drawSets(compareSets([evil], [[]]))]
    // eslint-disable-next-line no-control-regex -- that is what must not be there
    ok(lines.every((line) => !/[\u0000-\u001f\u202e]/.test(line)))
  })
})

describe('sets compared in the terminal', function () {
  this.timeout(10_000)

  it('has what matters, the greatest share of the difference first, and says what is left out', () => {
    const times = (count: number, spans: typeof usualSpans) => Array.from({ length: count }, () => spans)
    const lines = drawSets(compareSets(times(20, usualSpans), times(12, slowSpans)))
    deepEqual(lines, goldenSets.trim().split('\n'))
  })
})

const goldenSets = `
A  20 traces, median 36.0 ms, p95 36.0 ms
B  12 traces, median 175.0 ms, p95 175.0 ms
B is slower than A: +139.0 ms in the median, 4.86x (4.86 to 4.86)
Most of it is capture payment (payments).

     on the path                                      A p50 / p95          B p50 / p95  B / A                    self B / A            traces
+ *    +100.0 ms  capture payment #2  payments                                                                                         0/20 12/12
> *     +30.0 ms  queue orders        payments    2.0 ms / 2.0 ms    32.0 ms / 32.0 ms  16.00x (16.00 to 16.00)                        20/20 12/12
>!*     +15.0 ms  capture payment     payments    5.0 ms / 5.0 ms    20.0 ms / 20.0 ms  4.00x (4.00 to 4.00)     4.00x (4.00 to 4.00)  20/20 12/12, failed 0 12
> *      +8.0 ms  process orders      payments  15.0 ms / 15.0 ms  135.0 ms / 135.0 ms  9.00x (9.00 to 9.00)     2.75x (2.75 to 2.75)  20/20 12/12
- *      -6.0 ms  queue payments      orders                                                                                           20/20 0/12
- *      -6.0 ms  process payments    orders                                                                                           20/20 0/12
- *      -2.0 ms  insert commits      payments                                                                                         20/20 0/12
* more than chance; intervals hold with 95 % confidence, all 41 comparisons taken together
on the path: the mean time on the critical path, B - A; over all rows +139.0 ms, the difference of the mean lengths
3 rows that neither differ nor matter are left out; --json and --html have them
`
