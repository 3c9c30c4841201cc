/** The command line of `npm run poison-load`. */
import { parseOptions, ratePerSecond, wholeNumber } from '../../shared/process/command-line.ts'
import { largestRatio } from './poison-report.ts'

export interface PoisonOptions {
  readonly checkouts: number
  readonly ratePerSecond: number
}

const defaults = { checkouts: 2_000, ratePerSecond: 20 } as const
/** Fewer have not one in a thousand that fails, and no 95th percentile worth the name. */
const leastCheckouts = 200

export const help = `What poison costs those who have nothing to do with it, on servers of its own. Checkouts arrive at a steady rate, in
slices by turns with poison among them and without: one message in a hundred that nobody can read, and one checkout in
a thousand whose payment fails at every attempt. Each must have its dead letter, and all others must complete, with a
95th percentile of at most ${largestRatio} times that without poison.

  npm run poison-load -- [options]

  --checkouts <n>  how many, half of them without poison; ${defaults.checkouts}
  --rate <n>       how many a second, however the system does; ${defaults.ratePerSecond}
  --help           this

Exit codes: 0 it is as it must be, 1 it is not, 2 not understood.`

/**
 * @returns 'help' when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(commandLine: readonly string[]): PoisonOptions | 'help' {
  const { values } = parseOptions({
    args: [...commandLine],
    options: {
      checkouts: { type: 'string' },
      rate: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  if (values.help) return 'help'
  return {
    checkouts: wholeNumber('--checkouts', values.checkouts, leastCheckouts) ?? defaults.checkouts,
    ratePerSecond: ratePerSecond('--rate', values.rate) ?? defaults.ratePerSecond,
  }
}
