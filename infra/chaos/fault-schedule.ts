/** What is broken and when: drawn from a seed, so that the same seed breaks the same things again. */
import type { Random } from './random.ts'

export const killable = ['gateway', 'users', 'orders', 'payments', 'checkout'] as const
/** What restarts, cleanly or not. */
export const servers = ['kafka', 'mongodb', 'collector'] as const
/** Where the proxies stand: before the servers, and between the clients and the gateway. */
export const links = ['kafka', 'mongodb', 'collector', 'gateway'] as const

export type Service = (typeof killable)[number]
export type ServerTarget = (typeof servers)[number]
export type Link = (typeof links)[number]

export type Fault =
  /** SIGKILL; the supervisor starts it again. */
  | { readonly kind: 'kill'; readonly target: Service }
  /** SIGSTOP, and SIGCONT after its session has timed out. */
  | { readonly kind: 'freeze'; readonly target: Service; readonly forMillis: number }
  /** SIGTERM, and started again. */
  | { readonly kind: 'restart'; readonly target: ServerTarget }
  /** SIGKILL, and started again. */
  | { readonly kind: 'crash'; readonly target: ServerTarget }
  | {
      readonly kind: 'latency'
      readonly target: Link
      readonly forMillis: number
      readonly latencyMillis: number
    }
  /** Every open connection, at once. */
  | { readonly kind: 'reset'; readonly target: Link }
  /** Requests arrive, responses do not. */
  | { readonly kind: 'black-hole'; readonly target: Link; readonly forMillis: number }

export type ScheduledFault = Fault & {
  /** Counted from the first checkout. */
  readonly atMillis: number
}

/** How many of each. */
export interface FaultCounts {
  readonly kills: number
  readonly freezes: number
  readonly brokerRestarts: number
  readonly brokerCrashes: number
  readonly storeRestarts: number
  readonly storeCrashes: number
  readonly collectorRestarts: number
  readonly collectorCrashes: number
  readonly latencies: number
  readonly resets: number
  readonly blackHoles: number
}

export interface ScheduleOptions {
  readonly counts: FaultCounts
  /** Between the first and the last fault. */
  readonly fromMillis: number
  readonly untilMillis: number
  /** How long a member of a group may be silent. */
  readonly sessionTimeoutMillis: number
}

export function scheduleFaults(options: ScheduleOptions, random: Random): ScheduledFault[] {
  const { counts, fromMillis, untilMillis, sessionTimeoutMillis } = options
  // In turn through shuffled targets, so that each has its share.
  const inTurn = <Target>(targets: readonly Target[]) => {
    const left: Target[] = []
    return () => {
      if (left.length === 0) left.push(...random.shuffled(targets))
      return left.pop() as Target
    }
  }
  const times = <Item>(count: number, make: () => Item): Item[] => Array.from({ length: count }, make)

  const [toKill, toFreeze] = [inTurn(killable), inTurn(killable)]
  const [toDelay, toReset, toSwallow] = [inTurn(links), inTurn(links), inTurn(links)]
  const forMillis = () => Math.round(random.between(0.5, 1.2) * sessionTimeoutMillis)
  const faults: Fault[] = [
    ...times(counts.kills, () => ({ kind: 'kill', target: toKill() }) as const),
    ...times(counts.freezes, () => {
      const past = Math.round(random.between(1.15, 1.5) * sessionTimeoutMillis)
      return { kind: 'freeze', target: toFreeze(), forMillis: past } as const
    }),
    ...times(counts.brokerRestarts, () => ({ kind: 'restart', target: 'kafka' }) as const),
    ...times(counts.brokerCrashes, () => ({ kind: 'crash', target: 'kafka' }) as const),
    ...times(counts.storeRestarts, () => ({ kind: 'restart', target: 'mongodb' }) as const),
    ...times(counts.storeCrashes, () => ({ kind: 'crash', target: 'mongodb' }) as const),
    ...times(counts.collectorRestarts, () => ({ kind: 'restart', target: 'collector' }) as const),
    ...times(counts.collectorCrashes, () => ({ kind: 'crash', target: 'collector' }) as const),
    ...times(counts.latencies, () => {
      const latencyMillis = Math.round(random.between(50, 500))
      return { kind: 'latency', target: toDelay(), forMillis: forMillis(), latencyMillis } as const
    }),
    ...times(counts.resets, () => ({ kind: 'reset', target: toReset() }) as const),
    ...times(
      counts.blackHoles,
      () => ({ kind: 'black-hole', target: toSwallow(), forMillis: forMillis() }) as const,
    ),
  ]
  const slotMillis = (untilMillis - fromMillis) / Math.max(1, faults.length)
  return random.shuffled(faults).map((fault, slot) => ({
    ...fault,
    atMillis: Math.round(fromMillis + (slot + random.next()) * slotMillis),
  }))
}

/** For people: `freeze payments for 7.8 s`. */
export function describeFault(fault: Fault): string {
  const length = 'forMillis' in fault ? ` for ${(fault.forMillis / 1_000).toFixed(1)} s` : ''
  const extent = fault.kind === 'latency' ? ` of ${fault.latencyMillis} ms` : ''
  return `${fault.kind}${extent} ${fault.target}${length}`
}
