import type { EventOf } from '../../shared/saga/events.ts'
import { specify } from '../../shared/saga/decider-spec.ts'
import { payments } from './decider.ts'

const given = specify(payments, 'c1')

const total = { amount: 25_00, currency: 'EUR' } as const

const orderPlaced: EventOf<'OrderPlaced'> = {
  type: 'OrderPlaced',
  data: {
    orderId: 'order-c1',
    userId: 'user-c1',
    items: [{ sku: 'SAGA-MUG', quantity: 2, unitPrice: 12_50 }],
    total,
    payment: { token: 'tok_visa' },
  },
}
const checkoutExpired: EventOf<'CheckoutExpired'> = {
  type: 'CheckoutExpired',
  data: { reason: 'checkout_expired' },
}

const paymentCaptured: EventOf<'PaymentCaptured'> = {
  type: 'PaymentCaptured',
  data: { paymentId: 'payment-c1', orderId: 'order-c1', total },
}
const paymentDeclined: EventOf<'PaymentDeclined'> = {
  type: 'PaymentDeclined',
  data: { reason: 'card_declined' },
}
const declinedByExpiry: EventOf<'PaymentDeclined'> = {
  type: 'PaymentDeclined',
  data: { reason: 'checkout_expired' },
}
const paymentRefunded: EventOf<'PaymentRefunded'> = {
  type: 'PaymentRefunded',
  data: { paymentId: 'payment-c1', total, reason: 'checkout_expired' },
}

const captured = { kind: 'captured', paymentId: 'payment-c1', total } as const
const declined = { kind: 'declined', reason: 'card_declined' } as const
const refunded = { kind: 'refunded', paymentId: 'payment-c1', total } as const
const barred = { kind: 'barred' } as const

describe('payments, on OrderPlaced', () => {
  it('records the capture of the network', () => {
    given([]).when(orderPlaced, captured).then([paymentCaptured])
  })

  it('declines with the reason of the network', () => {
    given([]).when(orderPlaced, declined).then([paymentDeclined])
  })

  it('declines as expired when an expiry has barred the capture', () => {
    given([]).when(orderPlaced, barred).then([declinedByExpiry])
  })

  it('declines as expired when an expiry has refunded a capture that was never recorded', () => {
    given([]).when(orderPlaced, refunded).then([declinedByExpiry])
  })

  it('records nothing without the word of the network', () => {
    given([]).when(orderPlaced).then([])
  })

  it('does not capture twice', () => {
    given([paymentCaptured]).when(orderPlaced, captured).then([])
  })

  it('does not capture what was declined', () => {
    given([paymentDeclined]).when(orderPlaced, captured).then([])
  })

  it('does not capture what was voided before the order arrived', () => {
    given([declinedByExpiry]).when(orderPlaced, captured).then([])
  })

  it('does not capture what was refunded', () => {
    given([paymentCaptured, paymentRefunded]).when(orderPlaced, captured).then([])
  })
})

describe('payments, on CheckoutExpired', () => {
  it('refunds what was captured', () => {
    given([paymentCaptured]).when(checkoutExpired, refunded).then([paymentRefunded])
  })

  it('refunds a capture that the network made and nobody recorded', () => {
    given([]).when(checkoutExpired, refunded).then([paymentRefunded])
  })

  it('voids a payment whose order has not arrived', () => {
    given([]).when(checkoutExpired, barred).then([declinedByExpiry])
  })

  it('does not call a captured payment declined', () => {
    given([paymentCaptured]).when(checkoutExpired, barred).then([])
  })

  it('neither refunds nor voids without the word of the network', () => {
    given([]).when(checkoutExpired).then([])
    given([paymentCaptured]).when(checkoutExpired).then([])
  })

  it('has nothing to give back after a decline', () => {
    given([paymentDeclined]).when(checkoutExpired, barred).then([])
  })

  it('does not refund twice', () => {
    given([paymentCaptured, paymentRefunded]).when(checkoutExpired, refunded).then([])
  })
})
