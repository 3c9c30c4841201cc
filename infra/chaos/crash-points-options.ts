/** The command line of `npm run crash-points`. */
import { parseArgs } from 'node:util'
import { serviceNames } from '../native/services.ts'
import type { Cell } from './crash-points-cells.ts'
import { cells } from './crash-points-cells.ts'
import { failpoints } from '../../shared/process/failpoints.ts'

export interface CrashPointsOptions {
  readonly times: number
  readonly seed: number
  readonly wanted: readonly Cell[]
}

/** The command was not understood; the message says how it is meant. */
export class BadUsage extends Error {
  readonly code = 'bad_usage'
}

export const help = `Kills each service at each named point of the runtime, on real servers, and sees whether everything
recovers: every checkout ends once, with the right money, and every event is on its topic.

  npm run crash-points [-- options]

  --times <n>      how often each (20); each time is a lap, on fresh servers
  --service <s>    only this one: ${serviceNames.join(', ')}
  --point <p>      only this one, for instance committed; --help points lists them
  --seed <n>       of the first lap, to go the same way again; the next laps have the next numbers
  --help [points]  this, or the points and what a crash there leaves behind

Exit codes: 0 all recovered, 1 something did not or was never reached, 2 not understood.`

/** What stands for each point, for people. */
export const pointsHelp = failpoints
  .map(
    ({ name, in: services, at, leaves }) =>
      `${name} (${services.join(', ')})\n  at:     ${at}\n  leaves: ${leaves}`,
  )
  .join('\n')

/**
 * @returns a text when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(commandLine: readonly string[]): CrashPointsOptions | string {
  const { values, positionals } = parse(commandLine)
  if (values.help) return positionals[0] === 'points' ? pointsHelp : help
  if (positionals[0] !== undefined) throw new BadUsage(`${JSON.stringify(positionals[0])} is not understood.`)
  const wanted = cells.filter(
    ({ service, point }) =>
      (values.service === undefined || service === values.service) &&
      (values.point === undefined || point === values.point),
  )
  if (wanted.length === 0) {
    throw new BadUsage(
      `No service and point are ${[values.service, values.point].filter(Boolean).join(' and ')}; see --help points.`,
    )
  }
  const seed =
    values.seed === undefined ? Math.floor(Math.random() * 1_000_000) : positive('seed', values.seed)
  return { times: positive('times', values.times), seed, wanted }
}

function parse(commandLine: readonly string[]) {
  try {
    return parseArgs({
      args: [...commandLine],
      allowPositionals: true,
      options: {
        help: { type: 'boolean', short: 'h', default: false },
        times: { type: 'string', default: '20' },
        service: { type: 'string' },
        point: { type: 'string' },
        seed: { type: 'string' },
      },
    })
  } catch (error) {
    throw new BadUsage((error as Error).message, { cause: error })
  }
}

function positive(name: string, value: string): number {
  if (/^[1-9]\d{0,8}$/.test(value)) return Number(value)
  throw new BadUsage(`--${name} is ${JSON.stringify(value)}: a number from 1 is wanted.`)
}
