/**
 * Who claimed which user and who gave it back, in an order in which the email register can have entered it. The events
 * tell what each was answered: the first claim found nobody, and the release of the last was a revocation. Between
 * these, entries that crossed may have another order than the register's own; what they are answered is the same.
 */
import type { Person } from '../../consumers/users/email-register.ts'
import { keyOfUser } from '../../consumers/users/user-id.ts'
import type { ChosenMessage } from './chosen.ts'

interface Step {
  readonly checkoutId: string
  readonly timeMillis: number
}
interface Claim extends Step {
  readonly kind: 'claim'
  readonly userId: string
  readonly person: Person
  /** Undefined where the claim was taken back before it was answered. */
  readonly existing: boolean | undefined
}
interface Release extends Step {
  readonly kind: 'release'
  readonly userId: string
  readonly isLast: boolean
}
/** Taken back before it claimed anything: it never will. */
interface Bar extends Step {
  readonly kind: 'bar'
}
export type RegisterStep = Claim | Release | Bar

/** @returns lists of steps: in order within a list, in none between them */
export function registerHistory(messages: readonly ChosenMessage[]): RegisterStep[][] {
  const recorded = messages.map((chosen) => chosen.recorded)
  const byCheckout = Map.groupBy(recorded, ({ checkoutId }) => checkoutId)
  const steps = [...byCheckout].flatMap(([checkoutId, events]): RegisterStep[] => {
    let person: Person | undefined
    let claim: Claim | undefined
    const found: RegisterStep[] = []
    for (const { event } of events) if (event.type === 'CheckoutRequested') person = event.data.user
    for (const { event, time } of events) {
      if (event.type !== 'UserRegistered' || !person) continue
      const { userId, existing } = event.data
      claim = { kind: 'claim', checkoutId, timeMillis: Date.parse(time), userId, person, existing }
      found.push(claim)
    }
    for (const { event, time } of events) {
      if (event.type !== 'RegistrationRevoked' && event.type !== 'RegistrationKept') continue
      const { userId } = event.data
      const timeMillis = Date.parse(time)
      if (userId === null) {
        found.push({ kind: 'bar', checkoutId, timeMillis })
        continue
      }
      if (!claim && person) {
        found.push({ kind: 'claim', checkoutId, timeMillis, userId, person, existing: undefined })
      }
      const isLast = event.type === 'RegistrationRevoked'
      found.push({ kind: 'release', checkoutId, timeMillis, userId, isLast })
    }
    return found
  })

  const bars = steps.filter((step) => step.kind === 'bar')
  const others = steps.filter((step) => step.kind !== 'bar')
  const byKey = Map.groupBy(others, ({ userId }) => keyOfUser(userId))
  const histories = [...byKey.values()].map((ofKey) =>
    [...Map.groupBy(ofKey, ({ userId }) => userId)]
      .sort(([a], [b]) => birthOf(a) - birthOf(b))
      .flatMap(([, ofUser]) => inOrder(ofUser)),
  )
  return [...histories, ...bars.map((bar) => [bar])]
}

/** The version of the entry that made the user: `user-<key>-<version>`. */
const birthOf = (userId: string): number => Number(/\d+$/.exec(userId)?.[0] ?? 0)

function inOrder(steps: readonly (Claim | Release)[]): (Claim | Release)[] {
  const waiting = [...steps].sort((a, b) => a.timeMillis - b.timeMillis)
  const ordered: (Claim | Release)[] = []
  const relying = new Set<string>()
  const fits = (step: Claim | Release): boolean => {
    if (step.kind === 'claim') return step.existing === undefined || step.existing === relying.size > 0
    if (!relying.has(step.checkoutId)) return false
    return step.isLast ? waiting.length === 1 : relying.size > 1
  }
  while (waiting.length > 0) {
    // None fits when a part is missing; then as they come, and the register will say what is wrong.
    const [step] = waiting.splice(Math.max(0, waiting.findIndex(fits)), 1)
    if (!step) break
    if (step.kind === 'claim') relying.add(step.checkoutId)
    else relying.delete(step.checkoutId)
    ordered.push(step)
  }
  return ordered
}
