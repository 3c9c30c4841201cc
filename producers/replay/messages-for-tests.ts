/** A checkout's messages as they lie on the topics; the parts are there to be replaced. */
import type { RecordedEvent, SagaEvent, Service } from '../../shared/saga/events.ts'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import { toMessage } from '../../shared/kafka/cloud-events.ts'
import type { Headers } from '../../shared/kafka/headers.ts'
import type { ChosenMessage } from './chosen.ts'

export const traceId = '0af7651916cd43dd8448eb211c80319c'
export const senderSpanId = '00f067aa0ba902b7'
export const traceparent = `00-${traceId}-${senderSpanId}-01`

/** Of Ada, by `tok_visa`. */
export const sampleEvents = {
  requested: {
    type: 'CheckoutRequested',
    data: {
      user: { email: 'ada@people.example', name: 'Ada' },
      order: { items: [{ sku: 'SAGA-MUG', quantity: 2 }] },
      payment: { token: 'tok_visa' },
      deadline: '2026-11-23T12:02:00.000Z',
    },
  },
  registered: {
    type: 'UserRegistered',
    data: {
      userId: 'user-1',
      existing: false,
      order: { items: [{ sku: 'SAGA-MUG', quantity: 2 }] },
      payment: { token: 'tok_visa' },
    },
  },
  placed: {
    type: 'OrderPlaced',
    data: {
      orderId: 'order-1',
      userId: 'user-1',
      items: [{ sku: 'SAGA-MUG', quantity: 2, unitPrice: 1_250 }],
      total: { amount: 2_500, currency: 'EUR' },
      payment: { token: 'tok_visa' },
    },
  },
  captured: {
    type: 'PaymentCaptured',
    data: { paymentId: 'payment-1', orderId: 'order-1', total: { amount: 2_500, currency: 'EUR' } },
  },
  confirmed: { type: 'OrderConfirmed', data: { orderId: 'order-1' } },
  completed: { type: 'CheckoutCompleted', data: { orderId: 'order-1' } },
  expired: { type: 'CheckoutExpired', data: { reason: 'checkout_expired' } },
  declined: { type: 'PaymentDeclined', data: { reason: 'card_declined' } },
  cancelled: { type: 'OrderCancelled', data: { orderId: 'order-1', reason: 'card_declined' } },
  revoked: { type: 'RegistrationRevoked', data: { userId: 'user-1', reason: 'card_declined' } },
  compensated: { type: 'CheckoutCompensated', data: { reason: 'card_declined' } },
} as const satisfies Record<string, SagaEvent>

export interface Part {
  readonly service?: Service
  readonly event: SagaEvent
  readonly version?: number
  readonly index?: number
  readonly checkoutId?: string
  /** Seconds after noon. */
  readonly at?: number
  readonly partition?: number
  readonly offset?: number
  readonly headers?: Headers
}

const serviceOf = (event: SagaEvent): Service => {
  const topic = toMessage('checkout', recorded({ event })).topic
  return topic === 'checkouts' ? 'checkout' : topic
}

const noon = Date.parse('2026-11-23T12:00:00Z')

function recorded({ service = 'checkout', event, version = 1, index = 0, checkoutId = 'c1', at = 0 }: Part) {
  const id = `${service}/${checkoutId}@${version}/${index}`
  const time = new Date(noon + at * 1_000).toISOString()
  return { id, checkoutId, time, event } satisfies RecordedEvent
}

export function chosenMessage(part: Part): ChosenMessage {
  const service = part.service ?? serviceOf(part.event)
  const event = recorded({ ...part, service })
  const { topic, key, value, headers } = toMessage(service, event)
  return {
    recorded: event,
    message: {
      topic,
      partition: part.partition ?? 0,
      offset: String(part.offset ?? part.at ?? 0),
      producedAtMillis: Date.parse(event.time) + 1,
      key,
      value: Buffer.from(value),
      headers: { ...headers, traceparent, ...part.headers },
    },
  }
}

export const message = (part: Part): IncomingMessage => chosenMessage(part).message

/** One that completed, a second a step. */
export const completedCheckout = (checkoutId = 'c1', start = 0): ChosenMessage[] => {
  const { requested, registered, placed, captured, confirmed, completed } = sampleEvents
  return [
    { event: requested },
    { event: registered },
    { event: placed },
    { event: captured },
    { event: confirmed, version: 2 },
    { event: completed, version: 2 },
  ].map((part, index) => chosenMessage({ checkoutId, at: start + index, ...part }))
}
