import { deepStrictEqual, ok, throws } from 'node:assert/strict'
import fc from 'fast-check'
import { z } from 'zod'
import type { EventType, SagaEvent } from './events.ts'
import { eventTypes, isEventType, limits, parseEvent, reason, schemaOf } from './events.ts'

const order = { items: [{ sku: 'SAGA-MUG', quantity: 2 }] }
const payment = { token: 'tok_visa' }
const total = { amount: 25_00, currency: 'EUR' as const }

/** One good example of each. */
const examples: { readonly [T in EventType]: Extract<SagaEvent, { type: T }>['data'] } = {
  CheckoutRequested: {
    user: { email: 'ada@example.com', name: 'Ada' },
    order,
    payment,
    deadline: '2026-11-23T12:00:00.000Z',
  },
  CheckoutCompleted: { orderId: 'order-c1' },
  CheckoutCompensated: { reason: 'card_declined' },
  CheckoutRejected: { reason: 'email_domain_blocked' },
  CheckoutExpired: { reason: 'checkout_expired' },
  UserRegistered: { userId: 'user-c1', existing: false, order, payment },
  RegistrationRejected: { reason: 'email_domain_blocked' },
  RegistrationRevoked: { userId: null, reason: 'checkout_expired' },
  RegistrationKept: { userId: 'user-c1', reason: 'card_declined' },
  OrderPlaced: {
    orderId: 'order-c1',
    userId: 'user-c1',
    items: [{ sku: 'SAGA-MUG', quantity: 2, unitPrice: 12_50 }],
    total,
    payment,
  },
  OrderRejected: { reason: 'unknown_sku', sku: 'SAGA-BOAT' },
  OrderConfirmed: { orderId: 'order-c1' },
  OrderCancelled: { orderId: null, reason: 'checkout_expired' },
  PaymentCaptured: { paymentId: 'payment-c1', orderId: 'order-c1', total },
  PaymentDeclined: { reason: 'insufficient_funds' },
  PaymentRefunded: { paymentId: 'payment-c1', total, reason: 'checkout_expired' },
}

const identifier = fc.string({ minLength: 1, maxLength: 128, unit: 'grapheme-ascii' })
const money = fc.record({ amount: fc.nat(), currency: fc.constant('EUR') })
const someReason = fc.constantFrom(...reason.options)
const someOrder = fc.record({
  items: fc.array(
    fc.record({
      sku: fc.string({ minLength: 1, maxLength: limits.skuLength }),
      quantity: fc.integer({ min: 1, max: limits.quantityPerItem }),
    }),
    { minLength: 1, maxLength: limits.itemsPerOrder },
  ),
})
const somePayment = fc.record({ token: fc.string({ minLength: 1, maxLength: limits.tokenLength }) })

const someData: { readonly [T in EventType]: fc.Arbitrary<unknown> } = {
  CheckoutRequested: fc.record({
    user: fc.record({
      email: fc.constantFrom('ada@example.com', 'grace.hopper+navy@mail.example.org'),
      // Names are trimmed on the way in, so only a trimmed one comes back as it was.
      name: fc
        .string({ maxLength: limits.nameLength, unit: 'grapheme' })
        .map((name) => name.trim().slice(0, limits.nameLength).trim())
        .filter((name) => name !== ''),
    }),
    order: someOrder,
    payment: somePayment,
    deadline: fc
      .date({ min: new Date('2000-01-01'), max: new Date('2099-12-31'), noInvalidDate: true })
      .map((date) => date.toISOString()),
  }),
  CheckoutCompleted: fc.record({ orderId: identifier }),
  CheckoutCompensated: fc.record({ reason: someReason }),
  CheckoutRejected: fc.record({ reason: someReason }),
  CheckoutExpired: fc.record({ reason: someReason }),
  UserRegistered: fc.record({
    userId: identifier,
    existing: fc.boolean(),
    order: someOrder,
    payment: somePayment,
  }),
  RegistrationRejected: fc.record({ reason: someReason }),
  RegistrationRevoked: fc.record({ userId: fc.option(identifier), reason: someReason }),
  RegistrationKept: fc.record({ userId: identifier, reason: someReason }),
  OrderPlaced: fc.record({
    orderId: identifier,
    userId: identifier,
    items: fc.array(fc.record({ sku: identifier, quantity: fc.integer({ min: 1 }), unitPrice: fc.nat() })),
    total: money,
    payment: somePayment,
  }),
  OrderRejected: fc.record({ reason: someReason, sku: identifier }),
  OrderConfirmed: fc.record({ orderId: identifier }),
  OrderCancelled: fc.record({ orderId: fc.option(identifier), reason: someReason }),
  PaymentCaptured: fc.record({ paymentId: identifier, orderId: identifier, total: money }),
  PaymentDeclined: fc.record({ reason: someReason }),
  PaymentRefunded: fc.record({ paymentId: identifier, total: money, reason: someReason }),
}

describe('every event', () => {
  for (const type of eventTypes) {
    it(`${type} is the same after a journey as JSON`, () => {
      // fast-check's records have no prototype and JSON's have, so both go through JSON.
      const asJson = (data: unknown): unknown => JSON.parse(JSON.stringify(data))
      fc.assert(
        fc.property(someData[type], (data) => {
          deepStrictEqual(parseEvent(type, asJson(data)), { type, data: asJson(data) })
        }),
      )
    })

    it(`${type} loses the fields that a newer producer has added`, () => {
      deepStrictEqual(parseEvent(type, { ...examples[type], addedLater: true }), {
        type,
        data: examples[type],
      })
    })

    it(`${type} is refused when any of its fields is missing`, () => {
      for (const field of Object.keys(examples[type])) {
        const rest = Object.fromEntries(Object.entries(examples[type]).filter(([name]) => name !== field))
        throws(() => parseEvent(type, rest), z.ZodError, `accepted without ${field}`)
      }
    })

    it(`${type} is refused when it is no object`, () => {
      for (const data of [null, undefined, 'text', 7, []]) throws(() => parseEvent(type, data), z.ZodError)
    })
  }

  it('drops what a newer producer has added inside, too', () => {
    const newer = { ...examples.PaymentCaptured, total: { ...total, exchangeRate: 1 } }
    deepStrictEqual(parseEvent('PaymentCaptured', newer).data, examples.PaymentCaptured)
  })
})

describe('the contract', () => {
  const refuses = (type: EventType, data: object) =>
    ok(!schemaOf(type).safeParse({ ...examples[type], ...data }).success, JSON.stringify(data))

  it('refuses a reason that it does not know', () => {
    refuses('PaymentDeclined', { reason: 'bad_mood' })
  })

  it('refuses an email that is none, or is too long', () => {
    const { user } = examples.CheckoutRequested
    refuses('CheckoutRequested', { user: { ...user, email: 'ada' } })
    refuses('CheckoutRequested', {
      user: { ...user, email: `${'a'.repeat(limits.emailLength)}@example.com` },
    })
  })

  it('refuses a name of nothing but spaces, and trims any other', () => {
    const { user } = examples.CheckoutRequested
    refuses('CheckoutRequested', { user: { ...user, name: '   ' } })
    deepStrictEqual(
      parseEvent('CheckoutRequested', { ...examples.CheckoutRequested, user: { ...user, name: '  Ada ' } })
        .data,
      examples.CheckoutRequested,
    )
  })

  it('refuses an order for nothing, for too much, or in parts of a piece', () => {
    const item = { sku: 'SAGA-MUG', quantity: 1 }
    refuses('CheckoutRequested', { order: { items: [] } })
    refuses('CheckoutRequested', { order: { items: Array(limits.itemsPerOrder + 1).fill(item) } })
    for (const quantity of [0, -1, 1.5, limits.quantityPerItem + 1, '1']) {
      refuses('CheckoutRequested', { order: { items: [{ ...item, quantity }] } })
    }
  })

  it('refuses money that is negative, broken or foreign', () => {
    for (const amount of [-1, 0.5, '100']) refuses('PaymentCaptured', { total: { amount, currency: 'EUR' } })
    refuses('PaymentCaptured', { total: { amount: 100, currency: 'USD' } })
  })

  it('refuses a deadline that is no RFC 3339 time in UTC', () => {
    for (const deadline of ['tomorrow', '2026-11-23', '2026-11-23T12:00:00+01:00']) {
      refuses('CheckoutRequested', { deadline })
    }
  })

  it('refuses an identifier that is empty or too long', () => {
    refuses('OrderConfirmed', { orderId: '' })
    refuses('OrderConfirmed', { orderId: 'x'.repeat(129) })
  })

  it('knows its event types from other names, inherited ones included', () => {
    ok(eventTypes.every(isEventType))
    for (const name of ['', 'checkoutRequested', 'toString', '__proto__', 'DeadlinePassed'])
      ok(!isEventType(name))
  })
})
