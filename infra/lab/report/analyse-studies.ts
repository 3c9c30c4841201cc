/** What the studies say: how the cost of a checkout bends while something grows, and what each sampler leaves of the truth. */
import type { Interval } from '../../statistics/bootstrap.ts'
import { mediansComparer } from '../../statistics/bootstrap.ts'
import { median } from '../../statistics/quantiles.ts'
import type {
  GrowthAxis,
  GrowthPoint,
  GrowthStudy,
  SamplingStrategy,
  SamplingStudy,
} from '../study-results.ts'
import { growthAxes } from '../study-results.ts'

/** Within this the cost counts as flat. */
export const flatWithin = 0.1

export interface GrowthStep {
  /** Of what grows. */
  readonly at: number
  readonly point: GrowthPoint
  readonly checkoutsPerSecond: number
  /** Processor time a checkout, milliseconds: medians over the rounds. */
  readonly cpuMillis: Readonly<Record<string, number>>
  readonly cpuMillisOfAll: number
  /** Of all parts together, by the first step; undefined where the first cost nothing. */
  readonly ratio: Interval | undefined
}

export interface GrowthSeries {
  readonly axis: GrowthAxis
  /** By what grows, ascending. */
  readonly steps: readonly GrowthStep[]
  readonly isFlat: boolean
  /** Where it is not: the part whose cost changed most between the first step and the one furthest from it. */
  readonly bentBy:
    { readonly part: string; readonly fromMillis: number; readonly toMillis: number } | undefined
}

const sumOf = (values: Readonly<Record<string, number>>): number =>
  Object.values(values).reduce((sum, value) => sum + value, 0)

export function analyseGrowth({ points }: GrowthStudy): GrowthSeries[] {
  const compare = mediansComparer({})
  return growthAxes.flatMap((axis) => {
    const ofAxis = points
      .filter((point) => point.axis === axis)
      .toSorted((one, other) => one[axis] - other[axis])
    const [first] = ofAxis
    if (!first) return []
    const costs = (point: GrowthPoint) =>
      point.rounds.map(({ cpuMillisPerCheckout }) => sumOf(cpuMillisPerCheckout))
    const steps = ofAxis.map((point): GrowthStep => {
      return {
        at: point[axis],
        point,
        checkoutsPerSecond: median(point.rounds.map(({ checkoutsPerSecond }) => checkoutsPerSecond)),
        cpuMillis: medianOfParts(point),
        cpuMillisOfAll: median(costs(point)),
        ratio: compare(costs(first), costs(point)).ratio,
      }
    })
    const furthest = steps.toSorted((one, other) => bend(other) - bend(one))[0]
    const isFlat = furthest === undefined || bend(furthest) <= flatWithin
    return [{ axis, steps, isFlat, bentBy: isFlat || !steps[0] ? undefined : whatBends(steps[0], furthest) }]
  })
}

const bend = ({ ratio }: GrowthStep): number => Math.abs((ratio?.estimate ?? 1) - 1)

function medianOfParts({ rounds }: GrowthPoint): Record<string, number> {
  const names = new Set(rounds.flatMap(({ cpuMillisPerCheckout }) => Object.keys(cpuMillisPerCheckout)))
  return Object.fromEntries(
    [...names].map((part) => [
      part,
      median(rounds.map(({ cpuMillisPerCheckout }) => cpuMillisPerCheckout[part] ?? 0)),
    ]),
  )
}

function whatBends(first: GrowthStep, last: GrowthStep): GrowthSeries['bentBy'] {
  const changes = Object.entries(last.cpuMillis).map(([part, toMillis]) => ({
    part,
    fromMillis: first.cpuMillis[part] ?? 0,
    toMillis,
  }))
  const size = (change: { readonly fromMillis: number; readonly toMillis: number }) =>
    Math.abs(change.toMillis - change.fromMillis)
  return changes.toSorted((one, other) => size(other) - size(one))[0]
}

export interface StrategyAnalysed {
  readonly name: string
  readonly what: string
  readonly tracesPerSecond: number | undefined
  readonly offered: number
  /** Of the offered checkouts, those whose trace is whole. */
  readonly wholeShare: number
  /** Of the traces that are there at all, those that are not whole. */
  readonly brokenShare: number
  /** Whole traces of the failed, and of the slow; undefined where there were none. */
  readonly keptOfFailed: number | undefined
  readonly keptOfSlow: number | undefined
  /** How far each estimate is from what is so, as a share of it: the median over the rounds, and its name. */
  readonly errors: readonly { readonly what: string; readonly error: number }[]
  readonly wireBytesPerCheckout: number
  readonly backendBytesPerCheckout: number
  readonly spansPerCheckout: number
  /** Medians over the rounds, milliseconds. */
  readonly addedCpuMillis: Readonly<Record<string, number>>
}

export const analyseSampling = ({ strategies }: SamplingStudy): StrategyAnalysed[] =>
  strategies.map(judgeStrategy)

function judgeStrategy({ name, what, tracesPerSecond, rounds }: SamplingStrategy): StrategyAnalysed {
  type Round = SamplingStrategy['rounds'][number]
  const total = (value: (round: Round) => number) => rounds.reduce((sum, round) => sum + value(round), 0)
  const offered = total((round) => round.offered)
  const share = (part: number, whole: number) => (whole === 0 ? undefined : part / whole)
  const perCheckout = (value: (round: Round) => number) => share(total(value), offered) ?? 0
  const names = new Set(rounds.flatMap((round) => round.estimates.map((each) => each.what)))
  const parts = new Set(rounds.flatMap((round) => Object.keys(round.addedCpuMillisPerCheckout)))
  return {
    name,
    what,
    tracesPerSecond,
    offered,
    wholeShare: perCheckout((round) => round.whole),
    brokenShare:
      share(
        total((round) => round.traced - round.whole),
        total((round) => round.traced),
      ) ?? 0,
    keptOfFailed: share(
      total((round) => round.failed.kept),
      total((round) => round.failed.offered),
    ),
    keptOfSlow: share(
      total((round) => round.slow.kept),
      total((round) => round.slow.offered),
    ),
    errors: [...names].map((estimated) => ({
      what: estimated,
      error: median(
        rounds.flatMap((round) =>
          round.estimates
            .filter((each) => each.what === estimated && each.truth !== 0)
            .map(({ truth, estimate }) => Math.abs(estimate / truth - 1)),
        ),
      ),
    })),
    wireBytesPerCheckout: perCheckout((round) => round.wireBytes),
    backendBytesPerCheckout: perCheckout((round) => round.backendBytes),
    spansPerCheckout: perCheckout((round) => round.spans),
    addedCpuMillis: Object.fromEntries(
      [...parts].map((part) => [
        part,
        median(rounds.map((round) => round.addedCpuMillisPerCheckout[part] ?? 0)),
      ]),
    ),
  }
}

/** The sampler that holds a rate, under many times of it: the furthest from its rate, as a share of it. */
export function burstError({ burst }: SamplingStudy): number | undefined {
  if (!burst) return undefined
  return Math.max(
    ...burst.sampledPerSecond.map((perSecond) => Math.abs(perSecond / burst.limitPerSecond - 1)),
  )
}
