/**
 * The email register: one email is one user, also when two checkouts arrive at once.
 *
 * Each user has a history of claims and releases, one document an entry, `_id = "<userId>@<version>"`; every
 * entry carries the outcome so far, so only the last is ever read. Like the event store it rests on unique
 * inserts alone: whoever inserts the next version was first, the other reads again.
 */
import { createHash } from 'node:crypto'
import type { Collection, Db } from 'mongodb'
import { isDuplicateKey } from '../../shared/store/duplicate-key.ts'

interface Entry {
  readonly _id: string
  readonly userId: string
  readonly version: number
  /** `<checkoutId>/claim` or `<checkoutId>/release`, unique: each is entered at most once. */
  readonly receipt: string
  /** How many checkouts rely on the user after this entry. */
  readonly claims: number
  readonly at: Date
  readonly email?: string
  readonly name?: string
}

export interface Person {
  readonly email: string
  readonly name: string
}

export const userIdOf = (email: string): string =>
  `user-${createHash('sha256').update(email.trim().toLowerCase()).digest('hex').slice(0, 32)}`

export class EmailRegister {
  readonly #entries: Collection<Entry>

  constructor(database: Db) {
    this.#entries = database.collection<Entry>('email_register')
  }

  async prepare(): Promise<void> {
    await this.#entries.createIndex({ receipt: 1 }, { unique: true }, {})
  }

  /**
   * Enters that a checkout relies on the user of an email.
   * @returns the user, and whether another checkout relied on it before
   */
  async claim(checkoutId: string, { email, name }: Person): Promise<{ userId: string; existing: boolean }> {
    const userId = userIdOf(email)
    const entry = await this.#enter(userId, `${checkoutId}/claim`, (last) => ({
      claims: (last?.claims ?? 0) + 1,
      email,
      name,
    }))
    return { userId, existing: entry.claims > 1 }
  }

  /**
   * Enters that a checkout, which has claimed the user, relies on it no more.
   * @returns whether no other checkout does either
   */
  async release(checkoutId: string, userId: string): Promise<{ lastClaim: boolean }> {
    const entry = await this.#enter(userId, `${checkoutId}/release`, (last) => ({
      claims: (last?.claims ?? 1) - 1,
    }))
    return { lastClaim: entry.claims === 0 }
  }

  /** Releases the claim that a checkout may have made before it was taken back; without one does nothing. */
  async withdraw(checkoutId: string, userId: string): Promise<void> {
    const claim = await this.#entries.findOne({ receipt: `${checkoutId}/claim` })
    if (claim) await this.release(checkoutId, userId)
  }

  async #enter(
    userId: string,
    receipt: string,
    next: (last: Entry | undefined) => Pick<Entry, 'claims' | 'email' | 'name'>,
  ): Promise<Entry> {
    for (;;) {
      const last = await this.#last(userId)
      const version = (last?.version ?? 0) + 1
      const entry = { _id: entryId(userId, version), userId, version, receipt, at: new Date(), ...next(last) }
      try {
        await this.#entries.insertOne(entry)
        return entry
      } catch (error) {
        if (!isDuplicateKey(error)) throw error
      }
      const entered = await this.#entries.findOne({ receipt })
      if (entered) return entered
    }
  }

  /** Versions have no gaps, so the last is found by doubling and halving: a few look-ups by `_id`. */
  async #last(userId: string): Promise<Entry | undefined> {
    const find = (version: number) => this.#entries.findOne({ _id: entryId(userId, version) })
    let last: Entry | undefined
    let step = 1
    for (let found = await find(1); found; found = await find(found.version + step)) {
      last = found
      step *= 2
    }
    for (; step >= 1; step /= 2) {
      const found = last && (await find(last.version + step))
      if (found) last = found
    }
    return last
  }
}

const entryId = (userId: string, version: number): string => `${userId}@${version}`
