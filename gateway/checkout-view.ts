/** What the gateway shows of a checkout. Pure: events in, a view out; and no email, name or token in it. */
import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { z } from 'zod'
import type { EventType, SagaEvent } from '../shared/saga/events.ts'
import { eventTypes, order, reason, services } from '../shared/saga/events.ts'
import { isTerminal } from '../shared/saga/flow.ts'
import type { Commit } from '../shared/kernel/event-store.ts'
import type { CheckoutHistory, HistoricEvent } from './checkout-history.ts'

/** Where a checkout stands; a later one in this list wins over an earlier one. */
export const statuses = [
  'requested',
  'registered',
  'ordered',
  'paid',
  'confirmed',
  'compensating',
  'expired',
  'completed',
  'compensated',
  'rejected',
] as const
export type Status = (typeof statuses)[number]

const statusAfter: Readonly<Record<EventType, Status>> = {
  CheckoutRequested: 'requested',
  UserRegistered: 'registered',
  OrderPlaced: 'ordered',
  PaymentCaptured: 'paid',
  OrderConfirmed: 'confirmed',
  CheckoutCompleted: 'completed',

  OrderRejected: 'compensating',
  PaymentDeclined: 'compensating',
  PaymentRefunded: 'compensating',
  OrderCancelled: 'compensating',
  RegistrationRevoked: 'compensating',
  RegistrationKept: 'compensating',
  CheckoutCompensated: 'compensated',

  CheckoutExpired: 'expired',
  RegistrationRejected: 'requested', // nothing was done, so nothing is taken back
  CheckoutRejected: 'rejected',
}

const id = z.string()
const amount = z.int().nonnegative().meta({ description: 'In minor units of the currency (cents)' })
const money = z.object({ amount, currency: z.literal('EUR') })
const because = z.object({ reason })

/**
 * What is shown of each event's data. What is not named here does not leave the gateway: no email, name or token,
 * and no user id either, which is made from the email and would tell whether a guess is right.
 */
const shownData = {
  CheckoutRequested: z.object({ order }),
  CheckoutCompleted: z.object({ orderId: id }),
  CheckoutCompensated: because,
  CheckoutRejected: because,
  CheckoutExpired: because,
  UserRegistered: z.object({ existing: z.boolean() }),
  RegistrationRejected: because,
  RegistrationRevoked: because,
  RegistrationKept: because,
  OrderPlaced: z.object({
    orderId: id,
    items: z.array(z.object({ sku: id, quantity: z.int(), unitPrice: amount })),
    total: money,
  }),
  OrderRejected: z.object({ reason, sku: id }),
  OrderConfirmed: z.object({ orderId: id }),
  OrderCancelled: z.object({ orderId: id.nullable(), reason }),
  PaymentCaptured: z.object({ paymentId: id, orderId: id, total: money }),
  PaymentDeclined: because,
  PaymentRefunded: z.object({ paymentId: id, total: money, reason }),
} as const satisfies Record<EventType, z.ZodObject>

const stepOf = (type: EventType) =>
  z.strictObject({
    id: z.string().meta({ description: '`<service>/<checkoutId>@<version>/<index>`, also the id on Kafka' }),
    type: z.literal(type),
    service: z.enum(services).meta({ description: 'In whose stream it is; the gateway writes to checkout' }),
    time: z.iso.datetime(),
    sinceRequestMillis: z.int().meta({ description: 'By the clocks of the services, which may differ' }),
    data: shownData[type],
  })
const [firstType, ...otherTypes] = eventTypes as [EventType, ...EventType[]]
export const step = z.discriminatedUnion('type', [stepOf(firstType), ...otherTypes.map(stepOf)])
export type Step = z.infer<typeof step>

const traceId = z
  .string()
  .nullable()
  .meta({ description: 'The trace in which the checkout was asked for; null when telemetry was off' })
const status = z.enum(statuses)

const links = z.strictObject({ self: z.string(), events: z.string() })

export const acceptedView = z.strictObject({
  checkoutId: id,
  status: z.literal('requested'),
  traceId,
  links,
})

export const checkoutView = z.strictObject({
  checkoutId: id,
  status,
  traceId,
  deadline: z.iso.datetime().meta({ description: 'What has not ended by then is taken back' }),
  reason: reason.optional().meta({ description: 'Why it did not, or will not, complete' }),
  steps: z.array(step).meta({ description: 'Oldest first, causes before effects' }),
  links,
})
export type CheckoutView = z.infer<typeof checkoutView>

export const endView = z.strictObject({ status, reason: reason.optional() })

export const linksOf = (checkoutId: string): z.infer<typeof links> => ({
  self: `/checkouts/${checkoutId}`,
  events: `/checkouts/${checkoutId}/events`,
})

/** The trace in which a commit was made, or null when telemetry was off. */
export const traceIdOfCommit = ({ traceHeaders }: Commit): string | null =>
  trace.getSpanContext(propagation.extract(ROOT_CONTEXT, traceHeaders))?.traceId ?? null

export const statusOf = (events: readonly SagaEvent[]): Status =>
  events
    .map(({ type }) => statusAfter[type])
    .reduce((a, b) => (statuses.indexOf(a) < statuses.indexOf(b) ? b : a), 'requested')

/** The terminal event's reason, for it has travelled back to it; before the end, the first that was given. */
export function reasonOf(events: readonly SagaEvent[]): z.infer<typeof reason> | undefined {
  const end = events.find(({ type }) => isTerminal(type))
  const told = end ?? events.find(({ data }) => 'reason' in data)
  return told && 'reason' in told.data ? told.data.reason : undefined
}

export function toStep({ id, event, service, time }: HistoricEvent, requestedAt: string): Step {
  const data = shownData[event.type].parse(event.data)
  const sinceRequestMillis = Date.parse(time) - Date.parse(requestedAt)
  return { id, type: event.type, service, time, sinceRequestMillis, data }
}

/** @returns undefined when nobody asked for this checkout */
export function toView({ checkoutId, request, events }: CheckoutHistory): CheckoutView | undefined {
  const first = request?.events[0]
  if (first?.event.type !== 'CheckoutRequested') return undefined
  const sagaEvents = events.map(({ event }) => event)
  const why = reasonOf(sagaEvents)
  return {
    checkoutId,
    status: statusOf(sagaEvents),
    traceId: request ? traceIdOfCommit(request) : null,
    deadline: first.event.data.deadline,
    ...(why && { reason: why }),
    steps: events.map((event) => toStep(event, first.time)),
    links: linksOf(checkoutId),
  }
}
