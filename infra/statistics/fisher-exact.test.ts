import { equal, ok } from 'node:assert/strict'
import { fisherExact } from './fisher-exact.ts'

describe("Fisher's exact test", () => {
  it('finds what is in the books', () => {
    // The lady tasting tea, and a table of R's fisher.test.
    equal(fisherExact(3, 4, 1, 4).toFixed(4), '0.4857')
    equal(fisherExact(1, 10, 11, 14).toFixed(6), '0.002759')
  })

  it('is sure of nothing where the shares are the same, and nearly sure where all and none are', () => {
    equal(fisherExact(5, 10, 50, 100).toFixed(9), '1.000000000')
    equal(fisherExact(0, 10, 0, 20), 1)
    ok(fisherExact(0, 50, 50, 50) < 1e-20)
    ok(fisherExact(400, 1_000, 600, 1_000) < 1e-10)
  })
})
