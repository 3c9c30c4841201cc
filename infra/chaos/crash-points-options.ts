/** The command line of `npm run crash-points`. */
import { serviceNames } from '../native/services.ts'
import type { Cell } from './crash-points-cells.ts'
import { cells } from './crash-points-cells.ts'
import { failpoints } from '../../shared/process/failpoints.ts'
import { BadUsage, parseOptions, wholeNumber } from '../../shared/process/command-line.ts'

export interface CrashPointsOptions {
  readonly times: number
  readonly seed: number
  readonly wanted: readonly Cell[]
}

const timesEach = 20

export const help = `Kills each service at each named point of the runtime, on real servers, and sees whether everything
recovers: every checkout ends once, with the right money, and every event is on its topic.

  npm run crash-points [-- options]

  --times <n>      how often each (${timesEach}); each time is a lap, on fresh servers
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
  return {
    times: wholeNumber('--times', values.times, 1) ?? timesEach,
    seed: wholeNumber('--seed', values.seed, 1) ?? Math.floor(Math.random() * 1_000_000),
    wanted,
  }
}

function parse(commandLine: readonly string[]) {
  return parseOptions({
    args: [...commandLine],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      times: { type: 'string' },
      service: { type: 'string' },
      point: { type: 'string' },
      seed: { type: 'string' },
    },
  })
}
