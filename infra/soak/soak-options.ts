/** The command line of `npm run soak`. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BadUsage, parseOptions } from '../../shared/process/command-line.ts'

export interface SoakOptions {
  readonly minutes: number
  readonly ratePerSecond: number
  /** What the trend leaves out at the beginning, while code is compiled and pools fill. */
  readonly warmUpMinutes: number
  readonly outputFolder: string
  readonly json: boolean
}

const defaults = { minutes: 30, ratePerSecond: 10 }
/** Of the whole run, unless it is told. */
const warmUpShare = 1 / 3

export const help = `Runs everything on this machine and places checkouts of every kind at a steady rate, for a long time; watches what
each process uses, and says which grow. A service fails when what is in use of its memory after garbage
collection grows by 1 MiB in ten minutes or more, or when it ends; the soak fails as well when a checkout that is
followed does not end as it should.

  npm run soak -- [options]

  --minutes <n>    how long; ${defaults.minutes}
  --rate <n>       checkouts a second, however the system does; ${defaults.ratePerSecond}
  --warm-up <n>    minutes at the beginning that do not count; a third of all unless told
  --output <path>  where the report goes, soak.json, soak.md and a plot for each process; a new temporary folder unless told
  --json           the report as one JSON document on standard output, and nothing else there
  --help           this

Exit codes: 0 nothing grows, 1 something does or has failed, 2 not understood.`

/**
 * @returns 'help' when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(commandLine: readonly string[]): SoakOptions | 'help' {
  const values = parse(commandLine)
  if (values.help) return 'help'
  const minutes = positive('--minutes', values.minutes) ?? defaults.minutes
  const warmUpMinutes = positive('--warm-up', values['warm-up']) ?? minutes * warmUpShare
  if (warmUpMinutes >= minutes) throw new BadUsage('--warm-up is as long as the soak: nothing would count.')
  return {
    minutes,
    warmUpMinutes,
    ratePerSecond: positive('--rate', values.rate) ?? defaults.ratePerSecond,
    outputFolder: values.output ?? mkdtempSync(join(tmpdir(), 'sagascope-soak-')),
    json: values.json,
  }
}

function parse(commandLine: readonly string[]) {
  const { values } = parseOptions({
    args: [...commandLine],
    options: {
      minutes: { type: 'string' },
      rate: { type: 'string' },
      'warm-up': { type: 'string' },
      output: { type: 'string' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return values
}

function positive(option: string, value: string | undefined): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  if (/^\d+(\.\d+)?$/.test(value) && number > 0 && number <= 100_000) return number
  throw new BadUsage(`${option} is ${JSON.stringify(value)}: a number above 0 is wanted.`)
}
