import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import type { SagaEvent, Service } from '../shared/saga/events.ts'
import { services } from '../shared/saga/events.ts'
import { CheckoutHistory } from './checkout-history.ts'
import { goodRequest } from './gateway-under-test.ts'
import { InMemoryEventStore } from './in-memory-event-store.ts'

interface Happening {
  readonly service: Service
  readonly causedBy: string
  readonly event: SagaEvent
}

const requested: SagaEvent = {
  type: 'CheckoutRequested',
  data: { ...goodRequest, deadline: '2026-11-23T12:02:00.000Z' },
}
const { order, payment } = goodRequest
const total = { amount: 25_00, currency: 'EUR' } as const

/** A whole checkout, in the order in which it happened. */
const happenings: readonly Happening[] = [
  { service: 'checkout', causedBy: 'request/c1', event: requested },
  {
    service: 'users',
    causedBy: 'checkout/c1@1/0',
    event: { type: 'UserRegistered', data: { userId: 'u1', existing: false, order, payment } },
  },
  {
    service: 'orders',
    causedBy: 'users/c1@1/0',
    event: {
      type: 'OrderPlaced',
      data: {
        orderId: 'o1',
        userId: 'u1',
        items: [{ sku: 'SAGA-MUG', quantity: 2, unitPrice: 12_50 }],
        total,
        payment,
      },
    },
  },
  {
    service: 'payments',
    causedBy: 'orders/c1@1/0',
    event: { type: 'PaymentCaptured', data: { paymentId: 'p1', orderId: 'o1', total } },
  },
  {
    service: 'orders',
    causedBy: 'payments/c1@1/0',
    event: { type: 'OrderConfirmed', data: { orderId: 'o1' } },
  },
  {
    service: 'checkout',
    causedBy: 'orders/c1@2/0',
    event: { type: 'CheckoutCompleted', data: { orderId: 'o1' } },
  },
]
const inOrder = happenings.map(({ event }) => event.type)

const newStores = () => services.map((service) => new InMemoryEventStore(service))

async function happen(
  stores: readonly InMemoryEventStore[],
  { service, causedBy, event }: Happening,
  at: Date,
) {
  const store = stores.find((candidate) => candidate.service === service)
  const { version } = (await store?.read('c1')) ?? { version: 0 }
  await store?.append({
    checkoutId: 'c1',
    version: version + 1,
    causedBy,
    at,
    events: [event],
    traceHeaders: {},
  })
}

const typesOf = (history: CheckoutHistory) => history.events.map(({ event }) => event.type)

describe('the history of a checkout', () => {
  it('is empty when nobody asked for it', async () => {
    const history = new CheckoutHistory(newStores(), 'c1')
    strictEqual(await history.advance(), false)
    strictEqual(history.request, undefined)
    deepStrictEqual(history.events, [])
  })

  it('puts causes before effects, whatever the clocks of the services say', async () => {
    const clock = fc.integer({ min: -60_000, max: 60_000 })
    const clocks = fc.record({ users: clock, orders: clock, payments: clock, checkout: clock })
    await fc.assert(
      fc.asyncProperty(clocks, fc.shuffledSubarray([...services], { minLength: 4 }), async (ahead, order) => {
        const stores = newStores()
        for (const [index, happening] of happenings.entries()) {
          const atMillis = Date.parse('2026-11-23T12:00:00Z') + index + ahead[happening.service]
          await happen(stores, happening, new Date(atMillis))
        }
        const sorted = order.flatMap((service) => stores.filter((store) => store.service === service))
        const history = new CheckoutHistory(sorted, 'c1')
        await history.advance()
        deepStrictEqual(typesOf(history), inOrder)
      }),
      { numRuns: 50 },
    )
  })

  it('orders what happened in one millisecond by cause and effect', async () => {
    const stores = newStores()
    for (const happening of happenings) await happen(stores, happening, new Date(0))
    const history = new CheckoutHistory(stores, 'c1')
    await history.advance()
    deepStrictEqual(typesOf(history), inOrder)
  })

  it('leaves no gap when a step comes in after its stream was looked at', async () => {
    const stores = newStores()
    for (const happening of happenings.slice(0, 2)) await happen(stores, happening, new Date(0))
    // While payments is being read, orders and then payments commit.
    const late = stores.map((store) => ({
      service: store.service,
      read: async (checkoutId: string, after?: number) => {
        if (store.service === 'payments' && (await store.read('c1')).version === 0) {
          for (const happening of happenings.slice(2, 4)) await happen(stores, happening, new Date(0))
        }
        return store.read(checkoutId, after)
      },
    }))
    const history = new CheckoutHistory(late, 'c1')
    await history.advance()
    deepStrictEqual(typesOf(history), inOrder.slice(0, 4))
  })

  it('says whether anything is new', async () => {
    const stores = newStores()
    const history = new CheckoutHistory(stores, 'c1')
    for (const happening of happenings) {
      await happen(stores, happening, new Date(0))
      strictEqual(await history.advance(), true)
      strictEqual(await history.advance(), false)
    }
    deepStrictEqual(typesOf(history), inOrder)
  })

  it('knows what led to an event, and counts nothing else as seen', async () => {
    const stores = newStores()
    for (const happening of happenings.slice(0, 3)) await happen(stores, happening, new Date(0))
    const expired: SagaEvent = { type: 'CheckoutExpired', data: { reason: 'checkout_expired' } }
    await happen(stores, { service: 'checkout', causedBy: 'deadline/c1', event: expired }, new Date(0))
    const history = new CheckoutHistory(stores, 'c1')
    await history.advance()
    deepStrictEqual([...history.upTo('users/c1@1/0')].sort(), ['checkout/c1@1/0', 'users/c1@1/0'])
    deepStrictEqual([...history.upTo('checkout/c1@2/0')].sort(), ['checkout/c1@1/0', 'checkout/c1@2/0'])
    deepStrictEqual([...history.upTo('nobody/c1@1/0')], [])
  })

  it('ends also when forged messages cause each other in a circle', async () => {
    const stores = newStores()
    const [first, second] = happenings
    ok(first && second)
    await happen(stores, { ...first, causedBy: 'users/c1@1/0' }, new Date(0))
    await happen(stores, second, new Date(0))
    const history = new CheckoutHistory(stores, 'c1')
    await history.advance()
    strictEqual(history.events.length, 2)
    strictEqual(history.upTo('users/c1@1/0').size, 2)
  })
})
