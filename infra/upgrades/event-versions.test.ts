/**
 * Releases N and N+1 side by side, on the same topics and in the same streams, as they are while an update rolls and
 * after one is taken back. N is this code; N+1 has what a later release may add. infra/UPGRADING.md has the rules that
 * are shown here.
 */
import { deepEqual, equal, throws } from 'node:assert/strict'
import { z } from 'zod'
import { orders, type OrdersEvent } from '../../consumers/orders/decider.ts'
import { fold } from '../../shared/saga/decider.ts'
import type { EventOf, EventType, RecordedEvent, SagaEvent, Service } from '../../shared/saga/events.ts'
import { eventTypes, schemaOf, services, topicOf } from '../../shared/saga/events.ts'
import { keeperOf, subscriptionsOf } from '../../shared/saga/flow.ts'
import type { IncomingMessage, OutgoingMessage } from '../../shared/kafka/cloud-events.ts'
import { fromMessage, PoisonMessage, toMessage, typeOf } from '../../shared/kafka/cloud-events.ts'

const checkoutId = 'checkout-1'
const order = { items: [{ sku: 'SAGA-MUG', quantity: 2 }] }
const payment = { token: 'tok_visa' }
const total = { amount: 25_00, currency: 'EUR' } as const
const reason = 'card_declined' as const

const examples: { readonly [T in EventType]: EventOf<T>['data'] } = {
  CheckoutRequested: {
    user: { email: 'ada@example.com', name: 'Ada' },
    order,
    payment,
    deadline: '2026-11-23T12:00:00.000Z',
  },
  CheckoutCompleted: { orderId: 'order-1' },
  CheckoutCompensated: { reason },
  CheckoutRejected: { reason: 'email_domain_blocked' },
  CheckoutExpired: { reason: 'checkout_expired' },
  UserRegistered: { userId: 'user-1', existing: false, order, payment },
  RegistrationRejected: { reason: 'email_domain_blocked' },
  RegistrationRevoked: { userId: null, reason },
  RegistrationKept: { userId: 'user-1', reason },
  OrderPlaced: {
    orderId: 'order-1',
    userId: 'user-1',
    items: [{ sku: 'SAGA-MUG', quantity: 2, unitPrice: 12_50 }],
    total,
    payment,
  },
  OrderRejected: { reason: 'unknown_sku', sku: 'SAGA-BOAT' },
  OrderConfirmed: { orderId: 'order-1' },
  OrderCancelled: { orderId: null, reason },
  PaymentCaptured: { paymentId: 'payment-1', orderId: 'order-1', total },
  PaymentDeclined: { reason },
  PaymentRefunded: { paymentId: 'payment-1', total, reason },
}

const example = (type: EventType): SagaEvent => ({ type, data: examples[type] }) as SagaEvent

const recorded = (event: SagaEvent): RecordedEvent => ({
  id: `orders/${checkoutId}@1/0`,
  checkoutId,
  time: '2026-11-23T12:00:00.000Z',
  event,
})

const onTopic = ({ topic, key, value, headers }: OutgoingMessage): IncomingMessage => ({
  topic,
  partition: 0,
  offset: '0',
  producedAtMillis: 0,
  key,
  value: Buffer.from(value),
  headers,
})

const publishedByN = (event: SagaEvent, service: Service = 'orders'): IncomingMessage =>
  onTopic(toMessage(service, recorded(event)))

/** Fields that N does not know, in every object at every depth. */
function withMoreFields(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(withMoreFields)
  if (typeof value !== 'object' || value === null) return value
  const known = Object.entries(value).map(([name, field]) => [name, withMoreFields(field)])
  return { ...Object.fromEntries(known), addedLater: { since: 'N+1' } }
}

/** What N+1 may add without asking anybody: fields, attributes, headers. */
function publishedByNext(event: SagaEvent): IncomingMessage {
  const message = toMessage('orders', recorded(event))
  return onTopic({
    ...message,
    value: JSON.stringify(withMoreFields(event.data)),
    headers: {
      ...message.headers,
      ce_dataschema: 'https://sagascope.dev/schemas/next',
      ce_dataversion: '2',
      'x-added-later': 'yes',
    },
  })
}

/** N+1's schema of a type: a field more. */
const nextSchema = (type: EventType, field: z.ZodType) =>
  (schemaOf(type) as z.ZodObject).extend({ giftNote: field })

describe('releases N and N+1 side by side', () => {
  for (const type of eventTypes) {
    it(`agree on ${type} when N+1 has added fields`, () => {
      deepEqual(fromMessage(publishedByNext(example(type))).event, example(type))
      const next = nextSchema(type, z.string().optional())
      const byN: unknown = JSON.parse(String(publishedByN(example(type)).value))
      deepEqual(next.parse(byN), examples[type])
      deepEqual(next.parse({ ...(byN as object), giftNote: 'for Ada' }), {
        ...examples[type],
        giftNote: 'for Ada',
      })
    })
  }

  it('do not when N+1 wants a field that N does not write', () => {
    const next = nextSchema('OrderPlaced', z.string())
    const byN: unknown = JSON.parse(String(publishedByN(example('OrderPlaced')).value))
    equal(next.safeParse(byN).success, false)
  })

  it('do not when N+1 leaves a field out, or writes a value that N has no name for', () => {
    const { paymentId } = examples.PaymentCaptured
    const changes: readonly (readonly [EventType, object])[] = [
      ['PaymentCaptured', { paymentId, total }],
      ['PaymentDeclined', { reason: 'wallet_empty' }],
      ['PaymentCaptured', { ...examples.PaymentCaptured, total: { amount: 1, currency: 'SEK' } }],
    ]
    for (const [type, data] of changes) {
      const message = { ...publishedByN(example(type)), value: Buffer.from(JSON.stringify(data)) }
      throws(() => fromMessage(message), { code: 'not_of_the_contract' })
    }
  })

  it('have one dead letter of a type or version that N does not know, from the keeper of its topic', () => {
    for (const type of ['dev.sagascope.OrderPlaced.v2', 'dev.sagascope.OrderShipped.v1']) {
      const message = publishedByN(example('OrderPlaced'))
      const unknown = { ...message, headers: { ...message.headers, ce_type: type } }
      equal(typeOf(unknown), undefined)
      throws(() => fromMessage(unknown), PoisonMessage)
    }
    for (const topic of new Set(Object.values(topicOf))) {
      const keepers = services.filter((service) => keeperOf(topic, undefined) === service)
      equal(keepers.length, 1, topic)
      equal(
        keepers.every((service) => subscriptionsOf(service).includes(topic)),
        true,
        topic,
      )
    }
  })

  describe('in one stream', () => {
    // Through JSON, as the store has it.
    const withGiftNote = ({ type, data }: OrdersEvent): OrdersEvent =>
      JSON.parse(JSON.stringify({ type, data: { ...data, giftNote: 'for Ada' } })) as OrdersEvent

    /** N+1 of a service: it writes a field more, and reads both. */
    const next: typeof orders = {
      ...orders,
      decide: (input, state) => orders.decide(input, state).map(withGiftNote),
    }
    const ask = (
      decider: typeof orders,
      stream: readonly OrdersEvent[],
      type: 'UserRegistered' | 'PaymentCaptured',
    ) =>
      decider.decide(
        { checkoutId, event: example(type) as EventOf<typeof type>, answer: undefined },
        fold(decider, stream),
      )

    for (const [first, second, who] of [
      [orders, next, 'N+1 goes on where N began'],
      [next, orders, 'N goes on where N+1 began, as after a rollback'],
    ] as const) {
      it(who, () => {
        const placed = ask(first, [], 'UserRegistered')
        deepEqual(
          placed.map(({ type }) => type),
          ['OrderPlaced'],
        )
        const stream = [...placed, ...ask(second, placed, 'PaymentCaptured')]
        deepEqual(
          stream.map(({ type }) => type),
          ['OrderPlaced', 'OrderConfirmed'],
        )
        // Delivered again to the other one: answered once.
        deepEqual(ask(first, stream, 'UserRegistered'), [])
        deepEqual(ask(second, stream, 'PaymentCaptured'), [])
        for (const event of stream) deepEqual(fromMessage(publishedByN(event)).event.type, event.type)
      })
    }
  })
})
