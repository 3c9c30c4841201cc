/**
 * Writes the stores of all services from what lies on the topics. Everything goes by unique inserts of what the topics
 * say, and the email register by the register itself, whose answers have to be those that were given.
 */
import type { Collection } from 'mongodb'
import { checkout } from '../../consumers/checkout/decider.ts'
import type { CheckoutEvent } from '../../consumers/checkout/decider.ts'
import type { Deadline } from '../../consumers/checkout/deadlines.ts'
import { Deadlines } from '../../consumers/checkout/deadlines.ts'
import type { LedgerEntry } from '../../consumers/payments/fake-payment-network.ts'
import { EmailRegister } from '../../consumers/users/email-register.ts'
import { fold } from '../../shared/saga/decider.ts'
import { services } from '../../shared/saga/events.ts'
import { EventStore } from '../../shared/kernel/event-store.ts'
import type { NewCommit } from '../../shared/kernel/event-store.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { Writer, Writers } from '../../shared/kernel/writers.ts'
import { ledgerOf } from './ledger.ts'
import type { RegisterStep } from './register-history.ts'
import { registerHistory } from './register-history.ts'
import type { Streams } from './streams.ts'
import { traceHeadersOf } from './streams.ts'

const owners = [...services, 'payment-network'] as const

type Store = Pick<StoreConnection, 'databaseOf'>

/** There from the first write to the last: what is beside it is half of a rebuild and nothing else. */
const unfinishedMark = (store: Store): Collection<{ _id: string }> =>
  store.databaseOf('checkout').collection('unfinished_rebuild')

/** What there is in the databases that a rebuild would write to. */
export async function stateOf(store: Store): Promise<'empty' | 'unfinished' | 'in use'> {
  if (await unfinishedMark(store).findOne({})) return 'unfinished'
  const used = await collectionsIn(store)
  const documents = await Promise.all(used.map((collection) => collection.findOne({})))
  return documents.every((document) => document === null) ? 'empty' : 'in use'
}

async function collectionsIn(store: Store): Promise<Collection[]> {
  const lists = owners.map(async (owner) => {
    const database = store.databaseOf(owner)
    const infos = await database.listCollections({}, { nameOnly: true }).toArray()
    return infos.map(({ name }) => database.collection(name))
  })
  return (await Promise.all(lists)).flat()
}

/** Everything that is to be written. */
export interface Projections {
  readonly streams: Streams
  readonly register: readonly (readonly RegisterStep[])[]
  readonly deadlines: readonly Deadline[]
  readonly ledger: readonly LedgerEntry[]
}

/** A checkout that has ended needs no deadline. */
export function projectionsOf(streams: Streams): Projections {
  const { messages } = streams
  const open = new Set(
    [...Map.groupBy(streams.commits.get('checkout') ?? [], ({ checkoutId }) => checkoutId)]
      .filter(([, commits]) => isOpen(commits))
      .map(([checkoutId]) => checkoutId),
  )
  const deadlines = messages.flatMap((chosen): Deadline[] => {
    const { checkoutId, event } = chosen.recorded
    if (event.type !== 'CheckoutRequested' || !open.has(checkoutId)) return []
    const dueAt = new Date(event.data.deadline)
    return [{ checkoutId, dueAt, traceHeaders: traceHeadersOf(chosen) }]
  })
  return {
    streams,
    register: registerHistory(messages),
    deadlines,
    ledger: ledgerOf(messages.map(({ recorded }) => recorded)),
  }
}

const isOpen = (commits: readonly NewCommit[]): boolean =>
  fold(
    checkout,
    commits.flatMap(({ events }) => events as readonly CheckoutEvent[]),
  ).status === 'open'

export interface Rebuilding {
  /** Told now and then how many of all pieces are written. */
  readonly onProgress: (written: number, all: number) => void
  /** Ends it before the next piece; what is there is unfinished then. */
  readonly signal: AbortSignal
}

/** Pieces written side by side. */
const concurrency = 16
const deadlinesPerDocument = 1_000

/**
 * Writes it all, into databases that are empty; what an interrupted rebuild has left is cleared away first.
 * @returns checkouts whose entries the email register answered otherwise than it had: what led to them is not on the
 *   topics any more
 * @throws AbortError when it was told to end
 */
export async function rebuild(
  store: Store,
  { streams, register, deadlines, ledger }: Projections,
  { onProgress, signal }: Rebuilding,
): Promise<string[]> {
  const mark = unfinishedMark(store)
  if (await mark.findOne({})) await clear(store)
  else await mark.insertOne({ _id: 'rebuild' })

  const disagreeing: string[] = []
  const emailRegister = new EmailRegister(store.databaseOf('users'))
  const writer = new Writer('rebuild')
  const ledgerEntries = store.databaseOf('payment-network').collection<LedgerEntry>('ledger')
  const stores = services.map(
    (service) => new EventStore(store.databaseOf(service), service, new Writer(writer.process, writer.id)),
  )
  await Promise.all([...stores, emailRegister].map((each) => each.prepare()))

  const pieces = [
    ...stores.flatMap((eventStore) => {
      const commits = streams.commits.get(eventStore.service) ?? []
      return [...Map.groupBy(commits, ({ checkoutId }) => checkoutId).values()].map(
        (stream) => () => writeStream(eventStore, stream),
      )
    }),
    ...register.map((steps) => async () => {
      disagreeing.push(...(await enterAll(emailRegister, steps)))
    }),
    () => enterDeadlines(store, writer.id, deadlines),
    ...ledger.map((entry) => () => ledgerEntries.insertOne(entry)),
  ]
  let next = 0
  const worker = async (): Promise<void> => {
    for (let piece = pieces[next++]; piece; piece = pieces[next++]) {
      signal.throwIfAborted()
      await piece()
      onProgress(Math.min(next, pieces.length), pieces.length)
    }
  }
  const workers = await Promise.allSettled(Array.from({ length: concurrency }, worker))
  const failed = workers.find((each) => each.status === 'rejected')
  if (failed) throw failed.reason
  await Promise.all(stores.map((eventStore) => leaveWriter(store, eventStore)))
  await mark.drop()
  return disagreeing.sort()
}

async function clear(store: Store): Promise<void> {
  for (const collection of await collectionsIn(store)) {
    if (collection.collectionName !== unfinishedMark(store).collectionName) await collection.deleteMany({})
  }
}

async function writeStream(store: EventStore, stream: readonly NewCommit[]): Promise<void> {
  for (const commit of stream) {
    const result = await store.append(commit)
    if (result.outcome !== 'appended') {
      throw new Error(
        `${store.service}/${commit.checkoutId}@${commit.version} could not be written: somebody else did`,
      )
    }
    store.writer.settle(result.commit.seq)
  }
}

/** A few documents for all; from number 1 on, as a writer's are. */
async function enterDeadlines(store: Store, writer: string, deadlines: readonly Deadline[]): Promise<void> {
  const documents = new Deadlines(store.databaseOf('checkout'), writer, {
    intervalMillis: 0,
    onFailure: () => void documents.stop(), // it would be tried until the store has it
  })
  for (let from = 0; from < deadlines.length; from += deadlinesPerDocument) {
    const together = deadlines.slice(from, from + deadlinesPerDocument)
    await Promise.all(together.map((deadline) => documents.enter(deadline)))
  }
}

/**
 * The writer of all this is dead, and what it wrote is published: nobody sends it again. The deadlines that it leaves are
 * taken over by the checkout service.
 */
async function leaveWriter(store: Store, { service, writer }: EventStore): Promise<void> {
  const { id, process, publishedTo } = writer
  await new Writers(store.databaseOf(service)).renew({
    _id: id,
    process,
    publishedTo,
    beat: 1,
    recoveredAtBeat: 1,
    at: new Date(),
    ...(service === 'checkout' && { deadlinesFrom: 1 }),
  })
}

/** @returns the checkouts that were answered otherwise than the topics have it */
async function enterAll(register: EmailRegister, steps: readonly RegisterStep[]): Promise<string[]> {
  const disagreeing: string[] = []
  for (const step of steps) {
    const agrees = await enter(register, step).catch((error: unknown) => {
      if (error instanceof Error && 'code' in error && error.code === 'not_in_the_register') return false
      throw error
    })
    if (!agrees) disagreeing.push(step.checkoutId)
  }
  return disagreeing
}

async function enter(register: EmailRegister, step: RegisterStep): Promise<boolean> {
  switch (step.kind) {
    case 'claim': {
      const answer = await register.claim(step.checkoutId, step.person)
      if (answer.kind !== 'claimed' || answer.userId !== step.userId) return false
      return step.existing === undefined || answer.existing === step.existing
    }
    case 'release': {
      const { userId, lastClaim } = await register.release(step.checkoutId, step.userId)
      return userId === step.userId && lastClaim === step.isLast
    }
    case 'bar':
      return (await register.release(step.checkoutId)).userId === null
    default:
      return step satisfies never
  }
}
