/** What of a comparison is beyond the limits that somebody set, in sentences. */
import type { ComparedRow, TraceComparison } from '../../shared/traces/compare-traces.ts'
import type { Limits } from './compare-options.ts'
import type { MetricComparison, SetComparison, SetRow } from './compare-sets.ts'
import { millis, titleOf } from './figures.ts'

export function breachesOf(comparison: TraceComparison, limits: Limits, leastMicros: number): string[] {
  const { failOver, failOn } = limits
  const tooSlow = (before: number, after: number): boolean =>
    failOver !== undefined && after - before >= leastMicros && after > before * failOver
  const { a, b, rows } = comparison
  const ofFailOver = (what: string, before: number, after: number): string[] =>
    tooSlow(before, after) ? [`${what} took ${millis(after)}, not ${millis(before)}`] : []
  const failed = (row: ComparedRow): boolean => row.b?.failed === true && row.a?.failed !== true
  const spans = rows.filter(({ kind }) => kind === 'span')
  return [
    ...ofFailOver('the whole', a.durationMicros, b.durationMicros),
    ...rows.flatMap((row) =>
      row.a && row.b ? ofFailOver(titleOf(row), row.a.durationMicros, row.b.durationMicros) : [],
    ),
    ...(['missing', 'added'] as const)
      .filter((verdict) => failOn.includes(verdict))
      .flatMap((verdict) =>
        spans.filter((row) => row.verdict === verdict).map((row) => `${titleOf(row)} is ${verdict}`),
      ),
    ...(failOn.includes('failed') ? spans.filter(failed).map((row) => `${titleOf(row)} failed`) : []),
  ]
}

export function breachesOfSets(
  comparison: SetComparison,
  { failOver, failOn }: Limits,
  leastMicros: number,
): string[] {
  const ofFailOver = (what: string, metric: MetricComparison | undefined): string[] => {
    if (failOver === undefined || metric?.intervals === undefined) return []
    const { difference, ratio } = metric.intervals
    // Without a ratio A took no time at all.
    const isAbove = ratio === undefined ? difference.lower > 0 : ratio.lower > failOver
    return isAbove && difference.estimate >= leastMicros
      ? [`${what} took ${millis(metric.b.medianMicros)}, not ${millis(metric.a.medianMicros)}, in the median`]
      : []
  }
  const { length, rows } = comparison
  const spans = rows.filter(({ kind }) => kind === 'span')
  const failsMore = ({ failuresDiffer, failed, traces }: SetRow): boolean =>
    failuresDiffer && failed.b * Math.max(1, traces.a) > failed.a * Math.max(1, traces.b)
  return [
    ...ofFailOver('the whole', length),
    ...rows.flatMap((row) => ofFailOver(titleOf(row), row.duration)),
    ...(['missing', 'added'] as const)
      .filter((verdict) => failOn.includes(verdict))
      .flatMap((verdict) =>
        spans.filter((row) => row.verdict === verdict).map((row) => `${titleOf(row)} is ${verdict}`),
      ),
    ...(failOn.includes('failed')
      ? spans
          .filter(failsMore)
          .map((row) => `${titleOf(row)} failed in ${row.failed.b} of ${comparison.traces.b} traces`)
      : []),
  ]
}
