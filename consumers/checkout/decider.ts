/** Checkout: brings every checkout to exactly one end, and sees to it that the end comes. */
import type { Decider, Input } from '../../shared/saga/decider.ts'
import type { EventOf } from '../../shared/saga/events.ts'
import type { Consumed, Produced } from '../../shared/saga/flow.ts'

export type CheckoutState =
  { readonly status: 'open' } | { readonly status: 'expired' } | { readonly status: 'terminal' }

/** The clock's message, from deadlines.ts: this checkout should have ended by now. */
export interface DeadlinePassed {
  readonly type: 'DeadlinePassed'
}

export type CheckoutInput = Input<Consumed<'checkout'> | DeadlinePassed>
/** The gateway opens the stream with `CheckoutRequested`; the rest is this service's. */
export type CheckoutEvent = Produced<'checkout'> | EventOf<'CheckoutRequested'>

export const checkout: Decider<CheckoutState, CheckoutInput, CheckoutEvent> = {
  initialState: { status: 'open' },

  decide({ event }, state) {
    if (state.status === 'terminal') return []
    switch (event.type) {
      case 'CheckoutRequested':
        return []
      case 'OrderConfirmed':
        // Expired first: the order is on its way back, and its compensation will end this checkout.
        if (state.status === 'expired') return []
        return [{ type: 'CheckoutCompleted', data: { orderId: event.data.orderId } }]
      case 'RegistrationRevoked':
      case 'RegistrationKept':
        return [{ type: 'CheckoutCompensated', data: { reason: event.data.reason } }]
      case 'RegistrationRejected':
        return [{ type: 'CheckoutRejected', data: { reason: event.data.reason } }]
      case 'DeadlinePassed':
        if (state.status === 'expired') return []
        return [{ type: 'CheckoutExpired', data: { reason: 'checkout_expired' } }]
      default:
        return event satisfies never
    }
  },

  evolve(state, event) {
    switch (event.type) {
      case 'CheckoutRequested':
        return state
      case 'CheckoutExpired':
        return { status: 'expired' }
      case 'CheckoutCompleted':
      case 'CheckoutCompensated':
      case 'CheckoutRejected':
        return { status: 'terminal' }
      default:
        return event satisfies never
    }
  },
}
