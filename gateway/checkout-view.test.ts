import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import type { SagaEvent } from '../shared/saga/events.ts'
import { eventTypes } from '../shared/saga/events.ts'
import { terminalTypes } from '../shared/saga/flow.ts'
import { reasonOf, statusOf, step, toStep } from './checkout-view.ts'
import { goodRequest } from './gateway-under-test.ts'

const { order, payment } = goodRequest
const total = { amount: 25_00, currency: 'EUR' } as const
const items = [{ sku: 'SAGA-MUG', quantity: 2, unitPrice: 12_50 }]

/** One event of every type. */
const examples: readonly SagaEvent[] = [
  { type: 'CheckoutRequested', data: { ...goodRequest, deadline: '2026-11-23T12:02:00.000Z' } },
  { type: 'CheckoutCompleted', data: { orderId: 'o1' } },
  { type: 'CheckoutCompensated', data: { reason: 'card_declined' } },
  { type: 'CheckoutRejected', data: { reason: 'email_domain_blocked' } },
  { type: 'CheckoutExpired', data: { reason: 'checkout_expired' } },
  { type: 'UserRegistered', data: { userId: 'u1', existing: true, order, payment } },
  { type: 'RegistrationRejected', data: { reason: 'email_domain_blocked' } },
  { type: 'RegistrationRevoked', data: { userId: null, reason: 'card_declined' } },
  { type: 'RegistrationKept', data: { userId: 'u1', reason: 'card_declined' } },
  { type: 'OrderPlaced', data: { orderId: 'o1', userId: 'u1', items, total, payment } },
  { type: 'OrderRejected', data: { reason: 'out_of_stock', sku: 'SAGA-POSTER' } },
  { type: 'OrderConfirmed', data: { orderId: 'o1' } },
  { type: 'OrderCancelled', data: { orderId: 'o1', reason: 'card_declined' } },
  { type: 'PaymentCaptured', data: { paymentId: 'p1', orderId: 'o1', total } },
  { type: 'PaymentDeclined', data: { reason: 'card_declined' } },
  { type: 'PaymentRefunded', data: { paymentId: 'p1', total, reason: 'checkout_expired' } },
]
const the = (type: SagaEvent['type']): SagaEvent => {
  const example = examples.find((event) => event.type === type)
  ok(example)
  return example
}
const status = (...types: SagaEvent['type'][]) => statusOf(types.map(the))

describe('the status of a checkout', () => {
  it('moves on with each step forward', () => {
    strictEqual(status('CheckoutRequested'), 'requested')
    strictEqual(status('CheckoutRequested', 'UserRegistered'), 'registered')
    strictEqual(status('CheckoutRequested', 'UserRegistered', 'OrderPlaced'), 'ordered')
    strictEqual(status('CheckoutRequested', 'UserRegistered', 'OrderPlaced', 'PaymentCaptured'), 'paid')
    strictEqual(status('OrderPlaced', 'PaymentCaptured', 'OrderConfirmed'), 'confirmed')
    strictEqual(status('OrderConfirmed', 'CheckoutCompleted'), 'completed')
  })

  it('is compensating from the first step back, however far it had come', () => {
    strictEqual(
      status('CheckoutRequested', 'UserRegistered', 'OrderPlaced', 'PaymentDeclined'),
      'compensating',
    )
    strictEqual(status('OrderCancelled', 'RegistrationRevoked', 'CheckoutCompensated'), 'compensated')
  })

  it('is expired from the deadline until it is compensated', () => {
    strictEqual(status('CheckoutRequested', 'CheckoutExpired'), 'expired')
    strictEqual(status('CheckoutRequested', 'CheckoutExpired', 'PaymentRefunded'), 'expired')
    strictEqual(status('CheckoutExpired', 'PaymentRefunded', 'CheckoutCompensated'), 'compensated')
  })

  it('is rejected when the registration was', () => {
    strictEqual(status('CheckoutRequested', 'RegistrationRejected'), 'requested')
    strictEqual(status('CheckoutRequested', 'RegistrationRejected', 'CheckoutRejected'), 'rejected')
  })

  it('does not depend on the order of what happened side by side', () => {
    strictEqual(status('CheckoutExpired', 'PaymentCaptured', 'CheckoutRequested'), 'expired')
  })

  it('is final after a terminal event, whatever else there is', () => {
    for (const end of terminalTypes) {
      const others = eventTypes.filter((type) => !(terminalTypes as readonly string[]).includes(type))
      strictEqual(status(...others, end), status(end))
    }
  })
})

describe('the reason of a checkout', () => {
  const declined = the('PaymentDeclined')
  const expired = the('CheckoutExpired')

  it('is absent while nothing went wrong', () => {
    strictEqual(reasonOf([the('CheckoutRequested'), the('UserRegistered')]), undefined)
    strictEqual(reasonOf([the('CheckoutRequested'), the('CheckoutCompleted')]), undefined)
  })

  it('is the first that was given, until the terminal event gives the one that counts', () => {
    strictEqual(reasonOf([expired, declined]), 'checkout_expired')
    strictEqual(reasonOf([expired, declined, the('CheckoutCompensated')]), 'card_declined')
  })
})

describe('a step', () => {
  const shown = (event: SagaEvent) =>
    toStep(
      { id: 'orders/c1@1/0', checkoutId: 'c1', service: 'orders', time: '2026-11-23T12:00:01.250Z', event },
      '2026-11-23T12:00:00.000Z',
    )

  for (const event of examples) {
    it(`shows of ${event.type} no email, no name, no token and no user id, and is as described`, () => {
      const text = JSON.stringify(shown(event))
      for (const secret of [
        goodRequest.user.email,
        goodRequest.user.name,
        payment.token,
        'payment"',
        'userId',
      ]) {
        ok(!text.includes(secret), `${secret} in ${text}`)
      }
      step.parse(shown(event))
    })
  }

  it('shows nothing that a future version adds to an event', () => {
    const event = { type: 'OrderConfirmed', data: { orderId: 'o1', email: 'ada@example.com' } } as SagaEvent
    deepStrictEqual(shown(event).data, { orderId: 'o1' })
  })

  it('shows ids, amounts and items, and how long after the request it was', () => {
    deepStrictEqual(shown(the('OrderPlaced')), {
      id: 'orders/c1@1/0',
      type: 'OrderPlaced',
      service: 'orders',
      time: '2026-11-23T12:00:01.250Z',
      sinceRequestMillis: 1_250,
      data: { orderId: 'o1', items, total },
    })
  })
})
