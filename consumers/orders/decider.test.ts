import type { EventOf, Order } from '../../shared/saga/events.ts'
import { specify } from '../../shared/saga/decider-spec.ts'
import { orders } from './decider.ts'

const given = specify(orders, 'c1')

const payment = { token: 'tok_visa' }
const total = { amount: 49_00, currency: 'EUR' } as const

const userRegistered = (...items: Order['items']): EventOf<'UserRegistered'> => ({
  type: 'UserRegistered',
  data: { userId: 'user-c1', existing: false, order: { items }, payment },
})
const twoMugsAndAShirt = userRegistered({ sku: 'SAGA-MUG', quantity: 2 }, { sku: 'SAGA-TEE', quantity: 1 })
const paymentCaptured: EventOf<'PaymentCaptured'> = {
  type: 'PaymentCaptured',
  data: { paymentId: 'payment-c1', orderId: 'order-c1', total },
}
const paymentDeclined: EventOf<'PaymentDeclined'> = {
  type: 'PaymentDeclined',
  data: { reason: 'card_declined' },
}
const paymentRefunded: EventOf<'PaymentRefunded'> = {
  type: 'PaymentRefunded',
  data: { paymentId: 'payment-c1', total, reason: 'checkout_expired' },
}

const orderPlaced: EventOf<'OrderPlaced'> = {
  type: 'OrderPlaced',
  data: {
    orderId: 'order-c1',
    userId: 'user-c1',
    items: [
      { sku: 'SAGA-MUG', quantity: 2, unitPrice: 12_50 },
      { sku: 'SAGA-TEE', quantity: 1, unitPrice: 24_00 },
    ],
    total,
    payment,
  },
}
const orderRejected: EventOf<'OrderRejected'> = {
  type: 'OrderRejected',
  data: { reason: 'unknown_sku', sku: 'SAGA-BOAT' },
}
const orderConfirmed: EventOf<'OrderConfirmed'> = { type: 'OrderConfirmed', data: { orderId: 'order-c1' } }
const orderCancelled: EventOf<'OrderCancelled'> = {
  type: 'OrderCancelled',
  data: { orderId: 'order-c1', reason: 'card_declined' },
}
const cancelledBeforeItsUserArrived: EventOf<'OrderCancelled'> = {
  type: 'OrderCancelled',
  data: { orderId: null, reason: 'checkout_expired' },
}

const histories = {
  'placed already': [orderPlaced],
  'rejected already': [orderRejected],
  'confirmed already': [orderPlaced, orderConfirmed],
  'cancelled already': [orderPlaced, orderCancelled],
  'cancelled before its user arrived': [cancelledBeforeItsUserArrived],
}

describe('orders, on UserRegistered', () => {
  it('places the order at the prices of the catalogue, and hands on the payment', () => {
    given([]).when(twoMugsAndAShirt).then([orderPlaced])
  })

  it('rejects an order for something that is not in the catalogue', () => {
    given([])
      .when(userRegistered({ sku: 'SAGA-MUG', quantity: 1 }, { sku: 'SAGA-BOAT', quantity: 1 }))
      .then([orderRejected])
  })

  it('rejects an order for something that is out of stock', () => {
    given([])
      .when(userRegistered({ sku: 'SAGA-POSTER', quantity: 1 }))
      .then([{ type: 'OrderRejected', data: { reason: 'out_of_stock', sku: 'SAGA-POSTER' } }])
  })

  it('rejects an order for more than the limit of the product', () => {
    given([])
      .when(userRegistered({ sku: 'SAGA-BOOK', quantity: 11 }))
      .then([{ type: 'OrderRejected', data: { reason: 'quantity_limit_exceeded', sku: 'SAGA-BOOK' } }])
  })

  it('adds up the lines of one product before it compares them with the limit', () => {
    given([])
      .when(userRegistered({ sku: 'SAGA-BOOK', quantity: 6 }, { sku: 'SAGA-BOOK', quantity: 5 }))
      .then([{ type: 'OrderRejected', data: { reason: 'quantity_limit_exceeded', sku: 'SAGA-BOOK' } }])
  })

  it('places an order that asks for exactly the limit', () => {
    const items = [
      { sku: 'SAGA-BOOK', quantity: 6 },
      { sku: 'SAGA-BOOK', quantity: 4 },
    ]
    given([])
      .when(userRegistered(...items))
      .then([
        {
          type: 'OrderPlaced',
          data: {
            orderId: 'order-c1',
            userId: 'user-c1',
            items: items.map((item) => ({ ...item, unitPrice: 39_90 })),
            total: { amount: 399_00, currency: 'EUR' },
            payment,
          },
        },
      ])
  })

  it('names the first item that cannot be sold when several cannot', () => {
    given([])
      .when(userRegistered({ sku: 'SAGA-POSTER', quantity: 1 }, { sku: 'SAGA-BOAT', quantity: 1 }))
      .then([{ type: 'OrderRejected', data: { reason: 'out_of_stock', sku: 'SAGA-POSTER' } }])
  })

  for (const [described, history] of Object.entries(histories)) {
    it(`does not place an order that was ${described}`, () => {
      given(history).when(twoMugsAndAShirt).then([])
    })
  }
})

describe('orders, on PaymentCaptured', () => {
  it('confirms the order', () => {
    given([orderPlaced]).when(paymentCaptured).then([orderConfirmed])
  })

  it('does not confirm an order that it has not placed', () => {
    given([]).when(paymentCaptured).then([])
  })

  for (const described of [
    'rejected already',
    'confirmed already',
    'cancelled already',
    'cancelled before its user arrived',
  ] as const) {
    it(`does not confirm an order that was ${described}`, () => {
      given(histories[described]).when(paymentCaptured).then([])
    })
  }
})

for (const event of [paymentDeclined, paymentRefunded]) {
  const { reason } = event.data

  describe(`orders, on ${event.type}`, () => {
    it('cancels a placed order', () => {
      given([orderPlaced])
        .when(event)
        .then([{ type: 'OrderCancelled', data: { orderId: 'order-c1', reason } }])
    })

    it('cancels a confirmed order', () => {
      given([orderPlaced, orderConfirmed])
        .when(event)
        .then([{ type: 'OrderCancelled', data: { orderId: 'order-c1', reason } }])
    })

    it('cancels ahead of the user, so that the order is never placed', () => {
      given([])
        .when(event)
        .then([{ type: 'OrderCancelled', data: { orderId: null, reason } }])
    })

    for (const described of [
      'rejected already',
      'cancelled already',
      'cancelled before its user arrived',
    ] as const) {
      it(`does not cancel an order that was ${described}`, () => {
        given(histories[described]).when(event).then([])
      })
    }
  })
}
