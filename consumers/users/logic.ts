import { emptyStream } from '../../shared/kernel/react.ts'
import type { Consumed } from '../../shared/saga/flow.ts'
import type { ServiceLogic } from '../runtime/reactor.ts'
import { consultRegister } from './consult.ts'
import type { RegisterAnswer, UsersEvent, UsersState } from './decider.ts'
import { users } from './decider.ts'
import type { EmailRegister } from './email-register.ts'

export const usersLogic = (
  register: Pick<EmailRegister, 'claim' | 'release'>,
): ServiceLogic<UsersState, UsersEvent, Consumed<'users'>, RegisterAnswer> => ({
  decider: users,
  consult: consultRegister(register),
  // CheckoutRequested normally opens a users stream, so the first read can be skipped.
  expects: ({ event }) => (event.type === 'CheckoutRequested' ? emptyStream(users.initialState) : undefined),
})
