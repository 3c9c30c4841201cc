/** What an incident came to: one shape for the report, for `--json` and for the docs. Times are milliseconds. */
import type { Latency, LoadResult } from '../../producers/load/load-result.ts'
import type { LoadProgress } from '../../producers/load/run-load.ts'

/** The chain, in its order. Each must be found for the next to mean anything. */
export const linkNames = {
  quiet: 'all is well before the fault',
  alert: 'the alert fires',
  dashboard: 'the dashboard shows it',
  exemplar: 'an exemplar names a trace',
  trace: 'the trace is there',
  logs: 'the trace leads to its log lines',
  further: 'what the scenario looks for besides is there',
  compare: 'the comparison names a cause',
  agreement: 'it is the one that was broken',
  resolved: 'the alert is over after the fix',
  recovered: 'the latency is what it was',
  whole: 'every checkout came to the end that it should',
} as const
export type LinkName = keyof typeof linkNames

export interface Link {
  readonly name: LinkName
  readonly isFound: boolean
  readonly detail: string
}

export const phaseNames = ['before', 'during', 'recovering', 'after'] as const
export type PhaseName = (typeof phaseNames)[number]

export interface PhaseFigures {
  readonly toAccepted: Omit<Latency, 'hdr'>
  readonly toEnd: Omit<Latency, 'hdr'>
  readonly tally: LoadResult['tally']
  /** Took longer to the end than any checkout before the fault. */
  readonly slowerThanAnyBefore: number
}

export interface TimelineEntry {
  /** From the fault on; negative before it. */
  readonly atMillis: number
  readonly what: string
  readonly lines: readonly string[]
}

export interface IncidentResult {
  readonly scenario: string
  readonly startedAt: string
  /** 1 when Prometheus had the rules as they are. */
  readonly speed: number
  readonly ratePerSecond: number
  readonly links: readonly Link[]
  readonly figures: {
    readonly faultToPendingMillis?: number
    readonly faultToFiringMillis?: number
    readonly alertToTraceMillis?: number
    readonly alertToGuiltyMillis?: number
    readonly faultToFixMillis?: number
    readonly fixToResolvedMillis?: number
    /** Until what arrived took as long as before, and nothing of the incident was open. */
    readonly fixToBackMillis?: number
  }
  readonly guilty?: { readonly name: string; readonly because: string; readonly agrees: boolean }
  readonly phases: Readonly<Partial<Record<PhaseName, PhaseFigures>>>
  /** Other alerts that fired meanwhile. */
  readonly alsoFired: readonly string[]
  /** Where a person would look, one after the other. */
  readonly pages: readonly { readonly title: string; readonly url: string }[]
  readonly timeline: readonly TimelineEntry[]
  /** The load was late itself; its figures have that in them. */
  readonly generatorLateMillis?: number
  readonly tookMillis: number
}

/** @returns the first link of the chain that was not found */
export const brokenLink = ({ links }: Pick<IncidentResult, 'links'>): Link | undefined =>
  links.find(({ isFound }) => !isFound)

/** Every link was looked for, and found. */
export const isWhole = (result: Pick<IncidentResult, 'links'>): boolean =>
  result.links.length === Object.keys(linkNames).length && brokenLink(result) === undefined

/** Twice as long as before is back, on a machine with others on it; 20 ms and the dashboard's 1 s are noise. */
export function recovery(before: Pick<Latency, 'p50' | 'p99'>, after: Pick<Latency, 'p50' | 'p99'>) {
  const bound = { p50: 2 * before.p50 + 20, p99: Math.max(2 * before.p99, 1_000) }
  return { bound, isBack: after.p50 <= bound.p50 && after.p99 <= bound.p99 }
}

interface Settling {
  readonly before: Pick<LoadProgress, 'toEnd'>
  /** Of those that arrived during the incident. */
  readonly leftOpen: number
  readonly now: Pick<LoadProgress, 'open' | 'lately'>
  readonly ratePerSecond: number
}

/**
 * Nothing of the incident is left, and what has ended in the last second took as long as before. Nor do more wait than
 * that would explain (Little's law): what does not end at all shows in no latency.
 */
export function hasSettled({ before, leftOpen, now, ratePerSecond }: Settling): boolean {
  const { count, p50 } = now.lately.toEnd
  const { bound } = recovery(before.toEnd, now.lately.toEnd)
  const openAsBefore = Math.max(1, (ratePerSecond * bound.p99) / 1_000)
  return leftOpen === 0 && count > 0 && p50 <= bound.p50 && now.open <= openAsBefore
}
