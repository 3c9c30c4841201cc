/** The command line of `npm run compare`. */
import { isCheckoutId } from '../../shared/saga/checkout-id.ts'
import { BadUsage, parseOptions, pointInTime, wholeNumber } from '../../shared/process/command-line.ts'
import { isTraceId, readJaegerUrls } from '../verify/follow-options.ts'
import { defaultThresholds } from '../../shared/traces/compare-traces.ts'
import { defaultSetThresholds } from './compare-sets.ts'

export const exitCodes = { within: 0, differs: 1, badUsage: 2, incomplete: 3 } as const

/** Which traces are one of two sets. */
export type Selection =
  | { readonly by: 'file'; readonly file: string }
  | {
      readonly by: 'search'
      readonly service: string
      readonly operation: string | undefined
      readonly attributes: Readonly<Record<string, string>>
      readonly fromMillis: number
      readonly toMillis: number
    }

export const failures = ['missing', 'added', 'failed'] as const
export type Failure = (typeof failures)[number]

export interface Limits {
  /** The greatest ratio of B to A that passes; undefined when any does. */
  readonly failOver: number | undefined
  readonly failOn: readonly Failure[]
}

export interface CompareOptions {
  readonly what:
    | { readonly kind: 'traces'; readonly ids: readonly [a: string, b: string] }
    | {
        readonly kind: 'sets'
        readonly sets: readonly [a: Selection, b: Selection]
        readonly limit: number
        readonly seed: number
      }
  /** What is called slower; undefined for what is usual. */
  readonly ratio: number | undefined
  readonly differenceMicros: number | undefined
  readonly limits: Limits
  readonly jaegerUrl: string
  /** Where Jaeger's pages are. */
  readonly jaegerUiUrl: string
  readonly json: boolean
  readonly htmlFile: string | undefined
}

export const help = `Compares two traces, or many with many: what is missing, added, slower, failed, and what made the difference.

  npm run compare -- <A> <B> [options]                      each a checkout id or a trace id
  npm run compare -- --a-tag <k=v> --b-tag <k=v> [options]  each a set of traces
  npm run compare -- --a-since 2h --a-until 1h --b-since 1h [options]
  npm run compare -- --a-file <file> --b-file <file> [options]

Spans are matched by service, name, kind and what is above them. "path" says whose critical path has a share of it.

Sets, each by what is given of these; medians are told apart with 95 % confidence over all rows together:
  --a-tag, --b-tag <key=value>   of a span or its resource, as service.version=2; may be given several times
  --a-since, --b-since <when>    15m, 2h, 3d or a time; 1d unless told
  --a-until, --b-until <when>    now unless told
  --a-file, --b-file <file>      checkout ids or trace ids, one a line
  --service <name>               whose span the tags and times are of; gateway
  --operation <name>             that span's name; "POST /checkouts" for the gateway, any for others
  --limit <count>                so many of each set, picked by chance; 200
  --seed <number>                of the bootstrap; 1

What differs:
  --slower <ratio>               called slower, or faster, from this ratio on; ${defaultThresholds.ratio}, for sets ${defaultSetThresholds.ratio}
  --least <milliseconds>         ... and from this difference on; ${defaultThresholds.differenceMicros / 1_000}
  --fail-over <ratio>            exit with ${exitCodes.differs} when a span, a queue or the whole takes more than so many times as long;
                                 of sets, when the whole interval lies above it
  --fail-on <list>               exit with ${exitCodes.differs} when spans are missing, added or failed (where A's were not); as missing,failed

  --html <file>                  writes a page of it as well
  --json                         as one JSON document; progress is on standard error
  --jaeger <url>                 also JAEGER_URL, JAEGER_PORT; http://127.0.0.1:16686. JAEGER_UI_URL is where its pages are
  --help                         this

Exit codes: ${exitCodes.within} within what --fail-over and --fail-on say, ${exitCodes.differs} beyond it, ${exitCodes.badUsage} not understood, ${exitCodes.incomplete} Jaeger could not be asked, or
does not know an id.`

/**
 * @returns 'help' when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(
  commandLine: readonly string[],
  environment: NodeJS.ProcessEnv,
  now: Date,
): CompareOptions | 'help' {
  const { values, positionals } = parse(commandLine)
  if (values.help) return 'help'
  const least = positiveNumber('--least', values.least, 0)
  return {
    what: readWhat(values, positionals, now),
    ratio: positiveNumber('--slower', values.slower, 1),
    differenceMicros: least === undefined ? undefined : least * 1_000,
    limits: {
      failOver: positiveNumber('--fail-over', values['fail-over'], 0),
      failOn: readFailures(values['fail-on']),
    },
    ...readJaegerUrls(values.jaeger, environment),
    json: values.json,
    htmlFile: values.html,
  }
}

const parse = (commandLine: readonly string[]) =>
  parseOptions({
    args: [...commandLine],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      json: { type: 'boolean', default: false },
      html: { type: 'string' },
      jaeger: { type: 'string' },
      slower: { type: 'string' },
      least: { type: 'string' },
      'fail-over': { type: 'string' },
      'fail-on': { type: 'string' },
      'a-tag': { type: 'string', multiple: true },
      'b-tag': { type: 'string', multiple: true },
      'a-since': { type: 'string' },
      'b-since': { type: 'string' },
      'a-until': { type: 'string' },
      'b-until': { type: 'string' },
      'a-file': { type: 'string' },
      'b-file': { type: 'string' },
      service: { type: 'string' },
      operation: { type: 'string' },
      limit: { type: 'string' },
      seed: { type: 'string' },
    },
  })

type Values = ReturnType<typeof parse>['values']
const ofSets = ['service', 'operation', 'limit', 'seed'] as const
const sides = ['a', 'b'] as const
type Side = (typeof sides)[number]
const givenOf = (values: Values, side: Side) =>
  (['tag', 'since', 'until', 'file'] as const).filter((name) => values[`${side}-${name}`] !== undefined)

function readWhat(values: Values, ids: readonly string[], now: Date): CompareOptions['what'] {
  const [withoutA, withoutB] = sides.map((side) => givenOf(values, side).length === 0)
  if (withoutA && withoutB) {
    const stray = ofSets.find((name) => values[name] !== undefined)
    if (stray) throw new BadUsage(`--${stray} is for sets, and no set is described.`)
    return { kind: 'traces', ids: readIds(ids) }
  }
  if (ids.length > 0) throw new BadUsage('Either two ids are wanted or two sets, not both.')
  if (withoutA || withoutB) {
    const [known, unknown] = withoutA ? ['b', 'a'] : ['a', 'b']
    throw new BadUsage(`Of the set ${known} something is said, of the set ${unknown} nothing.`)
  }
  return {
    kind: 'sets',
    sets: [readSelection(values, 'a', now), readSelection(values, 'b', now)],
    limit: wholeNumber('--limit', values.limit, 1) ?? 200,
    seed: wholeNumber('--seed', values.seed, 0) ?? 1,
  }
}

function readIds(ids: readonly string[]): readonly [string, string] {
  const [a, b, ...others] = ids
  if (a === undefined || b === undefined || others.length > 0) {
    throw new BadUsage(`Two ids are wanted, of checkouts or traces; ${ids.length} were given.`)
  }
  for (const id of [a, b]) {
    if (!isTraceId(id) && !isCheckoutId(id)) {
      throw new BadUsage(`${JSON.stringify(id)} is neither a checkout id nor a trace id.`)
    }
  }
  return [a, b]
}

function readSelection(values: Values, side: Side, now: Date): Selection {
  const file = values[`${side}-file`]
  if (file !== undefined) {
    const other = givenOf(values, side).find((name) => name !== 'file')
    if (other)
      throw new BadUsage(`--${side}-file says all of the set ${side}; --${side}-${other} has no place.`)
    return { by: 'file', file }
  }
  const fromMillis = pointInTime(`--${side}-since`, values[`${side}-since`] ?? '1d', now)
  const until = values[`${side}-until`]
  const toMillis = until === undefined ? now.getTime() : pointInTime(`--${side}-until`, until, now)
  if (fromMillis >= toMillis) throw new BadUsage(`--${side}-until is not after --${side}-since.`)
  const service = values.service ?? 'gateway'
  return {
    by: 'search',
    service,
    operation: values.operation ?? (service === 'gateway' ? 'POST /checkouts' : undefined),
    attributes: Object.fromEntries((values[`${side}-tag`] ?? []).map((tag) => readTag(side, tag))),
    fromMillis,
    toMillis,
  }
}

function readTag(side: Side, tag: string): readonly [string, string] {
  const { key, value } = /^(?<key>[^=\s]+)=(?<value>.+)$/.exec(tag)?.groups ?? {}
  if (key !== undefined && value !== undefined) return [key, value]
  throw new BadUsage(`--${side}-tag is ${JSON.stringify(tag)}: one like service.version=2 is wanted.`)
}

function readFailures(list: string | undefined): Failure[] {
  return (list?.split(',') ?? []).map((name) => {
    const known = failures.find((failure) => failure === name.trim())
    if (known) return known
    throw new BadUsage(
      `--fail-on has ${JSON.stringify(name)}: of ${failures.join(', ')}, those are wanted that fail.`,
    )
  })
}

function positiveNumber(option: string, value: string | undefined, above: number): number | undefined {
  if (value === undefined) return undefined
  const number = Number(value)
  if (/^\d+(\.\d+)?$/.test(value) && number >= above) return number
  throw new BadUsage(`${option} is ${JSON.stringify(value)}: a number from ${above} is wanted.`)
}
