/** What the commands' options have in common: what is not understood is a sentence, never a stack. */
import type { ParseArgsConfig } from 'node:util'
import { parseArgs } from 'node:util'

/** The command was not understood; the message says how it is meant. */
export class BadUsage extends Error {
  readonly code = 'bad_usage'
}

/** For a command line that is not understood. */
const badUsageExitCode = 2

export interface Command<Options extends object> {
  /** As it is typed: `npm run chaos`. */
  readonly name: string
  readonly help: string
  /** @throws BadUsage */
  readonly parse: () => Options | 'help'
  readonly run: (options: Options) => Promise<void>
}

/** Runs a command; or says how it is used, or what of it was not understood, and then the exit code is 2. */
export async function runCommand<Options extends object>({
  name,
  help,
  parse,
  run,
}: Command<Options>): Promise<void> {
  let options: Options | 'help'
  try {
    options = parse()
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error
    console.error(`${error.message}\n${name} -- --help tells more.`)
    process.exitCode = badUsageExitCode
    return
  }
  if (options === 'help') console.log(help)
  else await run(options)
}

/** As `parseArgs` of node:util. @throws BadUsage */
export function parseOptions<Config extends ParseArgsConfig>(
  config: Config,
): ReturnType<typeof parseArgs<Config>> {
  try {
    return parseArgs(config)
  } catch (error) {
    throw new BadUsage((error as Error).message, { cause: error })
  }
}

/**
 * @param option as it is written, for the error's words
 * @returns undefined when it was not given
 * @throws BadUsage
 */
export function wholeNumber(option: string, value: string | undefined, least: number): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  if (/^\d{1,9}$/.test(value) && number >= least) return number
  throw new BadUsage(`${option} is ${JSON.stringify(value)}: a whole number from ${least} is wanted.`)
}

const unitMillis: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * `15m`, `2h` or `3d` before now, or a time as RFC 3339 has it.
 * @returns milliseconds since the epoch
 * @throws BadUsage
 */
export function pointInTime(option: string, value: string, now: Date): number {
  const { count, unit = '' } = /^(?<count>\d{1,6})(?<unit>[smhd])$/.exec(value)?.groups ?? {}
  if (count !== undefined) return now.getTime() - Number(count) * (unitMillis[unit] ?? 0)
  const at = /^\d{4}-\d\d-\d\d/.test(value) ? Date.parse(value) : NaN
  if (!Number.isNaN(at)) return at
  throw new BadUsage(`${option} ${JSON.stringify(value)} is neither like 15m, 2h or 3d nor a time.`)
}

/**
 * @returns undefined when it was not given
 * @throws BadUsage
 */
export function ratePerSecond(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const perSecond = Number(value)
  if (perSecond > 0 && perSecond <= 10_000) return perSecond
  throw new BadUsage(`${option} ${JSON.stringify(value)} is no number of messages a second, up to 10000.`)
}
