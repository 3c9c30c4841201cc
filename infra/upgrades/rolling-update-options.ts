/** The command line of `npm run rolling-update`. */
import { randomInt } from 'node:crypto'
import { BadUsage, parseOptions, wholeNumber } from '../../shared/process/command-line.ts'
import type { ServiceName } from '../native/services.ts'
import { serviceNames } from '../native/services.ts'

export interface RollingUpdateOptions {
  readonly ratePerSecond: number
  /** Which services are updated, in this order. */
  readonly services: readonly ServiceName[]
  /** How many of the two are restarted. */
  readonly replicas: 1 | 2
  readonly rounds: number
  /** Between one replica that is ready again and the next that is stopped. */
  readonly pauseMillis: number
  readonly seed: number
}

/** Consumers first, and who begins checkouts last: infra/UPGRADING.md says why. */
export const orderOfRollout = serviceNames.toReversed()

export const standard: Omit<RollingUpdateOptions, 'seed'> = {
  ratePerSecond: 10,
  services: orderOfRollout,
  replicas: 2,
  rounds: 2,
  pauseMillis: 2_000,
}

/** The same in less than a minute; part of the tests. */
export const small: Omit<RollingUpdateOptions, 'seed'> = {
  ...standard,
  ratePerSecond: 5,
  replicas: 1,
  rounds: 1,
  pauseMillis: 0,
}

export const help = `Runs two replicas of every service under a steady load, and restarts one replica at a time: SIGTERM, wait until it has
drained and ended, start it, wait until it is ready, the next. Then compares what the clients were told with the store,
the topics and the payment network's ledger. No request may be cut off, nothing may be lost, nothing may happen twice.

  npm run rolling-update -- [options]

  --rate <n>         checkouts a second, however the system does; ${standard.ratePerSecond}
  --services <list>  which are updated, in this order; ${standard.services.join(',')}
  --rounds <n>       how often; ${standard.rounds}
  --pause <s>        between two replicas; ${standard.pauseMillis / 1_000}
  --seed <n>         the same checkouts again; random, and printed
  --json             what was done and found, as one JSON document on standard output
  --help             this

Exit codes: 0 nothing is wrong, 1 something is, 2 not understood.`

/**
 * @returns 'help' when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(
  commandLine: readonly string[],
): (RollingUpdateOptions & { json: boolean }) | 'help' {
  const { values } = parseOptions({
    args: [...commandLine],
    options: {
      rate: { type: 'string' },
      services: { type: 'string' },
      rounds: { type: 'string' },
      pause: { type: 'string' },
      seed: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  const pauseSeconds = wholeNumber('--pause', values.pause, 0)
  return {
    ratePerSecond: wholeNumber('--rate', values.rate, 1) ?? standard.ratePerSecond,
    services: values.services === undefined ? standard.services : servicesIn(values.services),
    replicas: standard.replicas,
    rounds: wholeNumber('--rounds', values.rounds, 1) ?? standard.rounds,
    pauseMillis: pauseSeconds === undefined ? standard.pauseMillis : pauseSeconds * 1_000,
    seed: wholeNumber('--seed', values.seed, 0) ?? randomInt(2 ** 31),
    json: values.json,
  }
}

function servicesIn(list: string): ServiceName[] {
  return list.split(',').map((name) => {
    const found = serviceNames.find((each) => each === name.trim())
    if (found) return found
    throw new BadUsage(
      `--services has ${JSON.stringify(name)}: there is ${new Intl.ListFormat('en').format(serviceNames)}.`,
    )
  })
}
