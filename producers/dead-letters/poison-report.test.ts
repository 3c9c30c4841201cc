import { deepEqual, match } from 'node:assert/strict'
import { oneLetter } from './letters-for-tests.ts'
import type { Ended, PoisonReport } from './poison.ts'
import { describePoison, faultsOf } from './poison-report.ts'

const checkout = (kind: Ended['kind'], millis: number, status = 'completed'): Ended => ({
  kind,
  millis,
  view: { checkoutId: 'some-id', status, traceId: null, steps: [] },
})

/** Twenty on each side, so that one is beyond the 95th percentile; one that fails, and two dead letters. */
const report = (changes: Partial<PoisonReport> = {}, amongMillis = 100): PoisonReport => ({
  ended: [
    ...Array.from({ length: 20 }, () => checkout('without poison', 100)),
    ...Array.from({ length: 19 }, () => checkout('among poison', amongMillis)),
    checkout('among poison', 5_000),
    checkout('failing', 60_000, 'compensated'),
  ],
  deadLetters: [oneLetter(), oneLetter({ 'dead-letter-error-code': 'not_json' })],
  ...changes,
})
const poison = { malformed: 1, failing: 1 }

describe('the report of a load with poison', () => {
  it('finds nothing where each poison has its dead letter and all others are about as fast', () => {
    deepEqual(faultsOf(poison, report({}, 200)), [])
    const text = describePoison(report({}, 200)).join('\n')
    match(text, /among poison +20 checkouts +p50 200 ms +p95 200 ms +p99 5000 ms/)
    match(text, /2\.00 times/)
    match(text, /2 dead letters: 1 unreadable_network_answer, 1 not_json/)
  })

  it('finds a dead letter too few, and one too many', () => {
    deepEqual(faultsOf(poison, report({ deadLetters: [oneLetter()] })), ['1 dead letters instead of 2'])
    deepEqual(faultsOf({ malformed: 1, failing: 0 }, report()), ['2 dead letters instead of 1'])
  })

  it('finds others that poison has made slower than twice', () => {
    deepEqual(faultsOf(poison, report({}, 201)), [
      'p95 among poison is 2.01 times that without, and 2 is the most',
    ])
  })

  it('finds a checkout that did not end as it must, and nothing to compare', () => {
    const { ended } = report()
    const wrong = [...ended, checkout('among poison', 100, 'compensated'), checkout('failing', 100)]
    deepEqual(faultsOf(poison, report({ ended: wrong })), [
      'some-id, among poison, is compensated',
      'some-id, failing, is completed',
    ])
    match(faultsOf(poison, report({ ended: [] })).join(), /NaN times/)
  })
})
