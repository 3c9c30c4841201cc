/** What each service of the bare chain does with what it reads, and the inserts that it makes. */
import { createHash, randomUUID } from 'node:crypto'
import type { Collection, CreateIndexesOptions, IndexSpecification } from 'mongodb'
import { MongoClient } from 'mongodb'
import { findProduct } from '../../../../shared/saga/catalogue.ts'
import type { EventOf, EventType, RecordedEvent, SagaEvent, Service } from '../../../../shared/saga/events.ts'
import { isDuplicateKey } from '../../../../shared/kernel/store-errors.ts'

type Entry = Readonly<Record<string, unknown>> & { readonly _id: string }

interface Step<On extends EventType = EventType> {
  readonly by: Service
  readonly on: On
  /** Of the commit that it makes. */
  readonly version: number
  /** @returns undefined where it answers nothing */
  readonly answer: (checkoutId: string, data: EventOf<On>['data']) => Promise<SagaEvent | undefined>
}

const step = <On extends EventType>(of: Step<On>): Step => of

export const steps: readonly Step[] = [
  step({
    by: 'users',
    on: 'CheckoutRequested',
    version: 1,
    answer: async (checkoutId, { user: { email, name }, order, payment }) => {
      const key = createHash('sha256').update(email.trim().toLowerCase()).digest('hex').slice(0, 32)
      const userId = `user-${key}-1`
      const receipt = `${checkoutId}/claim`
      const entry = { _id: `${key}@1`, version: 1, receipt, at: new Date(), userId, claims: 1, email, name }
      await insert(collection('users', 'email_register'), entry)
      return { type: 'UserRegistered', data: { userId, existing: false, order, payment } }
    },
  }),
  step({
    by: 'orders',
    on: 'UserRegistered',
    version: 1,
    answer: (checkoutId, { userId, order, payment }) => {
      const items = order.items.map((item) => ({
        ...item,
        unitPrice: findProduct(item.sku)?.price.amount ?? 0,
      }))
      const amount = items.reduce((sum, { quantity, unitPrice }) => sum + quantity * unitPrice, 0)
      const total = { amount, currency: 'EUR' } as const
      const data = { orderId: `order-${checkoutId}`, userId, items, total, payment }
      return Promise.resolve({ type: 'OrderPlaced', data })
    },
  }),
  step({
    by: 'payments',
    on: 'OrderPlaced',
    version: 1,
    answer: async (checkoutId, { orderId, total }) => {
      const entry = { _id: `${checkoutId}@1`, at: new Date(), checkoutId, kind: 'captured', total }
      await insert(collection('payment-network', 'ledger'), entry)
      return { type: 'PaymentCaptured', data: { paymentId: `payment-${checkoutId}`, orderId, total } }
    },
  }),
  step({
    by: 'orders',
    on: 'PaymentCaptured',
    version: 2,
    answer: (_checkoutId, { orderId }) => Promise.resolve({ type: 'OrderConfirmed', data: { orderId } }),
  }),
  step({
    by: 'checkout',
    on: 'OrderConfirmed',
    version: 2,
    answer: (_checkoutId, { orderId }) => Promise.resolve({ type: 'CheckoutCompleted', data: { orderId } }),
  }),
]

const writer = randomUUID()
let lastSeq = 0

/** Inserts the commit of an event, as the saga would write it. @returns the event as it is to be sent */
export async function commit(
  by: Service,
  version: number,
  { checkoutId, causedBy, event }: { checkoutId: string; causedBy: string; event: SagaEvent },
): Promise<RecordedEvent> {
  const at = new Date()
  const _id = `${by}/${checkoutId}@${version}`
  const entry = {
    _id,
    checkoutId,
    version,
    causedBy,
    at,
    events: [event],
    traceHeaders: {},
    writer,
    seq: ++lastSeq,
  }
  await insert(collection(by, 'commits'), entry)
  return { id: `${_id}/0`, checkoutId, time: at.toISOString(), event }
}

const { MONGODB_URL = 'mongodb://127.0.0.1:27017', MONGODB_DATABASE_PREFIX = 'sagascope' } = process.env
export const store = new MongoClient(MONGODB_URL)

/** The indexes that the saga has where a service of it writes. */
export async function prepareStore(service: Service): Promise<void> {
  await store.connect()
  const index = (of: string, specification: IndexSpecification, options: CreateIndexesOptions = {}) =>
    collection(service, of).createIndex(specification, options, {})
  await index('commits', { causedBy: 1 }, { unique: true })
  await index('commits', { writer: 1, seq: 1 })
  if (service === 'users') await index('email_register', { receipt: 1 }, { unique: true })
}

const collection = (owner: Service | 'payment-network', of: string): Collection<Entry> =>
  store.db(`${MONGODB_DATABASE_PREFIX}-${owner}`).collection<Entry>(of)

/** A message may be delivered again; then what follows is done again as well, and changes nothing. */
async function insert(into: Collection<Entry>, entry: Entry): Promise<void> {
  try {
    await into.insertOne(entry)
  } catch (error) {
    if (!isDuplicateKey(error)) throw error
  }
}
