/**
 * What the saga counts and times. Counted is what was committed, so a duplicate counts nothing. Never an id in an
 * attribute: each value would be a time series of its own.
 */
import { metrics, trace } from '@opentelemetry/api'
import type { EventType, RecordedEvent, SagaEvent } from '../saga/events.ts'
import { isTerminal } from '../saga/flow.ts'

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

// A hop takes milliseconds, a checkout tens of them; one that waits for its deadline takes minutes.
const explicitBucketBoundaries = [
  0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 120, 300,
]

const checkoutDuration = meter.createHistogram('checkout.duration', {
  description: 'From the request to the terminal event',
  unit: 's',
  advice: { explicitBucketBoundaries },
})
const stepDuration = meter.createHistogram('saga.step.duration', {
  description: 'From the commit of an event to the commit of its answer, by the answer',
  unit: 's',
  advice: { explicitBucketBoundaries },
})
const queueDuration = meter.createHistogram('saga.queue.duration', {
  description: 'From the production of a message to the start of its handling',
  unit: 's',
  advice: { explicitBucketBoundaries },
})
const deadLetters = meter.createCounter('saga.dead_letters', {
  description: 'Messages put into the dead-letter topic, by where they came from and why',
  unit: '{message}',
})

const secondsBetween = (from: string, to: string): number =>
  Math.max(0, Date.parse(to) - Date.parse(from)) / 1_000

/**
 * Records what answered a message: how long the step took, and, at a checkout's end, how long all of it took.
 * @param askedAt when the event that was answered was committed, RFC 3339
 * @param requestedAt when the checkout was asked for, where it is known
 */
export function recordAnswer(
  answers: readonly RecordedEvent[],
  askedAt: string,
  requestedAt: string | undefined,
): void {
  for (const { event, time } of answers) {
    stepDuration.record(secondsBetween(askedAt, time), { 'saga.step': event.type })
    if (requestedAt !== undefined && isTerminal(event.type)) {
      checkoutDuration.record(secondsBetween(requestedAt, time), { outcome: counted[event.type][1] })
    }
  }
}

/** Records how long a message lay on its topic, by the broker's clock and ours. */
export function recordQueueTime(topic: string, consumerGroup: string, producedAtMillis: number): void {
  queueDuration.record(Math.max(0, Date.now() - producedAtMillis) / 1_000, {
    'messaging.destination.name': topic,
    'messaging.consumer.group.name': consumerGroup,
  })
}

export function countDeadLetter(topic: string, errorType: string): void {
  deadLetters.add(1, { 'messaging.destination.name': topic, 'error.type': errorType })
}

/** On the span that committed a checkout's end: `completed`, `compensated` or `rejected`. */
const ATTR_SAGA_OUTCOME = 'saga.outcome'

/**
 * Counts an event that has been committed, and writes a checkout's end on the active span: no span of one that was taken
 * back need have failed, and whoever looks for such traces, a tail sampler for one, has nothing else to go by.
 */
export function count(event: SagaEvent): void {
  const [counter, outcome] = counted[event.type]
  if (isTerminal(event.type)) trace.getActiveSpan()?.setAttribute(ATTR_SAGA_OUTCOME, outcome)
  counter.add(1, { outcome: event.type === 'UserRegistered' && event.data.existing ? 'existing' : outcome })
}
