/** The command line of `npm run load`. */
import { existsSync, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { readPorts } from '../../infra/native/ports.ts'
import { BadUsage, parseOptions, wholeNumber } from '../../shared/process/command-line.ts'
import type { Stage } from './arrival-times.ts'
import type { Mix } from './mix.ts'
import { defaultMix, kindNames, kinds } from './mix.ts'
import type { LoadOptions } from './run-load.ts'
import { defaults } from './run-load.ts'

export interface Thresholds {
  /** To the end, milliseconds. */
  readonly maxP99?: number
  /** To the 202, milliseconds. */
  readonly maxP99Accepted?: number
  /** Of what arrived: not accepted, at no end, or ended otherwise than it should; 0.01 for a hundredth. */
  readonly maxErrorShare?: number
}

export interface CommandLine {
  readonly load: Omit<LoadOptions, 'ends' | 'signal' | 'settleSignal' | 'onSecond'>
  /** Where the ends are seen; on Kafka if it answers, where nobody says. */
  readonly endBy: 'kafka' | 'gateway' | 'auto'
  readonly thresholds: Thresholds
  /** Undefined for a new temporary folder. */
  readonly outputFolder: string | undefined
  readonly json: boolean
  readonly dryRun: boolean
}

export const exitCodes = { done: 0, failed: 1, badUsage: 2, unavailable: 3, interrupted: 130 } as const

export const fileNames = { result: 'load.json', page: 'load.html' } as const

const standard = { ratePerSecond: 10, durationMillis: 60_000 } as const

const mixText = (mix: Mix): string =>
  Object.entries(mix)
    .map(([name, weight]) => `${name}=${weight}`)
    .join(',')

const nameWidth = Math.max(...kindNames.map((name) => name.length)) + 2

export const help = `Drives a running system with checkouts in an open loop, and measures how long each takes: to the 202, and to its end.

  npm run load -- [options]

How many, and when
  --rate <n>              checkouts a second, however the system does; ${standard.ratePerSecond}
  --duration <time>       90s, 5m, 1h; ${standard.durationMillis / 1_000}s
  --total <n>             so many instead of --duration
  --ramp <stages>         instead of both: 10:30s,50:60s,50:2m,0:30s leads in straight lines to 10 a second within 30 s,
                          to 50 within 60 s, stays there for 2 min, and down to none; 100:0s jumps. Begins at --rate, or 0
  --arrivals <how>        uniform, or poisson: as strangers come; uniform
  --seed <n>              the same arrivals and the same checkouts again; random, and in the result

What
  --mix <weights>         ${mixText(defaultMix)}
${kindNames.map((name) => `      ${name.padEnd(nameWidth)}${kinds[name]?.what ?? ''}; ${kinds[name]?.ends ?? ''}`).join('\n')}
  --shared-emails <n>     spreads the checkouts among so many emails; each has its own otherwise

Where
  --gateway <url>         also GATEWAY_URL; http://127.0.0.1:8080 unless GATEWAY_PORT moves it
  --end-by <where>        kafka: reads terminal events along at KAFKA_BROKERS (127.0.0.1:9092), with the KAFKA_* variables
                          of the services. gateway: asks it for 20 checkouts a second during the load, and for all others
                          afterwards. Kafka where it answers, otherwise the gateway. What is measured is the same
  --timeout <time>        how long a request may take; ${defaults.requestTimeoutMillis / 1_000}s
  --settle <time>         how long after the last arrival all must be at their ends; ${defaults.settleMillis / 1_000}s

What comes out
  --out <folder>          ${fileNames.result} and ${fileNames.page}, a page with plots that needs no network; a new temporary folder unless told
  --tag <text>            goes into the result
  --json                  the result (of a dry run, the plan) on standard output, and nothing else there; progress is on
                          standard error
  --max-p99 <time>        fails when the 99th percentile to the end is above: 500ms, 2s
  --max-p99-accepted <t>  the same for the 202
  --max-error-share <n>%  fails when more arrivals than this were not accepted, or did not end as they should
  --dry-run               says what it would do, and sends nothing
  --help                  this

Latency counts from when a checkout was due, not from when it could be sent, so a system that stalls cannot hide it. The
time to the end is up to the time that the terminal event has itself: whole milliseconds, by the clock of the service.

Ctrl-C ends the arrivals and waits for what is under way; once more, and it does not wait. Either way there is a result.

Exit codes: ${exitCodes.done} done, ${exitCodes.failed} checkouts are at no end, none was accepted, or a --max is exceeded (or cannot be judged, because this
tool was late itself), ${exitCodes.badUsage} not understood, ${exitCodes.unavailable} the gateway or Kafka is away, ${exitCodes.interrupted} interrupted.`

/**
 * @returns 'help' when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(
  commandLine: readonly string[],
  environment: NodeJS.ProcessEnv,
): CommandLine | 'help' {
  const values = parse(commandLine)
  if (values.help) return 'help'
  const { tag } = values
  const seed = wholeNumber('--seed', values.seed, 0)
  const sharedEmails = wholeNumber('--shared-emails', values['shared-emails'], 1)
  const settleMillis = time('--settle', values.settle)
  const requestTimeoutMillis = time('--timeout', values.timeout)
  return {
    load: {
      gatewayUrl: gatewayUrl(values.gateway, environment),
      ...readStages(values),
      arrivals: oneOf('--arrivals', values.arrivals, ['uniform', 'poisson']) ?? 'uniform',
      mix: values.mix === undefined ? defaultMix : readMix(values.mix),
      ...(seed !== undefined && { seed }),
      ...(sharedEmails !== undefined && { sharedEmails }),
      ...(settleMillis !== undefined && { settleMillis }),
      ...(requestTimeoutMillis !== undefined && { requestTimeoutMillis }),
      ...(tag !== undefined && { tag }),
    },
    endBy: oneOf('--end-by', values['end-by'], ['kafka', 'gateway']) ?? 'auto',
    thresholds: readThresholds(values),
    outputFolder: values.out === undefined ? undefined : requireRoom(values.out),
    json: values.json,
    dryRun: values['dry-run'],
  }
}

type Values = ReturnType<typeof parse>

function parse(commandLine: readonly string[]) {
  const { values } = parseOptions({
    args: [...commandLine],
    options: {
      rate: { type: 'string' },
      duration: { type: 'string' },
      total: { type: 'string' },
      ramp: { type: 'string' },
      arrivals: { type: 'string' },
      seed: { type: 'string' },
      mix: { type: 'string' },
      'shared-emails': { type: 'string' },
      gateway: { type: 'string' },
      'end-by': { type: 'string' },
      timeout: { type: 'string' },
      settle: { type: 'string' },
      out: { type: 'string' },
      tag: { type: 'string' },
      json: { type: 'boolean', default: false },
      'max-p99': { type: 'string' },
      'max-p99-accepted': { type: 'string' },
      'max-error-share': { type: 'string' },
      'dry-run': { type: 'boolean', default: false },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
  return values
}

function readStages(values: Values): Pick<LoadOptions, 'startRatePerSecond' | 'stages' | 'total'> {
  const given = values.rate === undefined ? undefined : rate('--rate', values.rate)
  if (values.ramp !== undefined) {
    const beside = (['duration', 'total'] as const).find((name) => values[name] !== undefined)
    if (beside) throw new BadUsage(`--ramp says how long it takes itself: it goes without --${beside}.`)
    const stages = readRamp(values.ramp)
    if (!stages.some(({ durationMillis }) => durationMillis > 0))
      throw new BadUsage('--ramp takes no time at all.')
    if (!(given ?? 0) && !stages.some(({ ratePerSecond }) => ratePerSecond > 0)) {
      throw new BadUsage('--ramp leads nowhere: every rate is 0.')
    }
    return { startRatePerSecond: given ?? 0, stages }
  }
  const total = wholeNumber('--total', values.total, 1)
  const durationMillis = time('--duration', values.duration)
  if (total !== undefined && durationMillis !== undefined) {
    throw new BadUsage('--total and --duration exclude each other: one of them and --rate say the other.')
  }
  const ratePerSecond = given ?? standard.ratePerSecond
  if (ratePerSecond === 0) throw new BadUsage('--rate is 0: nothing would arrive.')
  if (total === undefined) {
    return {
      startRatePerSecond: ratePerSecond,
      stages: [{ ratePerSecond, durationMillis: durationMillis ?? standard.durationMillis }],
    }
  }
  const stages = [{ ratePerSecond, durationMillis: (total * 1_000) / ratePerSecond }]
  return { startRatePerSecond: ratePerSecond, stages, total }
}

const readRamp = (ramp: string): Stage[] =>
  ramp.split(',').map((stage) => {
    const [to, within, ...others] = stage.split(':')
    if (to === undefined || within === undefined || others.length > 0) {
      throw new BadUsage(`--ramp has ${JSON.stringify(stage)}: a rate and a time are wanted, like 50:60s.`)
    }
    return { ratePerSecond: rate('--ramp', to), durationMillis: time('--ramp', within) ?? 0 }
  })

const highestRatePerSecond = 100_000

function rate(option: string, text: string): number {
  const number = Number(text)
  if (/^\d+(\.\d+)?$/.test(text) && number <= highestRatePerSecond) return number
  throw new BadUsage(
    `${option} has ${JSON.stringify(text)}: checkouts a second are wanted, up to ${highestRatePerSecond}.`,
  )
}

const unitMillis: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

function time(option: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const { count, unit = '' } = /^(?<count>\d{1,7}(\.\d+)?)(?<unit>ms|s|m|h)$/.exec(text)?.groups ?? {}
  if (count !== undefined) return Math.round(Number(count) * (unitMillis[unit] ?? 0))
  throw new BadUsage(`${option} has ${JSON.stringify(text)}: a time is wanted, like 500ms, 90s, 5m or 1h.`)
}

/** @throws BadUsage naming the kinds that there are */
function readMix(mix: string): Mix {
  const known = `Known are ${kindNames.join(', ')}.`
  const weights = mix.split(',').map((part): [string, number] => {
    const [name = '', weight = '', ...others] = part.split('=')
    if (!kindNames.includes(name))
      throw new BadUsage(`--mix has ${JSON.stringify(name)}, which is no kind. ${known}`)
    if (!/^\d{1,9}(\.\d+)?$/.test(weight) || others.length > 0) {
      throw new BadUsage(`--mix has ${JSON.stringify(part)}: a weight is wanted, like ${name}=10.`)
    }
    return [name, Number(weight)]
  })
  const twice = weights.find(([name], index) => weights.findIndex(([other]) => other === name) !== index)
  if (twice) throw new BadUsage(`--mix has ${twice[0]} twice.`)
  if (!weights.some(([, weight]) => weight > 0))
    throw new BadUsage('--mix has nothing in it: every weight is 0.')
  return Object.fromEntries(weights)
}

function oneOf<Choice extends string>(
  option: string,
  value: string | undefined,
  choices: readonly Choice[],
): Choice | undefined {
  if (value === undefined) return undefined
  const choice = choices.find((each) => each === value)
  if (choice !== undefined) return choice
  throw new BadUsage(`${option} is ${JSON.stringify(value)}: ${choices.join(' or ')} is wanted.`)
}

function readThresholds(values: Values): Thresholds {
  const maxP99 = time('--max-p99', values['max-p99'])
  const maxP99Accepted = time('--max-p99-accepted', values['max-p99-accepted'])
  const share = values['max-error-share']
  if (share !== undefined && (!/^\d{1,3}(\.\d+)?%$/.test(share) || parseFloat(share) > 100)) {
    throw new BadUsage(`--max-error-share is ${JSON.stringify(share)}: a share is wanted, like 1% or 0.5%.`)
  }
  return {
    ...(maxP99 !== undefined && { maxP99 }),
    ...(maxP99Accepted !== undefined && { maxP99Accepted }),
    ...(share !== undefined && { maxErrorShare: parseFloat(share) / 100 }),
  }
}

/** Found out before the load and not after it. */
function requireRoom(folder: string): string {
  const taken = Object.values(fileNames).find((name) => existsSync(join(folder, name)))
  if (taken === undefined) return folder
  throw new BadUsage(`--out ${folder} has a ${taken} already, of another load: name another folder.`)
}

export const temporaryFolder = (): string => mkdtempSync(join(tmpdir(), 'sagascope-load-'))

function gatewayUrl(option: string | undefined, environment: NodeJS.ProcessEnv): string {
  const [from, value] =
    option === undefined ? ['GATEWAY_URL', environment.GATEWAY_URL] : (['--gateway', option] as const)
  if (!value) return `http://127.0.0.1:${gatewayPort(environment)}`
  const isHttp = URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)
  if (!isHttp)
    throw new BadUsage(`${from} is ${JSON.stringify(value)}: a URL with http:// or https:// is wanted.`)
  if (new URL(value).username + new URL(value).password !== '') {
    throw new BadUsage(`${from} has a user in it, which the gateway has no use for.`)
  }
  return value
}

function gatewayPort(environment: NodeJS.ProcessEnv): number {
  try {
    return readPorts(environment).gateway
  } catch (error) {
    throw new BadUsage((error as Error).message, { cause: error })
  }
}
