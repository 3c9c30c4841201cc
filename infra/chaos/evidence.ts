/**
 * What there is to see of a run from the outside: what clients were told, what the store holds, what lies on the
 * topics, and what the payment network has in its ledger. Read with code of its own, and none of the services'.
 */
import '../../shared/kafka/quirks/before-kafkajs.ts' // nothing is sent here, but services' code in this process may
import { randomUUID } from 'node:crypto'
import kafkajs from 'kafkajs'
import { MongoClient } from 'mongodb'
import '../../shared/kafka/quirks/idle-timer.ts'

/** One client's checkout, however often it had to ask for it. */
export interface Told {
  /** The user's name in the request, different for each; it tells whose checkout one in the store is. */
  readonly marker: string
  /** Sent under an `Idempotency-Key`, the same each time. */
  readonly hasKey: boolean
  /** How it should end when nothing is in its way; left out where that is not known. */
  readonly expects?: End
  readonly answers: readonly Answer[]
}

export type End = 'completed' | 'compensated' | 'rejected'

export type Answer = { readonly atMillis: number } & (
  | { readonly kind: 'accepted'; readonly checkoutId: string }
  /** 4xx: the gateway has looked at it, and will not have it. */
  | { readonly kind: 'refused'; readonly status: number }
  /** 429, 5xx: it may or may not have become a checkout. */
  | { readonly kind: 'failed'; readonly status: number }
  /** A timeout or a broken connection: the client knows nothing. */
  | { readonly kind: 'none'; readonly why: string }
)

/** The services' names, and the topic that each writes to. */
export const topicOfService = {
  checkout: 'checkouts',
  users: 'users',
  orders: 'orders',
  payments: 'payments',
} as const

export type ServiceWithStore = keyof typeof topicOfService
const services = Object.keys(topicOfService) as ServiceWithStore[]

export interface StoredEvent {
  readonly type: string
  readonly data: Readonly<Record<string, unknown>>
}

export interface StoredCommit {
  readonly service: ServiceWithStore
  /** `<service>/<checkoutId>@<version>` */
  readonly id: string
  readonly checkoutId: string
  readonly version: number
  readonly causedBy: string
  readonly atMillis: number
  readonly events: readonly StoredEvent[]
  /** The process life that wrote it, and its number there; for people who look for a lost one. */
  readonly writer: string
  readonly seq: number
}

export interface LedgerEntry {
  readonly checkoutId: string
  readonly kind: string
  /** In cents; 0 where no money moved. */
  readonly amount: number
}

/** One entry of an email's history of claims. */
export interface RegisterEntry {
  readonly email: string
  readonly version: number
  readonly userId: string | null
  /** How many checkouts rely on the user after this entry. */
  readonly claims: number
}

export interface TopicMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: number
  readonly key: string | null
  /** `ce_id`, `ce_type` without what all of them share, and the parsed value. */
  readonly eventId: string | undefined
  readonly type: string | undefined
  readonly data: unknown
}

export interface DeadLetter {
  /** topic/partition@offset */
  readonly origin: string
  readonly consumerGroup: string | undefined
  readonly error: string | undefined
}

export interface Evidence {
  readonly told: readonly Told[]
  readonly commits: readonly StoredCommit[]
  readonly ledger: readonly LedgerEntry[]
  readonly register: readonly RegisterEntry[]
  readonly messages: readonly TopicMessage[]
  readonly deadLetters: readonly DeadLetter[]
}

export interface Places {
  /** Straight to the store, past any proxy. */
  readonly mongodbUrl: string
  /** MONGODB_DATABASE_PREFIX of the services; their default unless told otherwise. */
  readonly databasePrefix?: string
  /** host:port of the broker, past any proxy. */
  readonly kafkaBroker: string
}

export async function collectEvidence(places: Places, told: readonly Told[]): Promise<Evidence> {
  const [store, topics] = await Promise.all([readStore(places), readTopics(places.kafkaBroker)])
  return { told, ...store, ...topics }
}

interface CommitDocument extends Omit<StoredCommit, 'service' | 'id' | 'atMillis'> {
  readonly _id: string
  readonly at: Date
}

export async function readStore({
  mongodbUrl,
  databasePrefix = 'sagascope',
}: Places): Promise<Pick<Evidence, 'commits' | 'ledger' | 'register'>> {
  const client = new MongoClient(mongodbUrl, { serverSelectionTimeoutMS: 10_000 })
  try {
    await client.connect()
    const all = <Document extends object>(database: string, collection: string) =>
      client.db(`${databasePrefix}-${database}`).collection<Document>(collection).find().toArray()

    const commits: StoredCommit[] = []
    for (const service of services) {
      for (const { _id: id, at, ...document } of await all<CommitDocument>(service, 'commits')) {
        const { checkoutId, version, causedBy, events, writer, seq } = document
        commits.push({
          service,
          id,
          checkoutId,
          version,
          causedBy,
          events,
          writer,
          seq,
          atMillis: at.getTime(),
        })
      }
    }
    const ledger = await all<{ checkoutId: string; kind: string; total?: { amount: number } }>(
      'payment-network',
      'ledger',
    )
    const register = await all<{ _id: string; version: number; userId: string | null; claims: number }>(
      'users',
      'email_register',
    )
    return {
      commits,
      ledger: ledger.map(({ checkoutId, kind, total }) => ({
        checkoutId,
        kind,
        amount: total?.amount ?? 0,
      })),
      register: register.map(({ _id, version, userId, claims }) => ({
        email: _id.slice(0, _id.lastIndexOf('@')),
        version,
        userId,
        claims,
      })),
    }
  } finally {
    await client.close()
  }
}

const deadLetterTopic = 'dead-letters'

/** Everything on the topics, up to where they end now. */
export async function readTopics(kafkaBroker: string): Promise<Pick<Evidence, 'messages' | 'deadLetters'>> {
  const messages: TopicMessage[] = []
  const deadLetters: DeadLetter[] = []
  await readToEnd(
    kafkaBroker,
    [...Object.values(topicOfService), deadLetterTopic],
    (topic, partition, message) => {
      const header = (name: string): string | undefined => message.headers?.[name]?.toString()
      if (topic === deadLetterTopic) {
        const from = (what: string) => header(`dead-letter-origin-${what}`) ?? '?'
        deadLetters.push({
          origin: `${from('topic')}/${from('partition')}@${from('offset')}`,
          consumerGroup: header('dead-letter-consumer-group'),
          error: header('dead-letter-error-code'),
        })
        return
      }
      messages.push({
        topic,
        partition,
        offset: Number(message.offset),
        key: message.key?.toString() ?? null,
        eventId: header('ce_id'),
        type: /^dev\.sagascope\.(\w+)\.v1$/.exec(header('ce_type') ?? '')?.[1],
        data: parsed(message.value),
      })
    },
  )
  return { messages, deadLetters }
}

function parsed(value: Buffer | null): unknown {
  try {
    return JSON.parse(value?.toString() ?? '')
  } catch {
    return undefined
  }
}

async function readToEnd(
  broker: string,
  topics: readonly string[],
  take: (topic: string, partition: number, message: kafkajs.KafkaMessage) => void,
): Promise<void> {
  const kafka = new kafkajs.Kafka({ brokers: [broker], logLevel: kafkajs.logLevel.NOTHING })
  const admin = kafka.admin()
  await admin.connect()
  const open = new Map<string, number>()
  for (const topic of topics) {
    for (const { partition, low, high } of await admin.fetchTopicOffsets(topic)) {
      if (Number(high) > Number(low)) open.set(`${topic}/${partition}`, Number(high))
    }
  }
  await admin.disconnect()
  if (open.size === 0) return

  const consumer = kafka.consumer({ groupId: `checker-${randomUUID()}` })
  const finished = Promise.withResolvers<undefined>()
  consumer.on(consumer.events.CRASH, ({ payload }) => finished.reject(payload.error))
  try {
    await consumer.connect()
    await consumer.subscribe({ topics: [...topics], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachBatch: ({ batch: { topic, partition, messages } }) => {
        const place = `${topic}/${partition}`
        const end = open.get(place) ?? 0
        for (const message of messages) {
          if (Number(message.offset) < end) take(topic, partition, message)
        }
        if (Number(messages.at(-1)?.offset ?? -1) >= end - 1) open.delete(place)
        if (open.size === 0) finished.resolve(undefined)
        return Promise.resolve()
      },
    })
    await finished.promise
  } finally {
    await consumer.disconnect()
  }
}
