import { deepEqual } from 'node:assert/strict'
import { metrics } from '@opentelemetry/api'
import { MeterProvider, MetricReader } from '@opentelemetry/sdk-metrics'
import type { SagaEvent } from '../saga/events.ts'
import type * as SagaMetrics from './saga-metrics.ts'

/** Collects when it is asked to and exports nothing. */
class ManualReader extends MetricReader {
  protected override onForceFlush(): Promise<void> {
    return Promise.resolve()
  }
  protected override onShutdown(): Promise<void> {
    return Promise.resolve()
  }
}

describe('what the saga counts', () => {
  let reader: ManualReader
  let count: typeof SagaMetrics.count

  before(async () => {
    reader = new ManualReader()
    metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
    // Counters belong to the provider that was there when the module was loaded, and another test may have
    // loaded it before; with a query it is loaded afresh.
    const fresh = new URL('./saga-metrics.ts?counted-by-this-test', import.meta.url).href
    ;({ count } = (await import(fresh)) as typeof SagaMetrics)
  })
  after(() => metrics.disable())

  const counts = async () => {
    const { resourceMetrics } = await reader.collect()
    return Object.fromEntries(
      resourceMetrics.scopeMetrics
        .flatMap((scope) => scope.metrics)
        .map(({ descriptor, dataPoints }) => [
          descriptor.name,
          dataPoints.map(({ attributes, value }) => ({ ...attributes, value })),
        ]),
    )
  }

  const reason = 'card_declined'
  const checkoutId = 'checkout-1'
  const order = { items: [{ sku: 'SAGA-MUG', quantity: 1 }] }
  const payment = { token: 'tok_visa' }
  const total = { amount: 1_250, currency: 'EUR' } as const
  const userId = `user-${checkoutId}`
  const orderId = `order-${checkoutId}`
  const paymentId = `payment-${checkoutId}`

  const events: readonly SagaEvent[] = [
    {
      type: 'CheckoutRequested',
      data: {
        user: { email: 'ada@people.example', name: 'Ada Example' },
        order,
        payment,
        deadline: '2026-11-23T12:00:00Z',
      },
    },
    { type: 'CheckoutCompleted', data: { orderId } },
    { type: 'CheckoutCompensated', data: { reason } },
    { type: 'CheckoutRejected', data: { reason } },
    { type: 'CheckoutExpired', data: { reason } },
    { type: 'UserRegistered', data: { userId, existing: false, order, payment } },
    { type: 'UserRegistered', data: { userId, existing: true, order, payment } },
    { type: 'UserRegistered', data: { userId, existing: true, order, payment } },
    { type: 'RegistrationRejected', data: { reason } },
    { type: 'RegistrationRevoked', data: { userId, reason } },
    { type: 'RegistrationKept', data: { userId, reason } },
    { type: 'OrderPlaced', data: { orderId, userId, items: [], total, payment } },
    { type: 'OrderRejected', data: { reason, sku: 'SAGA-MUG' } },
    { type: 'OrderConfirmed', data: { orderId } },
    { type: 'OrderCancelled', data: { orderId, reason } },
    { type: 'PaymentCaptured', data: { paymentId, orderId, total } },
    { type: 'PaymentDeclined', data: { reason } },
    { type: 'PaymentRefunded', data: { paymentId, total, reason } },
  ]

  it('is every event under its outcome, and nothing about whose it was', async () => {
    for (const event of events) count(event)
    const once = (...outcomes: string[]) => outcomes.map((outcome) => ({ outcome, value: 1 }))
    deepEqual(await counts(), {
      user_registered: [
        { outcome: 'new', value: 1 },
        { outcome: 'existing', value: 2 },
        ...once('rejected', 'revoked', 'kept'),
      ],
      order_processed: once('placed', 'rejected', 'confirmed', 'cancelled'),
      payment_processed: once('captured', 'declined', 'refunded'),
      checkout_processed: once('requested', 'completed', 'compensated', 'rejected', 'expired'),
    })
  })

  it('adds up', async () => {
    for (let times = 0; times < 5; times++) count({ type: 'PaymentDeclined', data: { reason } })
    const { payment_processed } = await counts()
    deepEqual(payment_processed?.[1], { outcome: 'declined', value: 6 })
  })
})
