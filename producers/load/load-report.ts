/** What a load has measured, as text for people, and whether it is good enough. */
import { expectedArrivals, highestRate } from './arrival-times.ts'
import type { Latency, LoadResult, Tally } from './load-result.ts'
import type { CommandLine, Thresholds } from './load-options.ts'
import { kinds } from './mix.ts'
import type { LoadProgress } from './run-load.ts'

const total = (counts: Readonly<Record<string, number>>): number =>
  Object.values(counts).reduce((sum, count) => sum + count, 0)

/** Of what arrived: not accepted, at no end, or ended otherwise than it should. */
export function errorShare({ arrived, accepted, unexpected, open }: Tally): number {
  return arrived === 0 ? 0 : (arrived - accepted + unexpected + open) / arrived
}

/** @returns sentences, none when all is well */
export function faultsOf(
  result: LoadResult,
  { maxP99, maxP99Accepted, maxErrorShare }: Thresholds,
): string[] {
  const { tally, overall } = result
  const share = errorShare(tally)
  const isJudged = maxP99 !== undefined || maxP99Accepted !== undefined
  const tooSlow = (what: string, { p99 }: Latency, limit: number | undefined) =>
    limit !== undefined && p99 > limit && `p99 to ${what} is ${duration(p99)}, above ${duration(limit)}.`
  const faults = [
    tally.arrived > 0 && tally.accepted === 0 && 'No checkout was accepted.',
    tally.open > 0 && `${tally.open} accepted checkouts are at no end.`,
    tooSlow('the end', overall.toEnd, maxP99),
    tooSlow('the 202', overall.toAccepted, maxP99Accepted),
    maxErrorShare !== undefined &&
      share > maxErrorShare &&
      `${percent(share)} of the arrivals failed, above ${percent(maxErrorShare)}.`,
    isJudged && result.void && 'No latency can be judged, because this tool was late itself.',
  ]
  return faults.filter((fault) => fault !== false)
}

export function progressLine(progress: LoadProgress): string {
  const { phase, toAccepted, toEnd } = progress
  const [refused, failed] = [total(progress.refused), total(progress.failed)]
  const why = Object.keys(progress.refused).join(', ')
  return [
    `${(progress.elapsedMillis / 1_000).toFixed(0).padStart(4)} s`,
    phase === 'settling'
      ? 'settling'
      : `${progress.arrived}/${progress.expected} at ${progress.ratePerSecond.toFixed(1)}/s`,
    `${progress.underWay} under way`,
    `${progress.ended} ended, ${progress.open} open`,
    refused > 0 && `${refused} refused (${why})`,
    failed > 0 && `${failed} failed (${Object.keys(progress.failed).join(', ')})`,
    toAccepted.count > 0 && `202 p50 ${duration(toAccepted.p50)} p99 ${duration(toAccepted.p99)}`,
    toEnd.count > 0 && `end p50 ${duration(toEnd.p50)} p99 ${duration(toEnd.p99)}`,
  ]
    .filter((part) => part !== false)
    .join('  ')
}

export function describePlan({ load, endBy }: CommandLine): string[] {
  const { gatewayUrl, startRatePerSecond = 0, stages, arrivals = 'uniform', mix = {} } = load
  const schedule = { ...load, startRatePerSecond, arrivals }
  const seconds = stages.reduce((sum, { durationMillis }) => sum + durationMillis, 0) / 1_000
  const count = Math.round(expectedArrivals(schedule))
  const weights = total(mix)
  const where = {
    kafka: 'on Kafka',
    gateway: 'at the gateway',
    auto: 'on Kafka if it answers, else at the gateway',
  }
  return [
    `${count} checkouts in ${seconds.toFixed(0)} s to ${gatewayUrl}, up to ${highestRate(schedule)} a second, ${arrivals} arrivals`,
    ...Object.entries(mix)
      .filter(([, weight]) => weight > 0)
      .map(([name, weight]) => {
        const kind = kinds[name]
        return `  about ${((count * weight) / weights).toFixed(0)} ${name}: ${kind?.what ?? ''}; ${kind?.ends ?? ''}`
      }),
    `Their ends are looked for ${where[endBy]}.`,
  ]
}

const shown = ['p50', 'p90', 'p99', 'p999', 'max'] as const

export function summary(result: LoadResult, faults: readonly string[]): string[] {
  const { tally, overall, byKind, tallyByKind, ends, generatorLag, settings } = result
  const kindsSeen = Object.entries(byKind)
  const rows: [string, Tally, LoadResult['overall']][] = [
    ['all', tally, overall],
    ...(kindsSeen.length > 1
      ? kindsSeen.map(([name, each]): [string, Tally, LoadResult['overall']] => [
          name,
          tallyByKind[name] ?? tally,
          each,
        ])
      : []),
  ]
  const { completed, compensated, rejected } = tally.ended
  return [
    `Load ${result.run}${result.tag === undefined ? '' : ` (${result.tag})`}: ${tally.arrived} checkouts arrived at ` +
      `${result.arrivalRatePerSecond.toFixed(1)} a second (${settings.arrivals}, seed ${settings.seed})`,
    `${tally.accepted} accepted, ${total(tally.refused)} refused, ${total(tally.failed)} without an answer; ` +
      `${completed} completed, ${compensated} compensated, ${rejected} rejected, ${tally.open} at no end`,
    '',
    ...drawTable([
      ['from due to the 202', 'count', ...shown.map(title)],
      ...rows.map(([name, , { toAccepted }]) => latencyRow(name, toAccepted)),
      ['from due to the end', 'count', ...shown.map(title)],
      ...rows.map(([name, , { toEnd }]) => latencyRow(name, toEnd)),
      ['this tool was late by', 'count', ...shown.map(title)],
      latencyRow('all', generatorLag),
    ]),
    '',
    `Ends seen ${ends.by === 'kafka' ? 'on Kafka' : `at the gateway, in ${ends.gatewayReads} reads`}; the time to the end is up to ` +
      `the terminal event's own time, ${ends.resolutionMillis} ms fine, by the service's clock.`,
    ...result.warnings.map((warning) => `! ${warning}`),
    ...faults.map((fault) => `FAILED: ${fault}`),
  ]
}

const title = (name: (typeof shown)[number]): string => (name === 'p999' ? 'p99.9' : name)

const latencyRow = (name: string, latency: Latency): string[] => [
  `  ${name}`,
  String(latency.count),
  ...shown.map((each) => (latency.count === 0 ? '–' : duration(latency[each]))),
]

function drawTable(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, column) =>
    Math.max(...rows.map((row) => (row[column] ?? '').length)),
  )
  return rows.map((row) =>
    row
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
      )
      .join('  ')
      .trimEnd(),
  )
}

/** `0.53 ms`, `4.1 ms`, `123 ms`, `12.3 s` */
export function duration(millis: number): string {
  if (millis >= 10_000) return `${(millis / 1_000).toFixed(1)} s`
  if (millis >= 100) return `${millis.toFixed(0)} ms`
  return `${millis.toFixed(millis >= 1 ? 1 : 2)} ms`
}

const percent = (share: number): string => `${Number((share * 100).toFixed(2))} %`
