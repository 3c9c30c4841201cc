import { deepEqual, equal } from 'node:assert/strict'
import { mean, median, quantile } from './quantiles.ts'

describe('quantiles', () => {
  it('lie between the closest ranks', () => {
    const samples = [10, 20, 30, 40]
    deepEqual(
      [0, 0.5, 0.95, 1].map((share) => Math.round(quantile(samples, share) * 10) / 10),
      [10, 25, 38.5, 40],
    )
    equal(quantile([7], 0.95), 7)
  })

  it('have the median in the middle, whatever the order', () => {
    equal(median([3, 1, 2]), 2)
    equal(median([4, 1, 3, 2]), 2.5)
  })

  it('are not a number of nothing', () => {
    deepEqual([median([]), mean([])], [NaN, NaN])
  })
})
