/** What the laps have shown, as text. */
import { failpoints } from '../../shared/process/failpoints.ts'
import { serviceNames } from '../native/services.ts'
import type { Cell } from './crash-points-cells.ts'
import { cellName } from './crash-points-cells.ts'
import type { LapResult } from './crash-points-lap.ts'

/** How often each process has died at each point, by `cellName`. */
export function countCrashes(laps: readonly Pick<LapResult, 'crashes'>[]): Map<string, number> {
  const counts = new Map<string, number>()
  for (const crash of laps.flatMap(({ crashes }) => crashes)) {
    counts.set(cellName(crash), (counts.get(cellName(crash)) ?? 0) + 1)
  }
  return counts
}

/** Cells that were not reached as often as wanted. */
export function missedCells(
  laps: readonly Pick<LapResult, 'crashes'>[],
  wanted: readonly Cell[],
  times: number,
): string[] {
  const counts = countCrashes(laps)
  return wanted.flatMap((cell) => {
    const count = counts.get(cellName(cell)) ?? 0
    return count < times ? [`${cellName(cell)}: ${count} of ${times}`] : []
  })
}

export const hasPassed = ({ faults, verdict }: Pick<LapResult, 'faults' | 'verdict'>): boolean =>
  faults.length === 0 && verdict.findings.length === 0

/** A row for each point wanted, a column for each process: how often it died there; `.` where it never comes by. */
export function table(laps: readonly Pick<LapResult, 'crashes'>[], wanted: readonly Cell[]): string {
  const counts = countCrashes(laps)
  const widthOf = (text: string) => Math.max(8, text.length) + 2
  const head = ['killed at'.padEnd(20), ...serviceNames.map((name) => name.padStart(widthOf(name)))]
  const points = failpoints.filter(({ name }) => wanted.some(({ point }) => point === name))
  const rows = points.map(({ name, in: services }) => [
    name.padEnd(20),
    ...serviceNames.map((service) => {
      const comesBy = (services as readonly string[]).includes(service)
      const text = comesBy ? String(counts.get(cellName({ service, point: name })) ?? 0) : '.'
      return text.padStart(widthOf(service))
    }),
  ])
  return [head, ...rows].map((row) => row.join('')).join('\n')
}

function countKinds({ verdict }: LapResult): string {
  const kinds = new Map<string, number>()
  for (const { kind } of verdict.findings) kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
  return [...kinds].map(([kind, count]) => `${count} ${kind}`).join(', ')
}

/** One lap, in a line, and what was wrong with it, if anything was. */
export function describeLap(lap: LapResult): string {
  const { seed, crashes, durationMillis, faults, notes, runDirectory } = lap
  const { findings, counts } = lap.verdict
  const { completed, compensated, rejected } = counts.ended
  const line =
    `seed ${seed}: ${crashes.length} crashes in ${Math.round(durationMillis / 1_000)} s; ` +
    `${counts.accepted} checkouts: ${completed} completed, ${compensated} compensated ` +
    `(${counts.expired} expired), ${rejected} rejected; ` +
    `${counts.commits} commits, ${counts.duplicateMessages} messages twice`
  if (hasPassed(lap)) return [line, ...notes].join('\n  ')
  return [
    line,
    ...notes,
    ...faults,
    `findings: ${countKinds(lap) || 'none'}`,
    ...findings.slice(0, 20).map(({ kind, about, detail }) => `${kind}: ${about}: ${detail}`),
    ...(findings.length > 20 ? [`and ${findings.length - 20} findings more`] : []),
    `crashes: ${crashes.map((crash) => `${new Date(crash.atMillis).toISOString().slice(11, 23)} ${cellName(crash)}`).join(', ')}`,
    `kept: ${runDirectory}`,
  ].join('\n  ')
}
