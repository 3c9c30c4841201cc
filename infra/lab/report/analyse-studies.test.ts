import { deepEqual, equal, ok } from 'node:assert/strict'
import { analyseGrowth, analyseSampling, burstError } from './analyse-studies.ts'
import { madeUpStudies } from './studies-for-tests.ts'

describe('the growth study, analysed', () => {
  const { growth } = madeUpStudies()

  it('calls flat what stays within a tenth of the first step, and names the part that bends it otherwise', () => {
    const series = new Map(analyseGrowth(growth).map((each) => [each.axis, each]))
    deepEqual(
      [...series].map(([axis, { isFlat }]) => [axis, isFlat]),
      [
        ['partitions', true],
        ['inFlight', true],
        ['storedCommits', false],
      ],
    )
    const bent = series.get('storedCommits')
    equal(bent?.bentBy?.part, 'services')
    ok(Math.abs(bent.bentBy.toMillis - 4.8) < 0.1)
    const ratio = bent.steps.at(-1)?.ratio
    ok(ratio && ratio.lower > 1.2 && ratio.upper < 1.35, JSON.stringify(ratio))
  })

  it('puts the steps in their order, whatever order they were measured in', () => {
    const shuffled = { ...growth, points: growth.points.toReversed() }
    deepEqual(
      analyseGrowth(shuffled).map(({ steps }) => steps.map(({ at }) => at)),
      [
        [1, 4, 16],
        [1, 32, 1_000],
        [0, 100_000, 1_000_000],
      ],
    )
  })
})

describe('the sampling study, analysed', () => {
  const { sampling } = madeUpStudies()
  const strategies = new Map(analyseSampling(sampling).map((each) => [each.name, each]))

  it('says for each strategy what is whole, what is kept of what matters, and what it costs', () => {
    const tail = strategies.get('tail sampling')
    deepEqual([tail?.wholeShare, tail?.brokenShare, tail?.keptOfFailed, tail?.keptOfSlow], [0.2, 0, 1, 1])
    equal(tail?.wireBytesPerCheckout, 34 * 60)
    equal(tail.backendBytesPerCheckout, 408)
    ok(Math.abs((tail.addedCpuMillis.collector ?? 0) - 0.35) < 0.02)
    ok((tail.errors[0]?.error ?? 1) < 0.03)
  })

  it('has no share of failed ones where none failed', () => {
    const [strategy] = sampling.strategies
    const none = { offered: 0, kept: 0 }
    const rounds = strategy?.rounds.map((round) => ({ ...round, failed: none })) ?? []
    const [judged] = analyseSampling({ ...sampling, strategies: strategy ? [{ ...strategy, rounds }] : [] })
    equal(judged?.keptOfFailed, undefined)
    equal(judged?.keptOfSlow, 1)
  })

  it('takes the furthest from its rate for the error of the sampler that holds one', () => {
    ok(Math.abs((burstError(sampling) ?? 0) - 0.02) < 1e-9)
  })
})
