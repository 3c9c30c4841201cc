import { deepEqual, equal } from 'node:assert/strict'
import { microsOf, millis, signedMillis, tickLabel, ticksFor } from './format.ts'

describe('how the console writes numbers', () => {
  it('writes durations in milliseconds with two digits', () => {
    deepEqual([0, 999, 1_234_567].map(millis), ['0.00 ms', '1.00 ms', '1234.57 ms'])
    deepEqual([-1_500, 1_500].map(signedMillis), ['−1.50 ms', '+1.50 ms'])
  })

  it('keeps the microseconds of a log line', () => {
    equal(microsOf('1970-01-01T00:00:01.000007Z'), 1_000_007)
    equal(microsOf('1970-01-01T00:00:01Z'), 1_000_000)
    equal(microsOf('1970-01-01T00:00:01.123456789Z'), 1_123_456)
  })

  it('divides an axis at round numbers', () => {
    deepEqual(ticksFor(103_000), [0, 50_000, 100_000])
    deepEqual(ticksFor(9_000), [0, 2_000, 4_000, 6_000, 8_000])
    deepEqual(ticksFor(0), [0])
    deepEqual([0, 500, 50_000, 20_000_000].map(tickLabel), ['0 ms', '0.5 ms', '50 ms', '20 s'])
  })
})
