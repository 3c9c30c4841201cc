/** What the commands' options have in common: what is not understood is a sentence, never a stack. */
import type { ParseArgsConfig } from 'node:util'
import { parseArgs } from 'node:util'

/** The command was not understood; the message says how it is meant. */
export class BadUsage extends Error {
  readonly code = 'bad_usage'
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
