import { equal, match } from 'node:assert/strict'
import { describeResult, hasPassed } from './chaos-report.ts'
import { check } from './checker.ts'
import type { ChaosResult } from './run-chaos.ts'

const run = (changes: Partial<ChaosResult>, counts: Partial<ChaosResult['counts']> = {}): ChaosResult => {
  const verdict = check({ told: [], commits: [], ledger: [], register: [], messages: [], deadLetters: [] })
  return {
    ...verdict,
    counts: { ...verdict.counts, accepted: 9, unanswered: 1, duplicateMessages: 3, ...counts },
    seed: 1,
    faults: [],
    unplannedEnds: [],
    redeliveries: 0,
    lastEndAfterLastFaultMillis: 1_234,
    tookMillis: 60_000,
    ...changes,
  }
}

describe('the report of chaos', () => {
  it('passes a run in which nothing was found and the faults have landed', () => {
    equal(hasPassed(run({})), true)
    match(describeResult(run({})), /ended 1\.2 s after the last fault[^]*PASSED/)
  })

  it('fails a run with a finding, and says which', () => {
    const failed = run({ findings: [{ kind: 'lost', about: 'some-id', detail: 'was told 202' }] })
    equal(hasPassed(failed), false)
    match(describeResult(failed), /1 +lost[^]*lost some-id: was told 202[^]*FAILED: 1 finding/)
  })

  it('fails a run without a duplicate: its faults have met nothing', () => {
    equal(hasPassed(run({}, { duplicateMessages: 0 })), false)
    equal(hasPassed(run({ redeliveries: 1 }, { duplicateMessages: 0 })), true)
  })

  it('fails a run in which most clients were never told 202: it has shown little', () => {
    equal(hasPassed(run({}, { accepted: 4, unanswered: 6 })), false)
  })

  it('shows for each kind of fault how long it took to mend it and to catch up', () => {
    const fault = { kind: 'kill', target: 'users' } as const
    const faults = [1_000, 3_000, 2_000].map((took) => ({
      fault,
      atMillis: 0,
      mendedAtMillis: took,
      caughtUpAfterMillis: took === 3_000 ? undefined : 2 * took,
    }))
    match(describeResult(run({ faults })), /kill a service +3 +2\.0 s, 3\.0 s +4\.0 s, 4\.0 s, 1 never/)
  })
})
