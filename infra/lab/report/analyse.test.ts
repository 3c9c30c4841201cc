import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { LabResult } from '../lab-result.ts'
import { labResult } from '../lab-result.ts'
import { median, sorted } from '../../statistics/quantiles.ts'
import { analyse, confidenceOf } from './analyse.ts'
import { figuresFor } from './figures.ts'
import { comparisonOf, madeUpResult, truths } from './lab-result-for-tests.ts'

const figureOf = (result: LabResult, arm: string, key: string) => {
  const found = analyse(result)
    .comparisons.find((each) => each.arm === arm)
    ?.figures.get(key)
  if (!found) throw new Error(`${arm} has no ${key}`)
  return found
}

describe('a result of the lab, analysed', function () {
  this.timeout(20_000)

  it('is made up as the lab would write it', () => {
    deepEqual(labResult.parse(JSON.parse(JSON.stringify(madeUpResult()))), madeUpResult())
  })

  it('finds the true ratio behind a drift that is many times as large, and its interval is narrow', () => {
    const { ratio, arm, against, added } = figureOf(madeUpResult(), 'all', 'cpu.saturation.services')
    ok(ratio)
    ok(Math.abs(ratio.estimate - 1.1) < 0.015, `${ratio.estimate}`)
    ok(ratio.lower < 1.1 && 1.1 < ratio.upper && ratio.upper - ratio.lower < 0.05)
    ok(arm > against)
    ok(added.lower > 0.2 && added.upper < 0.45, JSON.stringify(added))
  })

  it('holds the true ratio in as many intervals as it says', () => {
    const runs = 120
    const held = Array.from(
      { length: runs },
      (_, seed) =>
        analyse(
          madeUpResult({
            comparisons: [
              comparisonOf({
                arm: 'all',
                against: 'off',
                truth: truths.all,
                againstTruth: truths.off,
                seed: 50 + seed,
                noise: 0.03,
              }),
            ],
          }),
        ).comparisons[0]?.figures.get('throughput')?.ratio,
    ).filter(
      (ratio) =>
        ratio &&
        ratio.lower <= truths.all.checkoutsPerSecond / 200 &&
        ratio.upper >= truths.all.checkoutsPerSecond / 200,
    )
    ok(held.length / runs > 0.88 && held.length / runs <= 0.995, `${held.length} of ${runs}`)
  })

  it('takes p99 of the checkouts of all visits, and the median of the visits where they do not have each of them', () => {
    const result = madeUpResult({ noise: 0.2 })
    const [all] = result.comparisons.filter(({ arm }) => arm === 'all')
    ok(all)
    const visits = all.pairs.map(({ arm }) => arm.halfLoad.toEndMillis)
    const pooled = sorted(visits.flatMap(({ each = [] }) => each))
    const { arm, ratio, against } = figureOf(result, 'all', 'toEnd.p99')
    equal(arm, pooled[Math.ceil(pooled.length * 0.99) - 1])
    equal(ratio?.estimate, arm / against)

    const { halfLoad } = all.pairs[0]?.arm ?? {}
    ok(halfLoad)
    Reflect.deleteProperty(halfLoad.toEndMillis, 'each')
    equal(figureOf(result, 'all', 'toEnd.p99').arm, median(visits.map(({ p99 }) => p99)))
  })

  it('adds up the parts, sample by sample, and has each service', () => {
    const [pair] = madeUpResult({ noise: 0 }).comparisons[1]?.pairs ?? []
    ok(pair)
    const { services, collector, broker, store } = pair.arm.halfLoad.cpuMillisPerCheckout
    const { pairs } = figureOf(madeUpResult({ noise: 0 }), 'all', 'cpu.halfLoad.all')
    equal(pairs[0]?.arm, services + collector + broker + store)
    ok(figureOf(madeUpResult(), 'all', 'rss.service.orders').ratio)
    equal(new Set(figuresFor(['orders']).map(({ key }) => key)).size, figuresFor(['orders']).length)
  })

  it('has a difference but no ratio where the baseline has nothing, and no figure where neither has', () => {
    const collector = figureOf(madeUpResult(), 'all', 'cpu.saturation.collector')
    equal(collector.ratio, undefined)
    ok(collector.added.lower > 0)
    const perSpan = figureOf(madeUpResult(), 'all', 'wire.perSpan')
    ok(Math.abs(perSpan.arm - 60) < 0.1, `${perSpan.arm}`)
    equal(analyse(madeUpResult()).comparisons[0]?.figures.get('wire.perCheckout'), undefined)
  })

  it('is void when its control is off, or missing, but for the short form, which only says how wide it was', () => {
    const { control, voidBecause } = analyse(madeUpResult())
    ok(control?.isWithin)
    equal(voidBecause, undefined)
    const apart = comparisonOf({
      arm: 'off-again',
      against: 'off',
      group: 'control',
      truth: { ...truths.off, checkoutsPerSecond: 206 },
      againstTruth: truths.off,
      noise: 0,
    })
    match(
      analyse(madeUpResult({ comparisons: [apart] })).voidBecause ?? '',
      /1\.030, outside of 0\.98 to 1\.02/,
    )
    const short = analyse(madeUpResult({ comparisons: [apart], form: 'short' }))
    equal(short.voidBecause, undefined)
    equal(short.control?.isWithin, false)
    match(analyse(madeUpResult({ comparisons: [] })).voidBecause ?? '', /no control/)
  })

  it('says when spans that ended were neither received nor dropped', () => {
    const result = madeUpResult()
    deepEqual(analyse(result).comparisons[1]?.spans.arm?.visitsThatDiffer, 0)
    equal(analyse(result).comparisons[1]?.spans.against, undefined)
    const [pair] = result.comparisons[1]?.pairs ?? []
    ok(pair?.arm.spans)
    pair.arm.spans.received -= 3
    pair.arm.spans.dropped += 1
    const { ended, received, dropped, visitsThatDiffer } = analyse(result).comparisons[1]?.spans.arm ?? {}
    equal(Number(ended) - Number(received) - Number(dropped), 2)
    equal(visitsThatDiffer, 1)
  })

  it('is as sure as its pairs allow', () => {
    deepEqual([3, 10].map(confidenceOf), [0.75, 0.95])
  })
})
