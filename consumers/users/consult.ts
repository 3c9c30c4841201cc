/** What users asks the outside world before it decides: the email register. */
import type { Input } from '../../shared/saga/decider.ts'
import type { Consumed } from '../../shared/saga/flow.ts'
import type { RegisterAnswer, UsersState } from './decider.ts'
import type { EmailRegister } from './email-register.ts'

/** Nobody from here may register; RFC 2606 keeps it from being anybody's. */
const blockedDomains: ReadonlySet<string> = new Set(['blocked.example'])

export const consultRegister =
  (register: Pick<EmailRegister, 'claim' | 'release'>) =>
  async ({ checkoutId, event }: Input<Consumed<'users'>>, state: UsersState): Promise<RegisterAnswer> => {
    switch (event.type) {
      case 'CheckoutRequested': {
        if (state.status !== 'unknown') return undefined
        const { user } = event.data
        if (isBlocked(user.email)) return { kind: 'refused', reason: 'email_domain_blocked' }
        return register.claim(checkoutId, user)
      }
      case 'OrderRejected':
      case 'OrderCancelled':
        if (state.status === 'registered') return register.release(checkoutId, state.userId)
        // Cancelled before its checkout was registered: a claim may have been made all the same, or come yet.
        if (state.status === 'unknown') return register.release(checkoutId)
        return undefined
      default:
        return event satisfies never
    }
  }

function isBlocked(email: string): boolean {
  return blockedDomains.has(email.slice(email.lastIndexOf('@') + 1).toLowerCase())
}
