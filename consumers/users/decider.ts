/** Users: registers whoever checks out, and takes the registration back when the checkout is taken back. */
import type { Decider, Input } from '../../shared/saga/decider.ts'
import type { EventOf, Reason } from '../../shared/saga/events.ts'
import type { Consumed, Produced } from '../../shared/saga/flow.ts'

/** What the email register answered, see email-register.ts. Undefined when it was not asked. */
export type RegisterAnswer =
  Claimed | { readonly kind: 'refused'; readonly reason: Reason } | Released | undefined

export interface Claimed {
  readonly kind: 'claimed'
  readonly userId: string
  readonly existing: boolean
}

/** Without a user nothing had been claimed, and the register will refuse any later claim. */
export type Released =
  | { readonly kind: 'released'; readonly userId: string; readonly lastClaim: boolean }
  | { readonly kind: 'released'; readonly userId: null; readonly lastClaim: false }

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
  // Released: it was taken back before it arrived, and that will be committed.
  if (answer?.kind !== 'claimed') return []
  const { userId, existing } = answer
  return [{ type: 'UserRegistered', data: { userId, existing, order: data.order, payment: data.payment } }]
}

function release(reason: Reason, answer: RegisterAnswer, state: UsersState): readonly UsersEvent[] {
  if (state.status === 'rejected' || state.status === 'released') return []
  // Without the register's word nobody knows who else relies on the user, or whether there is one.
  if (answer?.kind !== 'released') return []
  // The register is right about the user, also where the registration is not in the stream yet.
  const { userId, lastClaim } = answer
  return userId === null || lastClaim
    ? [{ type: 'RegistrationRevoked', data: { userId, reason } }]
    : [{ type: 'RegistrationKept', data: { userId, reason } }]
}
