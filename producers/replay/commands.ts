/** What `npm run replay` does, on the real topics. */
import { isSpanContextValid } from '@opentelemetry/api'
import { MongoError } from 'mongodb'
import { topics } from '../../shared/saga/events.ts'
import { BackendUnavailable } from '../../shared/backends/read-json.ts'
import type { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { connectKafka, failedWhile } from '../../shared/kafka/kafka-for-tools.ts'
import type { Config } from '../../shared/process/config.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { connectStore } from '../../shared/kernel/mongo.ts'
import type { Pair } from './as-new.ts'
import { endOf, NotAccepted, replayAsNew } from './as-new.ts'
import type { Chosen, ChosenMessage } from './chosen.ts'
import type { AsNewOptions, Options, RebuildOptions, ReplayOptions, Selection } from './options.ts'
import { exitCodes, requireUrl } from './options.ts'
import { paced } from './paced.ts'
import type { Plan } from './plan.ts'
import { describeLeftOut, describePlan, messageJson, planJson, planOf } from './plan.ts'
import { readSelection } from './read-selection.ts'
import { projectionsOf, rebuild, stateOf } from './rebuild.ts'
import { replayAll } from './replay-messages.ts'
import { streamsOf } from './streams.ts'

type Command = Exclude<Options, { command: 'help' }>

/** The store could not be asked; the message says where it was looked for. */
export class StoreNotReached extends Error {
  readonly code = 'store_not_reached'
}

/**
 * @param signal aborted when it is to stop, before the next message
 * @returns the exit code
 * @throws KafkaNotReached, BackendUnavailable, StoreNotReached
 */
export async function runCommand(options: Command, config: Config, signal: AbortSignal): Promise<number> {
  const kafka = await connectKafka(config, 'replay')
  switch (options.command) {
    case 'replay':
      return replayMessages(kafka, options, signal)
    case 'as-new':
      return runAsNew(kafka, options, config, signal)
    case 'rebuild':
      return rebuildStores(kafka, options, config, signal)
    default:
      return options satisfies never
  }
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`

const printJson = (document: unknown): void => console.log(JSON.stringify(document, undefined, 2))

async function read(kafka: KafkaConnection, selection: Selection): Promise<Chosen> {
  console.error(`Reading ${selection.topics.join(', ')}.`)
  return readSelection(kafka, selection).catch(failedWhile('the topics were read'))
}

/** Nothing was chosen: a checkout that nobody knows was meant to be there, a window may well be empty. */
function nothingFound({ checkoutId, topics: asked, ...narrowed }: Selection, json: boolean): number {
  if (json) printJson({ messages: 0 })
  if (checkoutId !== undefined) {
    console.error(`Nothing of checkout ${checkoutId} lies on ${asked.join(', ')}.`)
    return exitCodes.notDone
  }
  const where = Object.keys(narrowed).length > 0 ? 'where you look' : 'at all'
  console.error(`There is nothing to replay: nothing that can be read lies on ${asked.join(', ')} ${where}.`)
  return exitCodes.done
}

function sayLeftOut(chosen: Pick<Chosen, 'leftOut'>): void {
  for (const line of describeLeftOut(chosen.leftOut)) console.error(line)
}

const forSeconds = (count: number, ratePerSecond: number): string =>
  `${Math.ceil((count / ratePerSecond) * 10) / 10} s at ${ratePerSecond} a second`

async function replayMessages(
  kafka: KafkaConnection,
  { selection, ratePerSecond, execute, json }: ReplayOptions,
  signal: AbortSignal,
): Promise<number> {
  const chosen = await read(kafka, selection)
  sayLeftOut(chosen)
  const plan = planOf(chosen)
  const { messages } = plan
  if (messages.length === 0) return nothingFound(selection, json)
  if (execute) return sendAll(kafka, plan, { ratePerSecond, json }, signal)
  if (json) {
    printJson({ ...planJson(plan), executed: false, list: messages.map(messageJson) })
    return exitCodes.done
  }
  console.log(describePlan(plan).join('\n'))
  const would = `${counted(messages.length, 'message')} would be, in ${forSeconds(messages.length, ratePerSecond)}`
  console.log(`Nothing was sent: ${would}. --execute sends.`)
  return exitCodes.done
}

async function sendAll(
  kafka: KafkaConnection,
  plan: Plan,
  { ratePerSecond, json }: Pick<ReplayOptions, 'ratePerSecond' | 'json'>,
  signal: AbortSignal,
): Promise<number> {
  const producer = await kafka.connectProducer().catch(failedWhile('a producer connected'))
  const sent: (ReturnType<typeof messageJson> & { traceId: string | undefined })[] = []
  const { messages } = plan
  const progress = everySecond(() => console.error(`${sent.length} of ${messages.length} sent`))
  try {
    const onReplayed: Parameters<typeof replayAll>[3] = (message, span) => {
      const traceId = isSpanContextValid(span) ? span.traceId : undefined
      const entry = { ...messageJson(message), traceId }
      sent.push(entry)
      if (!json) console.log(describeSent(entry))
      else progress.tick()
    }
    await replayAll(messages, producer.send, ratePerSecond, onReplayed, signal).catch(
      failedWhile('they were sent'),
    )
  } finally {
    const far = `${sent.length} of ${counted(messages.length, 'message')} sent.`
    if (json) printJson({ ...planJson(plan), executed: true, list: sent })
    ;(json ? console.error : console.log)(far)
    const last = sent.at(-1)
    if (last && sent.length < messages.length) console.error(`The last was ${last.replayOf}, ${last.id}.`)
    await producer.disconnect()
  }
  return sent.length < messages.length ? exitCodes.interrupted : exitCodes.done
}

const describeSent = ({
  replayOf,
  type,
  checkoutId,
  traceId,
}: ReturnType<typeof messageJson> & { traceId: string | undefined }) =>
  `${replayOf} ${type} of ${checkoutId} sent${traceId === undefined ? '' : `, trace ${traceId}`}`

/** For progress: at most once a second, whatever happens in between. */
function everySecond(say: () => void) {
  let nextAt = performance.now() + 1_000
  return {
    tick: () => {
      if (performance.now() < nextAt) return
      nextAt = performance.now() + 1_000
      say()
    },
  }
}

const isRequest = ({ recorded }: ChosenMessage): boolean => recorded.event.type === 'CheckoutRequested'

async function runAsNew(
  kafka: KafkaConnection,
  options: AsNewOptions,
  config: Config,
  signal: AbortSignal,
): Promise<number> {
  const { selection, ratePerSecond, email, execute, json } = options
  const gatewayUrl = gatewayOf(options, config)
  const chosen = await read(kafka, selection)
  sayLeftOut(chosen)
  const plan = planOf(chosen)
  const requests = plan.messages.filter(isRequest)
  if (requests.length === 0) return nothingFound(selection, json)
  if (!execute) {
    if (json) printJson({ executed: false, checkouts: requests.map(messageJson) })
    else console.log(describePlan({ ...plan, messages: requests }).join('\n'))
    const would = `${counted(requests.length, 'checkout')} would be, at ${gatewayUrl}`
    ;(json ? console.error : console.log)(`Nothing was placed: ${would}. --execute places.`)
    return exitCodes.done
  }
  const pairs: Pair[] = []
  const refused: string[] = []
  const target = { gatewayUrl, ...(email !== undefined && { email }) }
  for await (const request of paced(requests, ratePerSecond, signal)) {
    try {
      const pair = await replayAsNew(request, target)
      pairs.push(pair)
      console.error(`${pair.checkoutId} runs again as ${pair.newCheckoutId}`)
    } catch (error) {
      if (error instanceof BackendUnavailable && pairs.length > 0) sayPairs(pairs)
      if (!(error instanceof NotAccepted)) throw error
      refused.push(request.recorded.checkoutId)
      console.error(`${request.recorded.checkoutId} was not placed again. ${error.message}`)
    }
  }
  const outcomes = await outcomesOf(pairs, { gatewayUrl, config, signal })
  if (json) printJson({ executed: true, pairs: outcomes, refused })
  else console.log(outcomes.map((outcome) => describeOutcome(outcome).join('\n')).join('\n\n'))
  if (signal.aborted) {
    console.error(`${pairs.length} of ${counted(requests.length, 'checkout')} placed.`)
    return exitCodes.interrupted
  }
  const allEnded = outcomes.every(({ newStatus }) => newStatus !== undefined)
  return refused.length === 0 && allEnded ? exitCodes.done : exitCodes.notDone
}

function gatewayOf({ gatewayUrl }: AsNewOptions, config: Config): string {
  const { GATEWAY_URL } = process.env
  if (gatewayUrl !== undefined) return gatewayUrl
  return GATEWAY_URL ? requireUrl('GATEWAY_URL', GATEWAY_URL) : `http://127.0.0.1:${config.GATEWAY_PORT}`
}

function sayPairs(pairs: readonly Pair[]): void {
  for (const { checkoutId, newCheckoutId } of pairs)
    console.error(`placed: ${checkoutId} as ${newCheckoutId}`)
}

interface Outcome extends Pair {
  /** How the first ended, and the second; undefined where the gateway does not know. */
  readonly status: string | undefined
  readonly newStatus: string | undefined
}

/** A checkout that was placed ends soon after its deadline at the latest. */
const beyondDeadlineMillis = 30_000

async function outcomesOf(
  pairs: readonly Pair[],
  { gatewayUrl, config, signal }: { gatewayUrl: string; config: Config; signal: AbortSignal },
): Promise<Outcome[]> {
  const until = performance.now() + config.CHECKOUT_DEADLINE_MILLIS + beyondDeadlineMillis
  const aborted = new Promise<undefined>((resolve) => {
    signal.addEventListener('abort', () => resolve(undefined))
  })
  const outcomes: Outcome[] = []
  for (const pair of pairs) {
    const ended = (checkoutId: string, millis: number) =>
      signal.aborted ? undefined : Promise.race([aborted, endOf(gatewayUrl, checkoutId, millis)])
    const newStatus = await ended(pair.newCheckoutId, Math.max(0, until - performance.now()))
    outcomes.push({ ...pair, status: await ended(pair.checkoutId, 0), newStatus })
  }
  return outcomes
}

function describeOutcome({
  checkoutId,
  newCheckoutId,
  traceId,
  newTraceId,
  status,
  newStatus,
}: Outcome): string[] {
  const ended = (end: string | undefined) => end ?? 'no end seen'
  const comparable = traceId !== undefined && newTraceId !== undefined
  return [
    `checkout ${checkoutId} -> ${newCheckoutId}`,
    `ended    ${ended(status)} -> ${ended(newStatus)}`,
    ...(comparable
      ? [`trace    ${traceId} -> ${newTraceId}`, `npm run compare -- ${traceId} ${newTraceId}`]
      : [`npm run compare -- ${checkoutId} ${newCheckoutId}`]),
  ]
}

async function rebuildStores(
  kafka: KafkaConnection,
  { databasePrefix, execute, json }: RebuildOptions,
  config: Config,
  signal: AbortSignal,
): Promise<number> {
  const store = await connect(config, databasePrefix)
  try {
    const state = await stateOf(store).catch(failedInStore)
    if (state === 'in use') {
      console.error(
        `The databases ${databasePrefix}-* hold something. A rebuild writes into empty ones: choose another prefix.`,
      )
      return exitCodes.notDone
    }
    const chosen = await read(kafka, { topics })
    sayLeftOut(chosen)
    const streams = streamsOf(chosen.messages)
    const projections = projectionsOf(streams)
    const counts = {
      messages: chosen.messages.length,
      checkouts: new Set(streams.messages.map(({ recorded }) => recorded.checkoutId)).size,
      commits: Object.fromEntries([...streams.commits].map(([service, { length }]) => [service, length])),
      registerEntries: projections.register.flat().length,
      deadlines: projections.deadlines.length,
      ledgerEntries: projections.ledger.length,
    }
    const { incomplete, strangers } = streams
    const faults = { leftOut: chosen.leftOut, incomplete, strangers: strangers.length }
    sayMissing('checkout', 'of which something is missing on the topics', incomplete)
    if (strangers.length > 0) console.error(`Left out: ${counted(strangers.length, 'message')} of no commit.`)
    const isWhole = incomplete.length === 0 && chosen.leftOut.conflicting.length === 0
    if (chosen.messages.length === 0) return nothingFound({ topics }, json)
    if (!execute) {
      if (json) printJson({ databasePrefix, ...counts, ...faults, executed: false })
      else console.log(describeCounts(counts).join('\n'))
      const over =
        state === 'unfinished' ? ' They hold half of an interrupted rebuild, which would be cleared.' : ''
      console.error(`Nothing was written into ${databasePrefix}-*: --execute does.${over}`)
      return exitCodes.done
    }

    const progress = everySecond(() => console.error(`${written} of ${all} pieces written`))
    let [written, all] = [0, 0]
    const onProgress = (done: number, total: number) => {
      ;[written, all] = [done, total]
      progress.tick()
    }
    const disagreeing = await rebuild(store, projections, { onProgress, signal }).catch((error: unknown) => {
      if (signal.aborted) return undefined
      return failedInStore(error)
    })
    if (!disagreeing) {
      console.error(`Interrupted: ${databasePrefix}-* is unfinished. The same command starts over.`)
      return exitCodes.interrupted
    }
    sayMissing('checkout', 'whose email has a history that is not whole on the topics', disagreeing)
    if (json) printJson({ databasePrefix, ...counts, ...faults, disagreeing, executed: true })
    else console.log(describeCounts(counts).join('\n'))
    console.error(
      `Written into ${databasePrefix}-*. MONGODB_DATABASE_PREFIX=${databasePrefix} starts services on it.`,
    )
    return isWhole && disagreeing.length === 0 ? exitCodes.done : exitCodes.notDone
  } finally {
    await store.close()
  }
}

function sayMissing(what: string, why: string, ids: readonly string[]): void {
  if (ids.length === 0) return
  const more = ids.length > 3 ? ', ...' : ''
  console.error(`Not rebuilt: ${counted(ids.length, what)} ${why}: ${ids.slice(0, 3).join(', ')}${more}`)
}

const describeCounts = ({
  commits,
  ...others
}: { commits: Readonly<Record<string, number>> } & Record<string, unknown>) => [
  ...Object.entries(others).map(([name, count]) => `${name.padEnd(16)} ${String(count)}`),
  ...Object.entries(commits).map(([service, count]) => `${`commits ${service}`.padEnd(16)} ${count}`),
]

async function connect(config: Config, databasePrefix: string): Promise<StoreConnection> {
  const { MONGODB_URL: mongodbUrl, mongodbCredentials: credentials } = config
  return connectStore({ mongodbUrl, credentials, databasePrefix }).catch(failedInStore)
}

/** Where the store is, is in MONGODB_URL, which may hold a password. */
function failedInStore(error: unknown): never {
  if (!(error instanceof MongoError)) throw error
  throw new StoreNotReached(`The store does not answer at MONGODB_URL: ${error.message}`, { cause: error })
}
