/** The command line of `npm run replay`. */
import { isCheckoutId } from '../../shared/saga/checkout-id.ts'
import type { Topic } from '../../shared/saga/events.ts'
import { topics, user } from '../../shared/saga/events.ts'
import {
  BadUsage,
  parseOptions,
  pointInTime,
  ratePerSecond,
  wholeNumber,
} from '../../shared/process/command-line.ts'

export interface Selection {
  readonly topics: readonly Topic[]
  readonly checkoutId?: string
  /** Milliseconds since the epoch; what Kafka was given from then on. */
  readonly sinceMillis?: number
  /** ... and before the first that it was given then. */
  readonly untilMillis?: number
  /** Both ends belong to it. */
  readonly offsets?: { readonly partition: number; readonly from?: bigint; readonly to?: bigint }
}

interface Common {
  readonly execute: boolean
  readonly json: boolean
}

export interface ReplayOptions extends Common {
  readonly command: 'replay'
  readonly selection: Selection
  readonly ratePerSecond: number
}

export interface AsNewOptions extends Common {
  readonly command: 'as-new'
  /** Of topic checkouts, where the requests are. */
  readonly selection: Selection
  readonly ratePerSecond: number
  readonly email?: string
  readonly gatewayUrl?: string
}

export interface RebuildOptions extends Common {
  readonly command: 'rebuild'
  readonly databasePrefix: string
}

export type Options = { readonly command: 'help' } | ReplayOptions | AsNewOptions | RebuildOptions

export const exitCodes = { done: 0, notDone: 1, badUsage: 2, unavailable: 3, interrupted: 130 } as const

export const defaultRatePerSecond = 20

export const help = `Sends messages once more, runs a checkout's input once more, or rebuilds the stores from the topics.

  npm run replay -- --checkout <id>                      what was said of one checkout
  npm run replay -- --since 10m [--until 5m]             ... in a window of time
  npm run replay -- --topic orders --partition 0 --from-offset 100 --to-offset 199
  npm run replay -- --checkout <id> --as-new             the same request as a checkout of its own
  npm run replay -- --rebuild --database-prefix fresh    every service's store, into databases that are empty

Each of these only says what it would do. --execute does it.

What is replayed
  --checkout <id>
  --since <when>         15m, 2h, 3d, or a time like 2026-11-23T12:00:00Z: given to Kafka from then on
  --until <when>         ... and before then
  --topic <topic>        only of this one; more than once for several: ${topics.join(', ')}
  --partition <n>        with one --topic: only of this partition; --from-offset and --to-offset are both included
  --all                  all that lies on the topics

How
  --rate <n>             messages, or checkouts, a second: ${defaultRatePerSecond} unless told otherwise
  --execute              sends, or writes
  --json                 what was, or would be done as one JSON document; progress goes to standard error
  --help                 this

A replayed message keeps its id, key and partition. Whoever has answered it knows its id and does nothing; a service that
has not answers now. Nothing happens twice. Causes go before effects, and each event once, however often it was
sent. Each message has a new trace, linked to the span that sent it first, and the header replay-of: where that lies.
What no service could read is left out, and said. All that is chosen is held in memory.

--as-new   POSTs the request of each chosen checkout to the gateway, as its client did: today's code answers it, under
           a new id and deadline, in a trace of its own. It is one more checkout, with one more payment. One email is one
           user: while the first checkout stands, the second finds its user registered, and keeps it when it is
           taken back. With --email <address> it is somebody else's. The gateway is at --gateway <url>, also
           GATEWAY_URL; http://127.0.0.1:8080 unless GATEWAY_PORT moves it. Waits for the ends and says how to compare.

--rebuild  Reads all topics from the beginning and writes what the services had written: their streams, under the
           same ids and versions, the email register, the deadlines of what is open, and what the fake payment network must have in its
           ledger. Databases that are not empty are refused; if it was interrupted, the same command starts over.
           Topics that keep messages only for a while give the checkouts that are whole on them.

Reads Kafka at KAFKA_BROKERS (127.0.0.1:9092) and writes to MONGODB_URL (mongodb://127.0.0.1:27017), with the variables
of the services.

Exit codes: ${exitCodes.done} done, ${exitCodes.notDone} there is no such checkout, or not all could be done, ${exitCodes.badUsage} not understood, ${exitCodes.unavailable} a backend could not be
asked, ${exitCodes.interrupted} interrupted.`

/**
 * @param now for `--since 15m`
 * @throws BadUsage
 */
export function parseCommandLine(commandLine: readonly string[], now = new Date()): Options {
  const values = parse(commandLine)
  if (values.help) return { command: 'help' }
  if (values.rebuild && values['as-new']) throw new BadUsage('--rebuild or --as-new, not both.')
  const common = { execute: values.execute ?? false, json: values.json ?? false }
  if (values.rebuild) {
    refuse(values, '--rebuild', [...selecting, 'rate', 'email', 'gateway'])
    return { command: 'rebuild', databasePrefix: readPrefix(values['database-prefix']), ...common }
  }
  const pace = { ratePerSecond: ratePerSecond('--rate', values.rate) ?? defaultRatePerSecond }
  if (values['as-new']) {
    refuse(values, '--as-new', ['topic', 'database-prefix'])
    const selection = readSelection({ ...values, topic: ['checkouts'] }, now)
    const { email, gateway } = values
    return {
      command: 'as-new',
      selection,
      ...pace,
      ...common,
      ...(email !== undefined && { email: requireEmail(email) }),
      ...(gateway !== undefined && { gatewayUrl: requireUrl('--gateway', gateway) }),
    }
  }
  refuse(values, 'A replay without --as-new', ['email', 'gateway'])
  refuse(values, 'A replay without --rebuild', ['database-prefix'])
  return { command: 'replay', selection: readSelection(values, now), ...pace, ...common }
}

const selecting = [
  'checkout',
  'since',
  'until',
  'topic',
  'partition',
  'from-offset',
  'to-offset',
  'all',
] as const

type Values = ReturnType<typeof parse>

function parse(commandLine: readonly string[]) {
  return parseOptions({
    args: [...commandLine],
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      execute: { type: 'boolean' },
      rate: { type: 'string' },
      checkout: { type: 'string' },
      since: { type: 'string' },
      until: { type: 'string' },
      topic: { type: 'string', multiple: true },
      partition: { type: 'string' },
      'from-offset': { type: 'string' },
      'to-offset': { type: 'string' },
      all: { type: 'boolean' },
      'as-new': { type: 'boolean' },
      email: { type: 'string' },
      gateway: { type: 'string' },
      rebuild: { type: 'boolean' },
      'database-prefix': { type: 'string' },
    },
  }).values
}

/** What means nothing here is refused: whoever wrote it believes that it does something. */
function refuse(values: Values, who: string, names: readonly (keyof Values)[]): void {
  const meaningless = names.find((name) => values[name] !== undefined)
  if (meaningless !== undefined) throw new BadUsage(`${who} knows no --${meaningless}.`)
}

function readSelection(values: Values, now: Date): Selection {
  const { checkout, since, until, all = false } = values
  const offsets = readOffsets(values)
  const narrowing = [checkout, since, until, offsets].filter((each) => each !== undefined)
  if (narrowing.length === 0 && !all) {
    throw new BadUsage('What is to be replayed? --checkout, --since, --topic with --partition, or --all.')
  }
  if (narrowing.length > 0 && all) throw new BadUsage('--all goes with no other choice but --topic.')
  if (checkout !== undefined && !isCheckoutId(checkout)) {
    throw new BadUsage(`--checkout ${JSON.stringify(checkout)} is no checkout id.`)
  }
  const sinceMillis = since === undefined ? undefined : pointInTime('--since', since, now)
  const untilMillis = until === undefined ? undefined : pointInTime('--until', until, now)
  if (sinceMillis !== undefined && untilMillis !== undefined && sinceMillis >= untilMillis) {
    throw new BadUsage('--until comes before --since.')
  }
  return {
    topics: readTopics(values.topic),
    ...(checkout !== undefined && { checkoutId: checkout }),
    ...(sinceMillis !== undefined && { sinceMillis }),
    ...(untilMillis !== undefined && { untilMillis }),
    ...(offsets && { offsets }),
  }
}

function readTopics(names: readonly string[] | undefined): readonly Topic[] {
  if (names === undefined) return topics
  const unknown = names.find((name) => !(topics as readonly string[]).includes(name))
  if (unknown !== undefined) {
    throw new BadUsage(`--topic ${JSON.stringify(unknown)} is none of ${topics.join(', ')}.`)
  }
  return topics.filter((topic) => names.includes(topic))
}

function readOffsets(values: Values): Selection['offsets'] {
  const partition = wholeNumber('--partition', values.partition, 0)
  const from = readOffset('--from-offset', values['from-offset'])
  const to = readOffset('--to-offset', values['to-offset'])
  if (partition === undefined) {
    if (from ?? to) throw new BadUsage('An offset goes with one --topic and its --partition.')
    return undefined
  }
  if (values.topic?.length !== 1) throw new BadUsage('--partition goes with one --topic.')
  if (from !== undefined && to !== undefined && from > to) {
    throw new BadUsage('--to-offset comes before --from-offset.')
  }
  return { partition, ...(from !== undefined && { from }), ...(to !== undefined && { to }) }
}

function readOffset(option: string, value: string | undefined): bigint | undefined {
  if (value === undefined) return undefined
  if (/^\d{1,18}$/.test(value)) return BigInt(value)
  throw new BadUsage(`${option} is ${JSON.stringify(value)}: an offset is a whole number.`)
}

/** As MONGODB_DATABASE_PREFIX has to be. */
function readPrefix(prefix: string | undefined): string {
  if (prefix === undefined) {
    throw new BadUsage('--rebuild wants --database-prefix, of databases that are empty or not there.')
  }
  if (/^[a-z0-9-]{1,30}$/.test(prefix)) return prefix
  throw new BadUsage(`--database-prefix ${JSON.stringify(prefix)} is not 1 to 30 of a-z, 0-9 and -.`)
}

/** What is wrong is not repeated: it may be somebody's. */
function requireEmail(email: string): string {
  if (user.shape.email.safeParse(email).success) return email
  throw new BadUsage('--email is no address.')
}

export function requireUrl(from: string, value: string): string {
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return value
  throw new BadUsage(`${from} is no URL with http:// or https://.`)
}
