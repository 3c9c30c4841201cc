/**
 * Every event of the saga, as a schema: what travels on Kafka and what the store keeps.
 * `topicOf` says where each is published; `flow.ts` says who reacts to it.
 *
 * Amounts are in minor units of the currency (cents). Times are RFC 3339 in UTC.
 */
import { z } from 'zod'

export const topics = ['checkouts', 'users', 'orders', 'payments'] as const
export type Topic = (typeof topics)[number]

/** Services that answer to events; each is one Kafka consumer group. */
export const services = ['users', 'orders', 'payments', 'checkout'] as const
export type Service = (typeof services)[number]

export const limits = {
  itemsPerOrder: 50,
  quantityPerItem: 1_000,
  emailLength: 254,
  nameLength: 200,
  skuLength: 64,
  tokenLength: 128,
} as const

const identifier = z.string().min(1).max(128)
// Objects are loose towards the future: a field that a newer producer adds is dropped, not refused.
const money = z.object({ amount: z.int().nonnegative(), currency: z.literal('EUR') })

export const user = z.object({
  email: z.email().max(limits.emailLength),
  name: z.string().trim().min(1).max(limits.nameLength),
})
export const orderItem = z.object({
  sku: z.string().min(1).max(limits.skuLength),
  quantity: z.int().min(1).max(limits.quantityPerItem),
})
export const order = z.object({ items: z.array(orderItem).min(1).max(limits.itemsPerOrder) })
export const payment = z.object({ token: z.string().min(1).max(limits.tokenLength) })

/** Why a checkout did not complete; travels back with the compensation to the terminal event. */
export const reason = z.enum([
  'email_domain_blocked',
  'unknown_sku',
  'out_of_stock',
  'quantity_limit_exceeded',
  'card_declined',
  'insufficient_funds',
  'expired_card',
  'unknown_token',
  'checkout_expired',
])
export type Reason = z.infer<typeof reason>
export type Order = z.infer<typeof order>
export type Money = z.infer<typeof money>

const schemas = {
  CheckoutRequested: z.object({ user, order, payment, deadline: z.iso.datetime() }),
  CheckoutCompleted: z.object({ orderId: identifier }),
  CheckoutCompensated: z.object({ reason }),
  CheckoutRejected: z.object({ reason }),
  CheckoutExpired: z.object({ reason }),

  UserRegistered: z.object({ userId: identifier, existing: z.boolean(), order, payment }),
  RegistrationRejected: z.object({ reason }),
  RegistrationRevoked: z.object({ userId: identifier.nullable(), reason }),
  RegistrationKept: z.object({ userId: identifier, reason }),

  OrderPlaced: z.object({
    orderId: identifier,
    userId: identifier,
    items: z.array(
      z.object({ sku: identifier, quantity: z.int().positive(), unitPrice: z.int().nonnegative() }),
    ),
    total: money,
    payment,
  }),
  OrderRejected: z.object({ reason, sku: identifier }),
  OrderConfirmed: z.object({ orderId: identifier }),
  OrderCancelled: z.object({ orderId: identifier.nullable(), reason }),

  PaymentCaptured: z.object({ paymentId: identifier, orderId: identifier, total: money }),
  PaymentDeclined: z.object({ reason }),
  PaymentRefunded: z.object({ paymentId: identifier, total: money, reason }),
} as const

export type EventType = keyof typeof schemas
export const eventTypes = Object.keys(schemas) as EventType[]

export const topicOf = {
  CheckoutRequested: 'checkouts',
  CheckoutCompleted: 'checkouts',
  CheckoutCompensated: 'checkouts',
  CheckoutRejected: 'checkouts',
  CheckoutExpired: 'checkouts',
  UserRegistered: 'users',
  RegistrationRejected: 'users',
  RegistrationRevoked: 'users',
  RegistrationKept: 'users',
  OrderPlaced: 'orders',
  OrderRejected: 'orders',
  OrderConfirmed: 'orders',
  OrderCancelled: 'orders',
  PaymentCaptured: 'payments',
  PaymentDeclined: 'payments',
  PaymentRefunded: 'payments',
} as const satisfies Record<EventType, Topic>

/** The event of one type (or a union of types): a past fact and its data. */
export type EventOf<T extends EventType> = {
  [K in T]: { readonly type: K; readonly data: z.infer<(typeof schemas)[K]> }
}[T]
export type SagaEvent = EventOf<EventType>

/** An event with what the store knows of it. `id` is `<service>/<checkoutId>@<version>/<index>`. */
export interface RecordedEvent<E extends SagaEvent = SagaEvent> {
  readonly id: string
  readonly checkoutId: string
  /** When it was committed, RFC 3339. */
  readonly time: string
  /**
   * What it answers: an event's id, `request/<checkout id>` or `deadline/<checkout id>`. Not told by messages from before
   * they had it.
   */
  readonly causedBy?: string
  readonly event: E
}

export const isEventType = (name: string): name is EventType => Object.hasOwn(schemas, name)

/** The zod schema of an event's data; what the AsyncAPI document is generated from. */
export const schemaOf = (type: EventType): z.ZodType => schemas[type]

/**
 * Reads an event from its type and parsed JSON data.
 * @throws ZodError when the data is not of the contract
 */
export function parseEvent(type: EventType, data: unknown): SagaEvent {
  return { type, data: schemas[type].parse(data) } as SagaEvent
}
