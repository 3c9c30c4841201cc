/** What a run comes down to, for people. */
import type { FindingKind } from './checker.ts'
import { findingKinds } from './checker.ts'
import type { ChaosResult, RecoveredFault } from './run-chaos.ts'

/** Shown of each kind of finding; the rest is counted. */
const shownFindings = 5

/** Nothing is wrong, and that means something: the faults have landed, and most checkouts were under way. */
export const hasPassed = (result: ChaosResult): boolean =>
  result.findings.length === 0 && whyNothingWasShown(result) === undefined

function whyNothingWasShown(result: ChaosResult): string | undefined {
  const { accepted, refused, unanswered } = result.counts
  if (duplicatesOf(result) === 0) return 'not one duplicate was seen, so the faults have not landed'
  if (accepted < (accepted + refused + unanswered) / 2) return 'most clients were never told 202'
  return undefined
}

export const duplicatesOf = ({ counts, redeliveries }: ChaosResult): number =>
  counts.duplicateMessages + redeliveries

export function describeResult(result: ChaosResult): string {
  const { counts, findings, unplannedEnds } = result
  const { ended } = counts
  const found = Object.entries(findingKinds).map(([kind, meaning]) => {
    const count = findings.filter((finding) => finding.kind === kind).length
    return [String(count), kind, meaning]
  })
  return [
    'Injected                          times   mended after: median, longest   all caught up after: median, longest',
    ...injected(result.faults),
    '',
    'Found',
    ...table(found),
    ...details(result),
    '',
    'Seen',
    ...table([
      [String(counts.accepted), 'checkouts were told 202, some again:', String(counts.repeatedAnswers)],
      [
        String(sum(Object.values(counts.failedRequests))),
        'requests got no answer or a failure:',
        namesAndCounts(counts.failedRequests),
      ],
      [String(counts.unanswered), 'clients never heard what became of theirs', ''],
      [String(ended.completed), 'completed', ''],
      [String(ended.compensated), 'compensated; because their deadline had passed:', String(counts.expired)],
      [String(ended.rejected), 'rejected', ''],
      [
        String(counts.duplicateMessages),
        `copies of messages on the topics, beside`,
        String(counts.messages - counts.duplicateMessages),
      ],
      [String(result.redeliveries), 'messages delivered again', ''],
      [
        String(unplannedEnds.length),
        'services ended by themselves',
        [...new Set(unplannedEnds.map(({ service, how }) => `${service}: ${how}`))].join('; '),
      ],
    ]),
    '',
    `The last checkout ended ${seconds(result.lastEndAfterLastFaultMillis)} after the last fault. ` +
      `All of it took ${seconds(result.tookMillis)}. Seed ${result.seed}.`,
    verdict(result),
  ].join('\n')
}

function verdict(result: ChaosResult): string {
  if (result.findings.length > 0) return `FAILED: ${result.findings.length} findings.`
  const why = whyNothingWasShown(result)
  return why === undefined ? 'PASSED.' : `FAILED: ${why}.`
}

function injected(faults: readonly RecoveredFault[]): string[] {
  const names = [...new Set(faults.map(nameOf))].sort()
  return names.map((name) => {
    const ofThisName = faults.filter((fault) => nameOf(fault) === name)
    const mended = ofThisName.map(({ atMillis, mendedAtMillis }) => mendedAtMillis - atMillis)
    const caughtUp = ofThisName.flatMap(({ caughtUpAfterMillis }) => caughtUpAfterMillis ?? [])
    const never = ofThisName.length - caughtUp.length
    return [
      name.padEnd(34),
      String(ofThisName.length).padStart(5),
      medianAndLongest(mended).padStart(33),
      `${medianAndLongest(caughtUp)}${never > 0 ? `, ${never} never` : ''}`.padStart(39),
    ].join('')
  })
}

/** Services alike; servers and links by name. */
function nameOf({ fault: { kind, target } }: RecoveredFault): string {
  return kind === 'kill' || kind === 'freeze' ? `${kind} a service` : `${kind} ${target}`
}

function medianAndLongest(millis: readonly number[]): string {
  const sorted = [...millis].sort((one, other) => one - other)
  const median = sorted[Math.floor(sorted.length / 2)]
  const longest = sorted.at(-1)
  return median === undefined || longest === undefined ? '-' : `${seconds(median)}, ${seconds(longest)}`
}

function details({ findings }: ChaosResult): string[] {
  const kinds = [...new Set(findings.map(({ kind }) => kind))]
  return kinds.flatMap((kind: FindingKind) => {
    const all = findings.filter((finding) => finding.kind === kind)
    const shown = all.slice(0, shownFindings).map(({ about, detail }) => `  ${kind} ${about}: ${detail}`)
    return all.length > shownFindings ? [...shown, `  ... and ${all.length - shownFindings} more`] : shown
  })
}

function table(rows: readonly (readonly string[])[]): string[] {
  const width = (column: number) => Math.max(...rows.map((row) => row[column]?.length ?? 0))
  return rows.map(([count = '', ...cells]) =>
    `  ${count.padStart(width(0))}  ${cells.map((cell, column) => cell.padEnd(width(column + 1))).join('  ')}`.trimEnd(),
  )
}

const sum = (numbers: readonly number[]): number => numbers.reduce((total, each) => total + each, 0)

const namesAndCounts = (counts: Readonly<Record<string, number>>): string =>
  Object.entries(counts)
    .map(([name, count]) => `${name} ${count}`)
    .join(', ')

const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1)} s`
