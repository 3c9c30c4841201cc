/** Payments: captures the money once, and gives it back when the checkout is taken back. */
import type { Decider, Input } from '../../shared/saga/decider.ts'
import type { EventOf, Money, Reason } from '../../shared/saga/events.ts'
import type { Consumed, Produced } from '../../shared/saga/flow.ts'

/** What the payment network answered, see fake-payment-network.ts. Undefined when it was not asked. */
export type NetworkAnswer =
  | { readonly kind: 'captured'; readonly paymentId: string; readonly total: Money }
  | { readonly kind: 'declined'; readonly reason: Reason }
  | { readonly kind: 'refunded'; readonly paymentId: string; readonly total: Money }
  /** Cancelled with nothing captured: the network will refuse any later capture. */
  | { readonly kind: 'barred' }
  | undefined

export type PaymentsState =
  | { readonly status: 'unknown' }
  | { readonly status: 'captured'; readonly paymentId: string; readonly total: Money }
  | { readonly status: 'declined' }
  | { readonly status: 'refunded' }

export type PaymentsInput = Input<Consumed<'payments'>, NetworkAnswer>
export type PaymentsEvent = Produced<'payments'>

export const payments: Decider<PaymentsState, PaymentsInput, PaymentsEvent> = {
  initialState: { status: 'unknown' },

  decide({ event, answer }, state) {
    switch (event.type) {
      case 'OrderPlaced':
        return capture(event, answer, state)
      case 'CheckoutExpired':
        return cancel(event.data.reason, answer, state)
      default:
        return event satisfies never
    }
  },

  evolve(_state, event) {
    switch (event.type) {
      case 'PaymentCaptured':
        return { status: 'captured', paymentId: event.data.paymentId, total: event.data.total }
      case 'PaymentDeclined':
        return { status: 'declined' }
      case 'PaymentRefunded':
        return { status: 'refunded' }
      default:
        return event satisfies never
    }
  },
}

function capture(
  { data }: EventOf<'OrderPlaced'>,
  answer: NetworkAnswer,
  state: PaymentsState,
): readonly PaymentsEvent[] {
  if (state.status !== 'unknown') return []
  switch (answer?.kind) {
    case 'captured': {
      const { paymentId, total } = answer
      return [{ type: 'PaymentCaptured', data: { paymentId, orderId: data.orderId, total } }]
    }
    case 'declined':
      return [{ type: 'PaymentDeclined', data: { reason: answer.reason } }]
    case 'refunded':
    case 'barred': // an expiry reached the network first
      return [{ type: 'PaymentDeclined', data: { reason: 'checkout_expired' } }]
    case undefined:
      return []
    default:
      return answer satisfies never
  }
}

function cancel(reason: Reason, answer: NetworkAnswer, state: PaymentsState): readonly PaymentsEvent[] {
  if (state.status === 'declined' || state.status === 'refunded') return []
  // Without the network's word a capture could still be on its way.
  if (!answer) return []
  // The network is right about the money, also where a capture is not in the stream yet.
  if (answer.kind === 'refunded') {
    const { paymentId, total } = answer
    return [{ type: 'PaymentRefunded', data: { paymentId, total, reason } }]
  }
  return state.status === 'captured' ? [] : [{ type: 'PaymentDeclined', data: { reason } }]
}
