/**
 * What a result of the lab says: of each comparison and figure the median of the paired ratios, arm by baseline, and of the
 * paired differences, with 95 % intervals from the bootstrap; and whether the run may be believed at all.
 */
import type { Interval } from '../../statistics/bootstrap.ts'
import { medianIntervals, surestFor } from '../../statistics/bootstrap.ts'
import type { PooledQuantileComparer, SampledPair } from '../../statistics/pooled-quantiles.ts'
import { pooledQuantileComparer } from '../../statistics/pooled-quantiles.ts'
import { median } from '../../statistics/quantiles.ts'
import { arms } from '../arms/arms.ts'
import type { Comparison, LabResult, Sample } from '../lab-result.ts'
import type { Unit } from './figures.ts'
import { figuresFor } from './figures.ts'

export interface FigureCompared {
  readonly key: string
  readonly title: string
  readonly unit: Unit
  /** Medians over the visits; of a high quantile, that of the checkouts of all visits, and so are ratio and difference. */
  readonly arm: number
  readonly against: number
  /** Of arm by baseline, pair by pair; undefined where some baseline is 0. */
  readonly ratio: Interval | undefined
  /** Of arm without baseline, pair by pair. */
  readonly added: Interval
  /** Of each pair in the order in which they were measured. */
  readonly pairs: readonly { readonly arm: number; readonly against: number }[]
}

/** Over all visits of one side. */
export interface SpanSums {
  readonly ended: number
  readonly received: number
  readonly dropped: number
  /** Visits whose ended spans are not those received and dropped. */
  readonly visitsThatDiffer: number
}

export interface ComparisonAnalysed {
  readonly arm: string
  readonly against: string
  readonly what: string
  readonly group: string
  readonly commit: string
  readonly startedAt: string
  readonly endedAt: string
  readonly pairCount: number
  readonly services: readonly string[]
  readonly figures: ReadonlyMap<string, FigureCompared>
  /** Undefined for a side without a Collector. */
  readonly spans: { readonly arm: SpanSums | undefined; readonly against: SpanSums | undefined }
}

/** The same arm twice: how far apart two of a kind are on this machine. */
export interface Control {
  readonly throughput: Interval
  readonly pairCount: number
  /** The estimate is within what is allowed. */
  readonly isWithin: boolean
}

export interface LabAnalysed {
  readonly form: LabResult['form']
  readonly machine: LabResult['machine']
  readonly startedAt: string
  readonly endedAt: string
  readonly comparisons: readonly ComparisonAnalysed[]
  /** Undefined when the run had none. */
  readonly control: Control | undefined
  /** Why nothing here may be believed; undefined when it may. The short form only says how wide its control was. */
  readonly voidBecause: string | undefined
}

export const controlBounds = { lower: 0.98, upper: 1.02 }

/** How sure an interval of so many pairs is: 95 %, or less where they are too few for that. */
export const confidenceOf = (pairCount: number): number => Math.min(0.95, surestFor(pairCount))

const places = new Map(arms.map(({ name }, place) => [name, place]))
const placeOf = ({ arm }: Comparison): number => places.get(arm) ?? arms.length

/** Comparisons are in the order of the arms, in whichever they were recorded. */
export function analyse(result: LabResult): LabAnalysed {
  const statistics = { intervalOf: medianIntervals(), comparePooled: pooledQuantileComparer() }
  const comparisons = result.comparisons
    .toSorted((one, other) => placeOf(one) - placeOf(other))
    .map((each) => analyseComparison(each, statistics))
  const control = controlOf(comparisons)
  const { form, machine, startedAt, endedAt } = result
  return {
    form,
    machine,
    startedAt,
    endedAt,
    comparisons,
    control,
    voidBecause: form === 'short' ? undefined : whyVoid(control),
  }
}

/** One for all comparisons: what they draw is drawn once. */
interface Statistics {
  readonly intervalOf: (samples: readonly number[]) => Interval
  readonly comparePooled: PooledQuantileComparer
}

function analyseComparison(
  comparison: Comparison,
  { intervalOf, comparePooled }: Statistics,
): ComparisonAnalysed {
  const { arm, against, what, group, commit, startedAt, endedAt, pairs } = comparison
  const services = [...new Set(pairs.flatMap((pair) => servicesOf(pair.arm)))].filter((service) =>
    pairs.every((pair) => [pair.arm, pair.against].every((side) => servicesOf(side).includes(service))),
  )
  const figures = new Map<string, FigureCompared>()
  for (const { key, title, unit, of, pooled } of figuresFor(services)) {
    const values = pairs.map((pair) => ({ arm: of(pair.arm), against: of(pair.against) }))
    const known = values.flatMap((each) =>
      each.arm === undefined ? [] : [{ arm: each.arm, against: each.against ?? 0 }],
    )
    // A figure that some visits lack cannot be compared, and one that is 0 everywhere is no figure of this arm.
    if (known.length < pairs.length || known.every((each) => each.arm === 0 && each.against === 0)) continue
    const compared = compare(known, intervalOf)
    const sampled = pooled ? pairs.flatMap((pair) => sampledPair(pair, pooled.samplesOf)) : []
    const together =
      pooled && sampled.length === pairs.length ? comparePooled(sampled, pooled.share) : undefined
    figures.set(key, { key, title, unit, ...compared, ...together })
  }
  const sums = (side: 'arm' | 'against') => sumSpans(pairs.map((pair) => pair[side]))
  return {
    arm,
    against,
    what,
    group,
    commit,
    startedAt,
    endedAt,
    pairCount: pairs.length,
    services,
    figures,
    spans: { arm: sums('arm'), against: sums('against') },
  }
}

/** Nothing where a side has no samples. */
function sampledPair(
  { arm, against }: Comparison['pairs'][number],
  samplesOf: (sample: Sample) => readonly number[] | undefined,
): SampledPair[] {
  const [ofArm = [], ofAgainst = []] = [samplesOf(arm), samplesOf(against)]
  return ofArm.length > 0 && ofAgainst.length > 0 ? [{ arm: ofArm, against: ofAgainst }] : []
}

const servicesOf = (sample: Sample): string[] => Object.keys(sample.serviceRssBytes)

function compare(
  pairs: FigureCompared['pairs'],
  intervalOf: (samples: readonly number[]) => Interval,
): Pick<FigureCompared, 'arm' | 'against' | 'ratio' | 'added' | 'pairs'> {
  const hasRatio = pairs.every(({ against }) => against > 0)
  return {
    arm: median(pairs.map(({ arm }) => arm)),
    against: median(pairs.map(({ against }) => against)),
    ratio: hasRatio ? intervalOf(pairs.map(({ arm, against }) => arm / against)) : undefined,
    added: intervalOf(pairs.map(({ arm, against }) => arm - against)),
    pairs,
  }
}

function sumSpans(samples: readonly Sample[]): SpanSums | undefined {
  const counted = samples.flatMap(({ spans }) => spans ?? [])
  if (counted.length === 0) return undefined
  const sum = (name: 'ended' | 'received' | 'dropped') =>
    counted.reduce((total, spans) => total + spans[name], 0)
  return {
    ended: sum('ended'),
    received: sum('received'),
    dropped: sum('dropped'),
    visitsThatDiffer: counted.filter(({ ended, received, dropped }) => ended !== received + dropped).length,
  }
}

export const controlGroup = 'control'

function controlOf(comparisons: readonly ComparisonAnalysed[]): Control | undefined {
  const found = comparisons.find(({ group }) => group === controlGroup)
  const throughput = found?.figures.get('throughput')?.ratio
  if (!found || !throughput) return undefined
  const { lower, upper } = controlBounds
  return {
    throughput,
    pairCount: found.pairCount,
    isWithin: throughput.estimate >= lower && throughput.estimate <= upper,
  }
}

function whyVoid(control: Control | undefined): string | undefined {
  const { lower, upper } = controlBounds
  if (!control) return 'there is no control: nothing says how far apart two of a kind are'
  if (control.isWithin) return undefined
  return (
    `the control is at ${control.throughput.estimate.toFixed(3)}, outside of ${lower} to ${upper}: ` +
    'two of a kind are told apart here, so any others may be'
  )
}
