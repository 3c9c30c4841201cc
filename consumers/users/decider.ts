/** Users: registers whoever checks out, and takes the registration back when the checkout is taken back. */
import type { Decider, Input } from '../../shared/contracts/decider.ts'
import type { EventOf, Reason } from '../../shared/contracts/events.ts'
import type { Consumed, Produced } from '../../shared/contracts/flow.ts'

/** What the email register answered, see email-register.ts. Undefined when it was not asked. */
export type RegisterAnswer =
  | { readonly kind: 'claimed'; readonly userId: string; readonly existing: boolean }
  | { readonly kind: 'refused'; readonly reason: Reason }
  | { readonly kind: 'released'; readonly userId: string; readonly lastClaim: boolean }
  | undefined

export type UsersState =
  | { readonly status: 'unknown' }
  | { readonly status: 'registered'; readonly userId: string }
  | { readonly status: 'rejected' }
  | { readonly status: 'released' }

export type UsersInput = Input<Consumed<'users'>, RegisterAnswer>
export type UsersEvent = Produced<'users'>

export const users: Decider<UsersState, UsersInput, UsersEvent> = {
  initialState: { status: 'unknown' },

  decide({ event, answer }, state) {
    switch (event.type) {
      case 'CheckoutRequested':
        return register(event, answer, state)
      case 'OrderRejected':
      case 'OrderCancelled':
        return release(event.data.reason, answer, state)
      default:
        return event satisfies never
    }
  },

  evolve(_state, event) {
    switch (event.type) {
      case 'UserRegistered':
        return { status: 'registered', userId: event.data.userId }
      case 'RegistrationRejected':
        return { status: 'rejected' }
      case 'RegistrationRevoked':
      case 'RegistrationKept':
        return { status: 'released' }
      default:
        return event satisfies never
    }
  },
}

function register(
  { data }: EventOf<'CheckoutRequested'>,
  answer: RegisterAnswer,
  state: UsersState,
): readonly UsersEvent[] {
  if (state.status !== 'unknown') return []
  if (answer?.kind === 'refused') return [{ type: 'RegistrationRejected', data: { reason: answer.reason } }]
  if (answer?.kind !== 'claimed') return []
  const { userId, existing } = answer
  return [{ type: 'UserRegistered', data: { userId, existing, order: data.order, payment: data.payment } }]
}

function release(reason: Reason, answer: RegisterAnswer, state: UsersState): readonly UsersEvent[] {
  if (state.status === 'rejected' || state.status === 'released') return []
  // Cancelled before the checkout itself arrived: nothing was registered, and nothing will be.
  if (state.status === 'unknown') return [{ type: 'RegistrationRevoked', data: { userId: null, reason } }]
  // Without the register's word nobody knows who else relies on it.
  if (answer?.kind !== 'released') return []
  const { userId } = state
  return answer.lastClaim
    ? [{ type: 'RegistrationRevoked', data: { userId, reason } }]
    : [{ type: 'RegistrationKept', data: { userId, reason } }]
}
