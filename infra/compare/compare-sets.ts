/**
 * Many traces against many: what differs between them beyond chance, and what the difference in length is made of.
 *
 * Each set becomes one tree (profile.ts), and the two trees are matched as two traces are. Of each span the medians
 * are compared, with intervals from the bootstrap. The confidence is that of all comparisons together (Bonferroni):
 * with 95 %, one comparison of two sets in twenty says of anything that it differs where it does not.
 */
import { ratioOf } from '../../shared/traces/compare-traces.ts'
import type { RowKind } from '../../shared/traces/compare-traces.ts'
import { matchForests } from '../../shared/traces/match-forests.ts'
import type { MatchedNode } from '../../shared/traces/match-forests.ts'
import type { SpanKind, TraceSpan } from '../../shared/traces/trace.ts'
import type { MediansCompared } from '../statistics/bootstrap.ts'
import { mediansComparer } from '../statistics/bootstrap.ts'
import { fisherExact } from '../statistics/fisher-exact.ts'
import { quantile, sorted } from '../statistics/quantiles.ts'
import { profileOf } from './profile.ts'
import type { Profile, ProfileNode } from './profile.ts'

/** Fewer than so many of either side can differ as much as they may, and it would still be no surprise. */
export const fewestToTell = 8

export interface SetThresholds {
  /** The share of comparisons of sets that are alike of which nothing at all is called different. */
  readonly confidence: number
  readonly ratio: number
  readonly differenceMicros: number
  readonly seed: number
}

/** Beyond chance, and more than a tenth, and more than the clocks' millisecond. */
export const defaultSetThresholds: SetThresholds = {
  confidence: 0.95,
  ratio: 1.1,
  differenceMicros: 1_000,
  seed: 1,
}

export interface Spread {
  readonly medianMicros: number
  readonly p95Micros: number
}

export interface MetricComparison {
  readonly a: Spread
  readonly b: Spread
  /** Of the medians, in microseconds and as B by A; undefined with fewer than `fewestToTell` on one side. */
  readonly intervals: MediansCompared | undefined
  readonly differenceMicros: number
  readonly ratio: number | undefined
  /** The interval of the difference does not hold 0. */
  readonly isSignificant: boolean
}

export interface SetRow {
  readonly kind: RowKind
  readonly service: string
  /** Of a queue, the topic. */
  readonly name: string
  readonly spanKind: SpanKind
  /** The names from the root down to what is above it. */
  readonly path: readonly string[]
  /** 1 for the first of its siblings that are called the same. */
  readonly occurrence: number
  /** How many traces of each set have it, and in how many it failed. */
  readonly traces: { readonly a: number; readonly b: number }
  readonly failed: { readonly a: number; readonly b: number }
  /** Undefined when one set has none. */
  readonly duration: MetricComparison | undefined
  readonly self: MetricComparison | undefined
  /** `missing` and `added`: one set has it in no trace, the other in too many for that to be chance. */
  readonly verdict: 'same' | 'slower' | 'faster' | 'missing' | 'added'
  /** One set has it, or its failures, in a greater share of its traces than is chance. */
  readonly presenceDiffers: boolean
  readonly failuresDiffer: boolean
  /** The mean time on the critical path, B without A: over all rows, the difference between the mean lengths. */
  readonly criticalDifferenceMicros: number
}

export interface SetComparison {
  readonly traces: { readonly a: number; readonly b: number }
  readonly length: MetricComparison
  readonly verdict: 'same' | 'slower' | 'faster'
  readonly meanDifferenceMicros: number
  /** What contributes most to the difference first. */
  readonly rows: readonly SetRow[]
  /** How many comparisons share the confidence. */
  readonly comparisons: number
  readonly confidence: number
}

type Two<T> = readonly [a: T, b: T]

interface Draft extends Pick<SetRow, 'kind' | 'path'> {
  readonly node: MatchedNode<ProfileNode>
}

interface Judge {
  /** The share of errors that each single comparison may make. */
  readonly alpha: number
  readonly thresholds: SetThresholds
  compare(a: readonly number[], b: readonly number[]): MetricComparison
}

/** @param a and @param b neither empty, each a list of checkouts, a checkout being the spans of all its traces */
export function compareSets(
  a: readonly (readonly TraceSpan[])[],
  b: readonly (readonly TraceSpan[])[],
  thresholds: SetThresholds = defaultSetThresholds,
): SetComparison {
  const profiles: Two<Profile> = [profileOf(a), profileOf(b)]
  const [ofA, ofB] = profiles
  const matched = matchForests(ofA.roots, ofB.roots, {
    labelOf: ({ service, name, spanKind }) => JSON.stringify([service, name, spanKind]),
    traitOf: () => '',
  })
  const drafts = draftRows(matched)
  // The whole, and of each row duration, self time, presence and failures.
  const comparisons = 1 + 4 * drafts.length
  const alpha = (1 - thresholds.confidence) / comparisons
  const compareMedians = mediansComparer({ confidence: 1 - alpha, seed: thresholds.seed })
  const judge: Judge = {
    alpha,
    thresholds,
    compare: (before, after) => compareMetric(before, after, compareMedians),
  }
  const length = judge.compare(ofA.durationMicros, ofB.durationMicros)
  const traces = { a: a.length, b: b.length }
  return {
    traces,
    length,
    verdict: verdictOn(length, thresholds),
    meanDifferenceMicros: meanOver(ofB.durationMicros, b.length) - meanOver(ofA.durationMicros, a.length),
    rows: drafts
      .map((draft) => toRow(draft, traces, judge))
      .sort(
        (one, other) => Math.abs(other.criticalDifferenceMicros) - Math.abs(one.criticalDifferenceMicros),
      ),
    comparisons,
    confidence: thresholds.confidence,
  }
}

/** The row that contributes most to a set's being slower, of those that differ by more than chance. */
export const mainCauseOf = ({ rows }: Pick<SetComparison, 'rows'>): SetRow | undefined =>
  rows.find(
    ({ criticalDifferenceMicros, self, presenceDiffers }) =>
      criticalDifferenceMicros > 0 &&
      (presenceDiffers || (self?.isSignificant === true && self.differenceMicros > 0)),
  )

function draftRows(matched: readonly MatchedNode<ProfileNode>[]): Draft[] {
  const drafts: Draft[] = []
  const waiting = matched.map((node) => ({ node, path: [] as readonly string[] }))
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { node, path } = next
    const nodes = [node.a, node.b].filter((each) => each !== undefined)
    const kind = nodes.some((each) => each.isAsynchronous) ? 'queue' : 'gap'
    const waits = nodes.some((each) => each.samples.waitMicros.some((micros) => micros > 0))
    if (kind === 'queue' || waits) drafts.push({ kind, node, path })
    drafts.push({ kind: 'span', node, path })
    const below = [...path, nodes[0]?.name ?? '']
    for (const child of node.children) waiting.push({ node: child, path: below })
  }
  return drafts
}

function toRow({ kind, node, path }: Draft, traces: SetRow['traces'], judge: Judge): SetRow {
  const { a, b } = node
  const either = a ?? b
  if (either === undefined) throw new Error('a matched node has at least one side')
  const counts = { a: countOf(a), b: countOf(b) }
  const failed = kind === 'span' ? { a: a?.failed ?? 0, b: b?.failed ?? 0 } : { a: 0, b: 0 }
  const [duration, self, critical] =
    kind === 'span'
      ? (['durationMicros', 'selfMicros', 'criticalMicros'] as const)
      : (['waitMicros', 'waitMicros', 'criticalWaitMicros'] as const)
  const compared = (metric: 'durationMicros' | 'selfMicros' | 'waitMicros') =>
    a && b ? judge.compare(a.samples[metric], b.samples[metric]) : undefined
  const comparedDuration = compared(duration)
  const presenceDiffers = fisherExact(counts.a, traces.a, counts.b, traces.b) < judge.alpha
  return {
    kind,
    service: either.service,
    name: kind === 'queue' ? (either.topic ?? either.name) : either.name,
    spanKind: either.spanKind,
    path,
    occurrence: either.occurrence,
    traces: counts,
    failed,
    duration: comparedDuration,
    self: compared(self),
    verdict: comparedDuration
      ? verdictOn(comparedDuration, judge.thresholds)
      : presenceDiffers
        ? counts.a === 0
          ? 'added'
          : 'missing'
        : 'same',
    presenceDiffers,
    failuresDiffer: fisherExact(failed.a, traces.a, failed.b, traces.b) < judge.alpha,
    criticalDifferenceMicros:
      meanOver(b?.samples[critical] ?? [], traces.b) - meanOver(a?.samples[critical] ?? [], traces.a),
  }
}

const countOf = (node: ProfileNode | undefined): number => node?.samples.durationMicros.length ?? 0

const meanOver = (samples: readonly number[], count: number): number =>
  count === 0 ? 0 : samples.reduce((sum, sample) => sum + sample, 0) / count

function spreadOf(samples: readonly number[]): Spread {
  const ascending = sorted(samples)
  return { medianMicros: quantile(ascending, 0.5), p95Micros: quantile(ascending, 0.95) }
}

function compareMetric(
  before: readonly number[],
  after: readonly number[],
  compareMedians: (a: readonly number[], b: readonly number[]) => MediansCompared,
): MetricComparison {
  const [a, b] = [spreadOf(before), spreadOf(after)]
  const canTell = Math.min(before.length, after.length) >= fewestToTell
  const intervals = canTell ? compareMedians(before, after) : undefined
  const { lower, upper } = intervals?.difference ?? { lower: 0, upper: 0 }
  return {
    a,
    b,
    intervals,
    differenceMicros: b.medianMicros - a.medianMicros,
    ratio: ratioOf(a.medianMicros, b.medianMicros),
    isSignificant: lower > 0 || upper < 0,
  }
}

function verdictOn(
  { isSignificant, differenceMicros, a, b }: MetricComparison,
  thresholds: SetThresholds,
): 'same' | 'slower' | 'faster' {
  if (!isSignificant || Math.abs(differenceMicros) < thresholds.differenceMicros) return 'same'
  if (b.medianMicros > a.medianMicros * thresholds.ratio) return 'slower'
  return a.medianMicros > b.medianMicros * thresholds.ratio ? 'faster' : 'same'
}
