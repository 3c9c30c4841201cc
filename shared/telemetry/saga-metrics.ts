/** What the saga counts. One count a committed event, so a duplicate counts nothing. No ids in attributes. */
import { metrics } from '@opentelemetry/api'
import type { EventType, SagaEvent } from '../contracts/events.ts'

const meter = metrics.getMeter('sagascope')

const userRegistered = meter.createCounter('user_registered', {
  description: 'Registrations by how they ended: new, existing, rejected, revoked, kept',
  unit: '{registration}',
})
const orderProcessed = meter.createCounter('order_processed', {
  description: 'Orders by what was decided: placed, rejected, confirmed, cancelled',
  unit: '{order}',
})
const paymentProcessed = meter.createCounter('payment_processed', {
  description: 'Payments by what became of the money: captured, declined, refunded',
  unit: '{payment}',
})
const checkoutProcessed = meter.createCounter('checkout_processed', {
  description: 'Checkouts by where they stand: requested, completed, compensated, rejected, expired',
  unit: '{checkout}',
})

const counted = {
  UserRegistered: [userRegistered, 'new'],
  RegistrationRejected: [userRegistered, 'rejected'],
  RegistrationRevoked: [userRegistered, 'revoked'],
  RegistrationKept: [userRegistered, 'kept'],
  OrderPlaced: [orderProcessed, 'placed'],
  OrderRejected: [orderProcessed, 'rejected'],
  OrderConfirmed: [orderProcessed, 'confirmed'],
  OrderCancelled: [orderProcessed, 'cancelled'],
  PaymentCaptured: [paymentProcessed, 'captured'],
  PaymentDeclined: [paymentProcessed, 'declined'],
  PaymentRefunded: [paymentProcessed, 'refunded'],
  CheckoutRequested: [checkoutProcessed, 'requested'],
  CheckoutCompleted: [checkoutProcessed, 'completed'],
  CheckoutCompensated: [checkoutProcessed, 'compensated'],
  CheckoutRejected: [checkoutProcessed, 'rejected'],
  CheckoutExpired: [checkoutProcessed, 'expired'],
} as const satisfies Record<EventType, readonly [typeof userRegistered, string]>

/** Counts an event that has been committed. */
export function count(event: SagaEvent): void {
  const [counter, outcome] = counted[event.type]
  counter.add(1, { outcome: event.type === 'UserRegistered' && event.data.existing ? 'existing' : outcome })
}
