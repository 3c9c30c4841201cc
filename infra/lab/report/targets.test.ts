import { deepEqual, equal, ok } from 'node:assert/strict'
import { arms } from '../arms/arms.ts'
import type { StudyResults } from '../study-results.ts'
import { studyResults } from '../study-results.ts'
import { analyse } from './analyse.ts'
import type { MadeUp } from './lab-result-for-tests.ts'
import { madeUpResult, truths } from './lab-result-for-tests.ts'
import { madeUpStudies } from './studies-for-tests.ts'
import { judge, targets, verdictOn } from './targets.ts'

const judged = (madeUp: MadeUp = {}, studies: StudyResults = madeUpStudies()) =>
  new Map(judge({ lab: analyse(madeUpResult(madeUp)), studies }).map((target) => [target.key, target]))

describe('the numbers to reach', function () {
  this.timeout(20_000)

  it('are those of the issue, each once', () => {
    deepEqual(
      targets.map(({ sense, limit }) => `${sense} ${limit}`),
      [
        'at least 0.95',
        'at most 1.05',
        'at most 0.25',
        'at most 0.2',
        'at most 1.25',
        'at most 1.5',
        'at most 0.03',
        'at most 0.05',
        'at most 80',
        'at least 0.99',
        `at most ${30 * 2 ** 20}`,
        'at least 0.99',
        `at most ${30 * 2 ** 20}`,
        'at most 1.15',
      ],
    )
    equal(new Set(targets.map(({ key }) => key)).size, targets.length)
  })

  it('are met or not as a whole interval lies, undecided when the limit is in it, and not measured without', () => {
    const interval = { estimate: 1, lower: 0.9, upper: 1.1 }
    const limits = [0.8, 0.9, 1, 1.1, 1.2]
    deepEqual(
      limits.map((limit) => verdictOn({ sense: 'at most', limit }, interval)),
      ['not met', 'undecided', 'undecided', 'met', 'met'],
    )
    deepEqual(
      limits.map((limit) => verdictOn({ sense: 'at least', limit }, interval)),
      ['met', 'met', 'undecided', 'undecided', 'not met'],
    )
    equal(verdictOn({ sense: 'at most', limit: 1 }), 'not measured')
  })

  it('find what was made up', () => {
    const found = judged()
    const estimate = (key: string) => found.get(key)?.measured?.interval.estimate ?? NaN
    const about = (key: string, wanted: number, within: number) =>
      ok(Math.abs(estimate(key) - wanted) < within, `${key}: ${estimate(key)}`)
    about('throughput', truths.all.checkoutsPerSecond / 200, 0.015)
    about('p99', 1.1, 0.02)
    about('added by auto-instrumentations', 0.1 / 0.9, 0.02)
    about('added at a tenth', 0.15, 0.15)
    about('saga p50', 20 / 17, 0.03)
    about('idle', 0.02, 0.001)
    about('outbox', 2 / 260, 0.001)
    about('bytes a span', 60, 0.5)
    about('memory', 1.05, 0.03)
    equal(found.get('p99')?.verdict, 'not met')
    equal(found.get('added by auto-instrumentations')?.verdict, 'met')
    equal(found.get('idle')?.verdict, 'met')
    equal(found.get('collector down: memory')?.verdict, 'met')
    ok(found.get('memory')?.measured?.detail)
  })

  it('are as sure as there are pairs', () => {
    equal(judged({ pairs: 3 }).get('throughput')?.measured?.confidence, 0.75)
    equal(judged().get('collector down: throughput')?.measured?.confidence, 0.75)
  })

  it('are not measured where the run has not what it takes', () => {
    const nothing = judged({ comparisons: [] }, {})
    deepEqual(new Set([...nothing.values()].map(({ verdict }) => verdict)), new Set(['not measured']))
  })

  it('are found by names that arms have, each beside the baseline that the lab gives it', () => {
    const baselines = new Map(arms.map(({ name, against }) => [name, against]))
    for (const { arm, against } of madeUpResult().comparisons) equal(baselines.get(arm), against, arm)
  })

  it('are made up of studies as the lab would write them', () => {
    deepEqual(studyResults.parse(JSON.parse(JSON.stringify(madeUpStudies()))), madeUpStudies())
  })
})
