/** What users asks the outside world before it decides: the email register. */
import type { Input } from '../../shared/contracts/decider.ts'
import type { Consumed } from '../../shared/contracts/flow.ts'
import type { RegisterAnswer, UsersState } from './decider.ts'
import type { EmailRegister } from './email-register.ts'
import { userIdOf } from './email-register.ts'

/** Nobody from here may register; RFC 2606 keeps it from being anybody's. */
const blockedDomains: ReadonlySet<string> = new Set(['blocked.example'])

export const consultRegister =
  (register: Pick<EmailRegister, 'claim' | 'release' | 'withdraw'>) =>
  async ({ checkoutId, event }: Input<Consumed<'users'>>, state: UsersState): Promise<RegisterAnswer> => {
    switch (event.type) {
      case 'CheckoutRequested': {
        const { user } = event.data
        if (isBlocked(user.email)) return { kind: 'refused', reason: 'email_domain_blocked' }
        // Taken back before it was committed: a claim made meanwhile, or before a crash, must not stay.
        if (state.status === 'released') {
          await register.withdraw(checkoutId, userIdOf(user.email))
          return undefined
        }
        if (state.status !== 'unknown') return undefined
        return { kind: 'claimed', ...(await register.claim(checkoutId, user)) }
      }
      case 'OrderRejected':
      case 'OrderCancelled': {
        if (state.status !== 'registered') return undefined
        const { userId } = state
        return { kind: 'released', userId, ...(await register.release(checkoutId, userId)) }
      }
      default:
        return event satisfies never
    }
  }

function isBlocked(email: string): boolean {
  return blockedDomains.has(email.slice(email.lastIndexOf('@') + 1).toLowerCase())
}
