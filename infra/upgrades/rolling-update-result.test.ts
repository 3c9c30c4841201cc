import { deepEqual, match } from 'node:assert/strict'
import type { RollingUpdateResult } from './run-rolling-update.ts'
import { describeResult, faultsOf } from './run-rolling-update.ts'

const well: RollingUpdateResult = {
  seed: 1,
  findings: [],
  counts: {
    accepted: 100,
    unanswered: 0,
    refused: 0,
    repeatedAnswers: 5,
    failedRequests: { 503: 3, TimeoutError: 1 },
    ended: { completed: 80, compensated: 15, rejected: 5 },
    expired: 0,
    messages: 800,
    duplicateMessages: 0,
    commits: 700,
    lastEndAtMillis: 0,
  },
  restarts: [{ service: 'orders', replica: 1, drainMillis: 900, ended: 'exit code 0', startMillis: 2_000 }],
  toEndMillis: { p50: 50, p99: 700, longest: 1_500 },
  tookMillis: 40_000,
}

describe('the result of a rolling update', () => {
  it('is without fault when only busy answers came in between', () => {
    deepEqual(faultsOf(well), [])
    match(describeResult(well), /PASSED\.$/)
  })

  const faults: readonly [what: string, Partial<RollingUpdateResult>, RegExp][] = [
    [
      'something was lost',
      { findings: [{ kind: 'lost', about: 'checkout-1', detail: 'told 202' }] },
      /lost checkout-1/,
    ],
    [
      'a request was cut off',
      { counts: { ...well.counts, failedRequests: { ECONNRESET: 2 } } },
      /2 requests/,
    ],
    [
      'a service did not drain in time',
      { restarts: well.restarts.map((restart) => ({ ...restart, ended: 'force, after 25.0 s' })) },
      /orders 1 ended by force/,
    ],
    [
      'most clients gave up',
      { counts: { ...well.counts, accepted: 88, unanswered: 12 } },
      /12 of 100 clients were never told/,
    ],
    ['there was no load', { counts: { ...well.counts, accepted: 0 } }, /nothing was shown/],
  ]
  for (const [what, changes, words] of faults) {
    it(`has a fault when ${what}`, () => {
      const [fault = '', ...others] = faultsOf({ ...well, ...changes })
      match(fault, words)
      deepEqual(others, [])
      match(describeResult({ ...well, ...changes }), /FAILED: 1 faults\.$/)
    })
  }
})
