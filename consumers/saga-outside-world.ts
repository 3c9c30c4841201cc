/**
 * For the model of the saga: the email register and the payment network in memory. Both are idempotent under the
 * checkout id. The register is compared with the real one in users/email-register.live.test.ts.
 */
import { ok } from 'node:assert/strict'
import { findProduct } from '../shared/saga/catalogue.ts'
import type { Money, Order, Reason } from '../shared/saga/events.ts'
import type { consultNetwork } from './payments/consult.ts'
import type { NetworkAnswer } from './payments/decider.ts'
import type { consultRegister } from './users/consult.ts'
import type { Claimed, Released } from './users/decider.ts'
import { keyOfEmail, keyOfUser, userIdOf } from './users/user-id.ts'

type RegisterPort = Parameters<typeof consultRegister>[0]
type NetworkPort = Parameters<typeof consultNetwork>[0]

/** That a checkout relies on a user. */
export interface Claim {
  readonly checkoutId: string
  readonly email: string
  readonly userId: string
}

interface RegisterEntry {
  readonly version: number
  /** Null where a claim is barred. */
  readonly userId: string | null
  /** How many checkouts rely on the user after this entry. */
  readonly claims: number
}

const blank: RegisterEntry = { version: 0, userId: null, claims: 0 }
const nothingToRelease: Released = { kind: 'released', userId: null, lastClaim: false }

/**
 * One user per email, for as long as some checkout relies on it. Whoever claims the email after the last
 * release is another user, with an id of its own: the revocation of the first is still on its way.
 *
 * A checkout claims once and releases once, and what it was answered first it is answered for ever. What it
 * releases before it has claimed it can claim no more: a handling that read its stream before the release may
 * claim after it, and nobody would release that again.
 */
export class InMemoryEmailRegister implements RegisterPort {
  /** By `<checkoutId>/claim` or `<checkoutId>/release`. */
  readonly #entered = new Map<string, RegisterEntry>()
  /** The last of each email, by its key. */
  readonly #last = new Map<string, RegisterEntry>()
  readonly #claims = new Map<string, Claim>()

  claim(checkoutId: string, { email }: { readonly email: string }): Promise<Claimed | Released> {
    const key = keyOfEmail(email)
    const entry = this.#enter(`${checkoutId}/claim`, () => {
      const last = this.#last.get(key) ?? blank
      const version = last.version + 1
      const userId = last.userId !== null && last.claims > 0 ? last.userId : userIdOf(key, version)
      const claim = { version, userId, claims: last.claims + 1 }
      this.#last.set(key, claim)
      this.#claims.set(checkoutId, { checkoutId, email, userId })
      return claim
    })
    const { userId, claims } = entry
    return Promise.resolve(
      userId === null ? nothingToRelease : { kind: 'claimed', userId, existing: claims > 1 },
    )
  }

  /** Gives back the claim, or bars a later one when it is not known to have been made. */
  release(checkoutId: string, knownUserId?: string): Promise<Released> {
    const userId = knownUserId ?? this.#enter(`${checkoutId}/claim`, () => blank).userId
    if (userId === null) return Promise.resolve(nothingToRelease)
    const entry = this.#enter(`${checkoutId}/release`, () => {
      const key = keyOfUser(userId)
      const last = this.#last.get(key) ?? blank
      ok(last.userId === userId && last.claims > 0, `${checkoutId} releases ${userId}, whom nobody claims`)
      const release = { version: last.version + 1, userId, claims: last.claims - 1 }
      this.#last.set(key, release)
      this.#claims.delete(checkoutId)
      return release
    })
    return Promise.resolve({ kind: 'released', userId, lastClaim: entry.claims === 0 })
  }

  /** The claims that count. */
  get claims(): readonly Claim[] {
    return [...this.#claims.values()]
  }

  #enter(receipt: string, make: () => RegisterEntry): RegisterEntry {
    const entry = this.#entered.get(receipt) ?? make()
    this.#entered.set(receipt, entry)
    return entry
  }
}

/** Why the network declines, by token; it captures on any other. */
const declines: Readonly<Record<string, Reason>> = {
  tok_declined: 'card_declined',
  tok_insufficient_funds: 'insufficient_funds',
}

type Settled = Exclude<NetworkAnswer, undefined | { readonly kind: 'refunded' }>

interface LedgerEntry {
  readonly checkoutId: string
  readonly kind: 'capture' | 'refund'
  readonly amount: number
}

/**
 * One payment per checkout: what it was asked first settles it, captured, declined or barred, and a capture may
 * be refunded once. To a capture it answers for ever what it answered first, also when that has been refunded.
 */
export class InMemoryPaymentNetwork implements NetworkPort {
  readonly #settled = new Map<string, Settled>()
  readonly #refunded = new Set<string>()
  /** The money that has moved, oldest first. */
  readonly ledger: LedgerEntry[] = []

  capture(checkoutId: string, token: string, total: Money): Promise<NetworkAnswer> {
    const settled = this.#settled.get(checkoutId)
    if (settled) return Promise.resolve(settled)
    const reason = declines[token]
    if (reason) return this.#settle(checkoutId, { kind: 'declined', reason })
    this.ledger.push({ checkoutId, kind: 'capture', amount: total.amount })
    return this.#settle(checkoutId, { kind: 'captured', paymentId: `payment-${checkoutId}`, total })
  }

  /** Refunds what was captured, or bars a later capture. */
  cancel(checkoutId: string): Promise<NetworkAnswer> {
    const settled = this.#settled.get(checkoutId) ?? { kind: 'barred' }
    if (settled.kind !== 'captured') return this.#settle(checkoutId, settled)
    if (!this.#refunded.has(checkoutId)) {
      this.ledger.push({ checkoutId, kind: 'refund', amount: settled.total.amount })
      this.#refunded.add(checkoutId)
    }
    return Promise.resolve({ ...settled, kind: 'refunded' })
  }

  #settle(checkoutId: string, answer: Settled): Promise<Settled> {
    this.#settled.set(checkoutId, answer)
    return Promise.resolve(answer)
  }
}

/** What an order costs by the catalogue, in minor units; worked out apart from the orders service. */
export const priceOf = ({ items }: Order): number =>
  items.reduce((sum, { sku, quantity }) => sum + quantity * (findProduct(sku)?.price.amount ?? Number.NaN), 0)
