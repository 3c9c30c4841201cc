/** What a load with poison comes down to: for people, and whether it is as it must be. */
import type { Ended, PoisonPlan, PoisonReport } from './poison.ts'

/** Of the 95th percentile among poison to that without. */
export const largestRatio = 2

/** What must end how, whatever happens beside it. */
const endOf: Readonly<Record<Ended['kind'], string>> = {
  'without poison': 'completed',
  'among poison': 'completed',
  failing: 'compensated',
}

/** @returns a sentence for each thing that is not as it must be */
export function faultsOf(
  { malformed, failing }: Pick<PoisonPlan, 'malformed' | 'failing'>,
  report: PoisonReport,
): string[] {
  const faults: string[] = []
  const { ended, deadLetters } = report
  const expected = malformed + failing
  if (deadLetters.length !== expected)
    faults.push(`${deadLetters.length} dead letters instead of ${expected}`)
  const wrong = ended.filter(({ kind, view }) => view.status !== endOf[kind])
  for (const { kind, view } of wrong) faults.push(`${view.checkoutId}, ${kind}, is ${view.status}`)
  const ratio = ratioOf(report)
  if (!(ratio <= largestRatio)) {
    faults.push(`p95 among poison is ${ratio.toFixed(2)} times that without, and ${largestRatio} is the most`)
  }
  return faults
}

/** Of the 95th percentiles; NaN where one side is empty. */
const ratioOf = (report: PoisonReport): number =>
  percentile(millisOf(report, 'among poison'), 0.95) / percentile(millisOf(report, 'without poison'), 0.95)

const millisOf = ({ ended }: PoisonReport, wanted: Ended['kind']): number[] =>
  ended.filter(({ kind }) => kind === wanted).map(({ millis }) => millis)

/** @param share 0.95 for the 95th percentile */
function percentile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? NaN
}

export function describePoison(report: PoisonReport): string[] {
  const line = (kind: Ended['kind']) => {
    const values = millisOf(report, kind)
    const percentiles = [0.5, 0.95, 0.99].map(
      (share) => `p${share * 100} ${percentile(values, share).toFixed(0)} ms`,
    )
    return `${kind.padEnd(15)} ${String(values.length).padStart(5)} checkouts  ${percentiles.join('  ')}`
  }
  const codes = Map.groupBy(report.deadLetters, ({ errorCode }) => errorCode)
  return [
    line('without poison'),
    line('among poison'),
    `p95 among poison is ${ratioOf(report).toFixed(2)} times that without`,
    `${report.deadLetters.length} dead letters: ${[...codes].map(([code, of]) => `${of.length} ${code}`).join(', ')}`,
  ]
}
