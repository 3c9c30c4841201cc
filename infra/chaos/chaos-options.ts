/** The command line of `npm run chaos`, and the sizes of a run. */
import { randomInt } from 'node:crypto'
import type { FaultCounts } from './fault-schedule.ts'
import { parseOptions, wholeNumber } from '../../shared/process/command-line.ts'

export interface ChaosOptions {
  readonly seed: number
  readonly checkouts: number
  readonly ratePerSecond: number
  readonly faults: FaultCounts
  readonly sessionTimeoutMillis: number
  /** How long after the last fault every checkout must have come to its end. */
  readonly settleMillis: number
  /** On top of what the services are given in any case. */
  readonly environment: Readonly<Record<string, string>>
}

/** The promise: so long after the last fault every checkout has ended. */
const settleMillis = 120_000

/** 10,000 checkouts in 17 minutes. */
const full = {
  checkouts: 10_000,
  ratePerSecond: 10,
  sessionTimeoutMillis: 10_000,
  settleMillis,
  faults: {
    kills: 50,
    freezes: 20,
    brokerRestarts: 5,
    brokerCrashes: 5,
    storeRestarts: 3,
    storeCrashes: 2,
    collectorRestarts: 2,
    collectorCrashes: 2,
    latencies: 6,
    resets: 6,
    blackHoles: 6,
  },
  environment: {},
} as const

/** One minute, and ten faults of every kind; part of the tests. */
const small = {
  checkouts: 1_000,
  ratePerSecond: 16,
  sessionTimeoutMillis: 6_000,
  settleMillis,
  faults: {
    kills: 2,
    freezes: 1,
    brokerRestarts: 0,
    brokerCrashes: 1,
    storeRestarts: 0,
    storeCrashes: 1,
    collectorRestarts: 0,
    collectorCrashes: 1,
    latencies: 1,
    resets: 1,
    blackHoles: 2,
  },
  environment: {
    // Nobody looks at the spans here, and they cost what the checkouts need.
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: '0.1',
  },
} as const

export const smallChaos = (seed: number = newSeed()): ChaosOptions => ({ ...small, seed })

const newSeed = (): number => randomInt(2 ** 31)

export const help = `Places checkouts at a steady rate while services are killed and frozen, Kafka, the store and the Collector are
restarted and killed, and the network between them fails; then compares what the clients were told with the
store, the topics and the payment network's ledger.

  npm run chaos -- [options]

  --small          ${small.checkouts} checkouts and ${sum(small.faults)} faults in a minute, instead of ${full.checkouts} and ${sum(full.faults)} in ${Math.round(full.checkouts / full.ratePerSecond / 60)}
  --checkouts <n>  how many
  --rate <n>       how many a second, however the system does; ${full.ratePerSecond}, small ${small.ratePerSecond}
  --seed <n>       repeats a run: the same checkouts, the same faults at the same times; random, and printed
  --settle <s>     how long after the last fault every checkout must have ended; ${settleMillis / 1_000}
  --json           what was injected and found, as one JSON document on standard output
  --help           this

Exit codes: 0 nothing is wrong, 1 something is, 2 not understood.`

/**
 * @returns 'help' when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(
  commandLine: readonly string[],
): (ChaosOptions & { json: boolean }) | 'help' {
  const values = parse(commandLine)
  if (values.help) return 'help'
  const settleSeconds = wholeNumber('--settle', values.settle, 1)
  const size: Omit<ChaosOptions, 'seed'> = values.small ? small : full
  return {
    ...size,
    seed: wholeNumber('--seed', values.seed, 0) ?? newSeed(),
    checkouts: wholeNumber('--checkouts', values.checkouts, 1) ?? size.checkouts,
    ratePerSecond: wholeNumber('--rate', values.rate, 1) ?? size.ratePerSecond,
    settleMillis: settleSeconds === undefined ? size.settleMillis : settleSeconds * 1_000,
    json: values.json,
  }
}

function parse(commandLine: readonly string[]) {
  const { values } = parseOptions({
    args: [...commandLine],
    options: {
      small: { type: 'boolean', default: false },
      checkouts: { type: 'string' },
      rate: { type: 'string' },
      seed: { type: 'string' },
      settle: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return values
}

function sum(counts: FaultCounts): number {
  return Object.values<number>({ ...counts }).reduce((total, count) => total + count, 0)
}
