/** The command line of `npm run lab`, and the sizes of a run. */
import { existsSync, mkdtempSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BadUsage, parseOptions, wholeNumber } from '../../shared/process/command-line.ts'
import { arms } from './arms/arms.ts'
import type { Arm } from './arms/arms.ts'
import type { ComparePlan } from './compare-arms.ts'
import type { LabResult } from './lab-result.ts'
import type { StudyName } from './study-results.ts'

export const runnableStudies = [
  'idle',
  'outbox',
  'outage',
  'growth',
  'sampling',
  'sizes',
  'profile',
] as const satisfies readonly StudyName[]
export type RunnableStudy = (typeof runnableStudies)[number]

export interface LabOptions {
  readonly form: LabResult['form']
  readonly arms: readonly Arm[]
  readonly studies: readonly RunnableStudy[]
  readonly plan: ComparePlan
  /** Of the control: it has to tell from 1 what is smaller than what the arms are for. */
  readonly controlPairs: number
  readonly folder: string
  /** Where a Collector is told which arm runs; nowhere unless told. */
  readonly announceTo: string | undefined
}

/** Many short visits, not few long ones: what else a shared machine does lasts for tens of seconds, and falls on one side. */
const full: ComparePlan = {
  pairs: 24,
  pairsPerStart: 12,
  inFlight: 16,
  warmUpMillis: 40_000,
  saturationMillis: 3_000,
  halfLoadMillis: 5_000,
}

const short: ComparePlan = {
  pairs: 3,
  pairsPerStart: 3,
  inFlight: 16,
  warmUpMillis: 8_000,
  saturationMillis: 4_000,
  halfLoadMillis: 4_000,
}

export const control = 'off-again'
/** A visit's throughput differs by a tenth from that of its pair for no reason; the median of 72 by little more than 1 %. */
const controlTimes = 3
const shortArms = [control, 'all']

/** A visit, with what comes before, between and after its phases. */
const visitSeconds = ({ saturationMillis, halfLoadMillis }: ComparePlan): number =>
  (saturationMillis + halfLoadMillis) / 1_000 + 1

const minutesOf = (plan: ComparePlan, count: number): number => {
  const startSeconds = (plan.pairs / plan.pairsPerStart) * (15 + plan.warmUpMillis / 1_000)
  return Math.ceil((count * 2 * (plan.pairs * visitSeconds(plan) + startSeconds)) / 60)
}

const nameWidth = Math.max(...arms.map(({ name }) => name.length)) + 2

export const help = `Measures what telemetry costs: each arm beside its baseline, both on servers of their own, visited in turn.

  npm run lab [-- options]             all arms, ${full.pairs} pairs each: some ${Math.round(minutesOf(full, arms.length + controlTimes) / 60)} hours
  npm run lab -- --short               ${shortArms.join(' and ')}, ${short.pairs} pairs: under 5 minutes
  npm run lab -- --arms all,lean       only these, and ${control}, the control of every run
  npm run lab -- --studies idle,outbox only these studies, and no arms: ${runnableStudies.join(', ')}
  npm run lab -- --out folder          goes on with what the folder has, and writes the report anew

  --arms <names>    as below; ${control} is added
  --studies <names> beside --arms: both
  --pairs <n>       of each arm; ${full.pairs}; the control has ${controlTimes} times as many, but for --short
  --seconds <n>     of each of the two phases of a visit; ${full.saturationMillis / 1_000} and ${full.halfLoadMillis / 1_000}
  --warm-up <n>     seconds that each of the two works before anything counts; ${full.warmUpMillis / 1_000}
  --in-flight <n>   checkouts in flight while it saturates; ${full.inFlight}
  --out <folder>    lab.json, the studies' own files, report.md and report.html; a new temporary folder unless told. What is
                    in there already is kept, and an arm with as many pairs is not measured again
  --announce <url>  tells a Collector at this OTLP/HTTP address which arm runs, for the dashboard of a stack beside it
  --help            this

A machine that does anything else at the same time shows in the control: ${control} is \`off\` once more, and where their ratio is
outside of 0.98 to 1.02 a full run is void.

Arms, and what each is compared with:
${arms.map(({ name, against, what }) => `  ${name.padEnd(nameWidth)}${what} (${against})`).join('\n')}

Exit codes: 0 done, 1 something failed, or the control voids the run, 2 not understood.`

/**
 * @returns 'help' when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(commandLine: readonly string[]): LabOptions | 'help' {
  const { values } = parse(commandLine)
  if (values.help) return 'help'
  if (values.short && (values.arms !== undefined || values.studies !== undefined))
    throw new BadUsage(
      '--short says which arms and studies there are: not together with --arms or --studies.',
    )
  const size = values.short ? short : full
  const seconds = wholeNumber('--seconds', values.seconds, 1)
  const warmUpSeconds = wholeNumber('--warm-up', values['warm-up'], 1)
  const plan: ComparePlan = {
    ...size,
    pairs: wholeNumber('--pairs', values.pairs, 1) ?? size.pairs,
    inFlight: wholeNumber('--in-flight', values['in-flight'], 1) ?? size.inFlight,
    ...(warmUpSeconds !== undefined && { warmUpMillis: warmUpSeconds * 1_000 }),
    ...(seconds !== undefined && { saturationMillis: seconds * 1_000, halfLoadMillis: seconds * 1_000 }),
  }
  const studies = listOf('--studies', values.studies, runnableStudies)
  const wanted = values.short ? shortArms : listOf('--arms', values.arms, names)
  const choices = [wanted, studies, values.pairs, seconds, warmUpSeconds]
  const isCustom = choices.some((choice) => choice !== undefined)
  return {
    form: values.short ? 'short' : isCustom ? 'custom' : 'full',
    arms: chosenArms(wanted, studies !== undefined),
    studies: studies ?? (isCustom || values.short ? [] : runnableStudies),
    plan,
    controlPairs: plan.pairs * (values.short ? 1 : controlTimes),
    folder: outputFolder(values.out),
    announceTo: values.announce === undefined ? undefined : address(values.announce),
  }
}

const names = arms.map(({ name }) => name)

/** The control first: a machine that is too noisy is known before it has taken hours. */
function chosenArms(wanted: readonly string[] | undefined, onlyStudies: boolean): Arm[] {
  if (wanted === undefined && onlyStudies) return []
  const chosen = new Set([control, ...(wanted ?? names)])
  return arms
    .filter(({ name, against }) => chosen.has(name) && name !== against)
    .toSorted((one, other) => Number(other.name === control) - Number(one.name === control))
}

function listOf<Name extends string>(
  option: string,
  text: string | undefined,
  known: readonly Name[],
): Name[] | undefined {
  if (text === undefined) return undefined
  const asked = text
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '')
  const strangers = asked.filter((name) => !known.some((each) => each === name))
  if (asked.length === 0 || strangers.length > 0)
    throw new BadUsage(`${option} is ${JSON.stringify(text)}: of ${known.join(', ')} are wanted.`)
  return known.filter((name) => asked.includes(name))
}

function outputFolder(path: string | undefined): string {
  if (path === undefined) return mkdtempSync(join(tmpdir(), 'sagascope-lab-'))
  if (existsSync(path) && !statSync(path).isDirectory())
    throw new BadUsage(`--out ${JSON.stringify(path)} is a file: a folder is wanted.`)
  return path
}

function address(text: string): string {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? '')) return text
  throw new BadUsage(`--announce is ${JSON.stringify(text)}: a URL with http:// or https:// is wanted.`)
}

function parse(commandLine: readonly string[]) {
  return parseOptions({
    args: [...commandLine],
    options: {
      short: { type: 'boolean', default: false },
      arms: { type: 'string' },
      studies: { type: 'string' },
      pairs: { type: 'string' },
      seconds: { type: 'string' },
      'warm-up': { type: 'string' },
      'in-flight': { type: 'string' },
      out: { type: 'string' },
      announce: { type: 'string' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  })
}
