import { deepEqual, equal, ok } from 'node:assert/strict'
import fc from 'fast-check'
import { seededRandom } from '../chaos/random.ts'
import { pooledQuantileComparer } from './pooled-quantiles.ts'
import { sorted } from './quantiles.ts'

const upTo = (n: number, from = 1) => Array.from({ length: n }, (_, index) => index + from)

describe('quantiles of pooled samples', () => {
  const compare = pooledQuantileComparer()

  it('are those of all visits together, not of the middle visit', () => {
    const pairs = [
      { arm: upTo(50), against: upTo(50) },
      { arm: upTo(50, 51), against: upTo(50, 51) },
    ]
    const { arm, against, ratio } = compare(pairs, 0.99)
    deepEqual({ arm, against, estimate: ratio?.estimate }, { arm: 99, against: 99, estimate: 1 })
  })

  it('are by nearest rank, whatever the sizes of the visits', () => {
    const visits = fc.array(fc.array(fc.integer({ min: 1, max: 1_000 }), { minLength: 1, maxLength: 8 }), {
      minLength: 1,
      maxLength: 5,
    })
    const share = fc.constantFrom(0.5, 0.95, 0.99)
    const few = pooledQuantileComparer({ resamples: 10 })
    fc.assert(
      fc.property(visits, share, (samples, at) => {
        const pooled = sorted(samples.flat())
        const { arm } = few(
          samples.map((each) => ({ arm: each, against: each })),
          at,
        )
        equal(arm, pooled[Math.ceil(at * pooled.length) - 1])
      }),
    )
  })

  it('hold what is true in their intervals about as often as they say', () => {
    const random = seededRandom(11)
    /** Exponential: p95 is 3 times the mean, nearly. */
    const visit = (mean: number) => Array.from({ length: 40 }, () => -mean * Math.log(1 - random.next()))
    const runs = upTo(120).map(() => {
      const pairs = upTo(16).map(() => ({ arm: visit(1.5), against: visit(1) }))
      return pooledQuantileComparer({ resamples: 400 })(pairs, 0.95).ratio
    })
    const holding = runs.filter((ratio) => ratio && ratio.lower <= 1.5 && ratio.upper >= 1.5).length
    ok(holding / runs.length > 0.87, `${holding} of ${runs.length}`)
  })

  it('have no ratio to nothing', () => {
    const { ratio, added } = compare([{ arm: [2, 2], against: [0, 0] }], 0.5)
    equal(ratio, undefined)
    equal(added.estimate, 2)
  })

  it('are the same for the same seed', () => {
    const pairs = [
      { arm: [3, 9, 4], against: [2, 2, 8] },
      { arm: [1, 5, 6], against: [2, 7, 3] },
    ]
    deepEqual(compare(pairs, 0.95), pooledQuantileComparer()(pairs, 0.95))
  })
})
