import { deepEqual, equal, rejects } from 'node:assert/strict'
import type { EventOf } from '../../shared/saga/events.ts'
import { consultNetwork } from './consult.ts'
import type { PaymentsState } from './decider.ts'

const checkoutId = 'checkout-1'
const total = { amount: 2_500, currency: 'EUR' } as const
const paymentId = 'payment-1'

const placed: EventOf<'OrderPlaced'> = {
  type: 'OrderPlaced',
  data: {
    orderId: 'order-1',
    userId: 'user-1',
    items: [{ sku: 'SAGA-MUG', quantity: 2, unitPrice: 1_250 }],
    total,
    payment: { token: 'tok_visa' },
  },
}
const expired: EventOf<'CheckoutExpired'> = { type: 'CheckoutExpired', data: { reason: 'checkout_expired' } }

const unknown: PaymentsState = { status: 'unknown' }
const captured: PaymentsState = { status: 'captured', paymentId, total }
const declined: PaymentsState = { status: 'declined' }
const refunded: PaymentsState = { status: 'refunded' }

/** A network that answers and notes what it was asked. */
function notingNetwork() {
  const asked: unknown[][] = []
  const consult = consultNetwork({
    capture: (...question) => {
      asked.push(['capture', ...question])
      return Promise.resolve({ kind: 'captured', paymentId, total })
    },
    cancel: (...question) => {
      asked.push(['cancel', ...question])
      return Promise.resolve({ kind: 'barred' })
    },
  })
  const ask = (event: Parameters<typeof consult>[0]['event'], state: PaymentsState) =>
    consult({ checkoutId, event, answer: undefined }, state)
  return { asked, ask }
}

describe('what payments asks the network', () => {
  it('is to capture what a new order costs, by its token', async () => {
    const { asked, ask } = notingNetwork()
    deepEqual(await ask(placed, unknown), { kind: 'captured', paymentId, total })
    deepEqual(asked, [['capture', checkoutId, 'tok_visa', total]])
  })

  it('is never to capture what was settled', async () => {
    const { asked, ask } = notingNetwork()
    for (const state of [captured, declined, refunded]) equal(await ask(placed, state), undefined)
    deepEqual(asked, [])
  })

  it('is to cancel an expired checkout, captured or not: a capture may be on its way', async () => {
    const { asked, ask } = notingNetwork()
    for (const state of [unknown, captured]) deepEqual(await ask(expired, state), { kind: 'barred' })
    deepEqual(asked, [
      ['cancel', checkoutId],
      ['cancel', checkoutId],
    ])
  })

  it('is nothing for an expired checkout whose money went back or never moved', async () => {
    const { asked, ask } = notingNetwork()
    for (const state of [declined, refunded]) equal(await ask(expired, state), undefined)
    deepEqual(asked, [])
  })

  it('fails with the network, so that the message is tried again', async () => {
    const away = () => Promise.reject(new Error('network away'))
    const consult = consultNetwork({ capture: away, cancel: away })
    for (const event of [placed, expired]) {
      await rejects(consult({ checkoutId, event, answer: undefined }, unknown), /network away/)
    }
  })
})
