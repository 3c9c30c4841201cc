/**
 * The email register: one email is one user, also when two checkouts arrive at once, for as long as some
 * checkout relies on it. Whoever claims the email after the last release is another user, with an id of its
 * own: the revocation of the first may still be on its way.
 *
 * Each email has a history of claims and releases, one document an entry, `_id = "<key>@<version>"`; every
 * entry carries the outcome so far, so only the last is ever read. Like the event store it rests on unique
 * inserts alone: whoever inserts the next version was first, the other reads again. The receipt, unique too,
 * lets a checkout claim once and release once; a bar takes the place of a claim that must not come any more.
 *
 * What is asked for often looks up by `_id`, which is indexed everywhere. Only what was entered before, and a
 * release that does not know its user, look for a receipt.
 */
import type { Collection, Db } from 'mongodb'
import { GroupInsert } from '../../shared/kernel/group-insert.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import type { Claimed, Released } from './decider.ts'
import { keyOfEmail, keyOfUser, userIdOf, versionOfUser } from './user-id.ts'

interface Entry {
  readonly _id: string
  readonly version: number
  /** `<checkoutId>/claim` or `<checkoutId>/release`, unique: each is entered at most once. */
  readonly receipt: string
  /** Null where a claim is barred. */
  readonly userId: string | null
  /** How many checkouts rely on the user after this entry. */
  readonly claims: number
  readonly at: Date
  readonly email?: string
  readonly name?: string
}

type Change = Pick<Entry, 'userId' | 'claims' | 'email' | 'name'>

export interface Person {
  readonly email: string
  readonly name: string
}

/** A user was released whom nobody had claimed: a defect of whoever asked. */
export class NotInTheRegister extends Error {
  readonly code = 'not_in_the_register'
  readonly retriable = false
  constructor(receipt: string) {
    super(`the email register has no ${receipt}, and cannot enter it now`)
    this.name = 'NotInTheRegister'
  }
}

const nothingToRelease: Released = { kind: 'released', userId: null, lastClaim: false }

export class EmailRegister {
  readonly #entries: Collection<Entry>
  readonly #inserts: GroupInsert<Entry>

  constructor(database: Db) {
    this.#entries = database.collection<Entry>('email_register')
    this.#inserts = new GroupInsert<Entry>(database, 'email_register')
  }

  async prepare(): Promise<void> {
    await this.#entries.createIndex({ receipt: 1 }, { unique: true }, {})
  }

  /**
   * Enters that a checkout relies on the user of an email.
   * @returns the user, and whether another checkout relied on it before; `released` when the claim was barred
   */
  async claim(checkoutId: string, { email, name }: Person): Promise<Claimed | Released> {
    failpoint('claim-asked')
    const key = keyOfEmail(email)
    const entry = await this.#enter(
      key,
      claimOf(checkoutId),
      (version, last) =>
        last && last.claims > 0
          ? { userId: last.userId, claims: last.claims + 1, email, name }
          : { userId: userIdOf(key, version), claims: 1, email, name },
      undefined, // most emails are new
    )
    if (entry.userId === null) return nothingToRelease
    failpoint('claim-entered')
    return { kind: 'claimed', userId: entry.userId, existing: entry.claims > 1 }
  }

  /**
   * Gives back the claim of a checkout, or bars a later one.
   * @param userId whom the checkout has claimed, taken at its word; left out when it is not known whether it has
   * @returns whom it relies on no more, and whether no other checkout does either
   * @throws NotInTheRegister when nobody relies on the user
   */
  async release(checkoutId: string, userId?: string): Promise<Released> {
    failpoint('release-asked')
    const claimed = userId ?? (await this.#barClaim(checkoutId))
    if (claimed === null) return nothingToRelease
    if (userId === undefined) failpoint('bar-refused')
    const key = keyOfUser(claimed)
    const entry = await this.#enter(
      key,
      releaseOf(checkoutId),
      (_version, last) =>
        last?.userId === claimed && last.claims > 0
          ? { userId: claimed, claims: last.claims - 1 }
          : undefined,
      await this.#find(key, versionOfUser(claimed)), // few emails have two checkouts at once
    )
    failpoint('release-entered')
    return { kind: 'released', userId: claimed, lastClaim: entry.claims === 0 }
  }

  /** @returns the user that the checkout had claimed before, null if none: then it never will */
  async #barClaim(checkoutId: string): Promise<string | null> {
    const receipt = claimOf(checkoutId)
    const bar = { _id: `barred/${checkoutId}`, version: 1, receipt, userId: null, claims: 0, at: new Date() }
    if (await this.#insert(bar)) {
      failpoint('bar-entered')
      return null
    }
    return (await this.#entered(receipt)).userId
  }

  /**
   * Enters the next version of an email's history, unless the receipt is taken.
   * @param change what to enter after the last entry; undefined when that is possible no more
   * @param assumed what is most likely the last entry, undefined for none: it is not looked up first, for an entry after
   *   one that is not the last is refused
   * @returns what stands under the receipt
   */
  async #enter(
    key: string,
    receipt: string,
    change: (version: number, last: Entry | undefined) => Change | undefined,
    assumed: Entry | undefined,
  ): Promise<Entry> {
    let last = assumed
    for (;;) {
      const version = (last?.version ?? 0) + 1
      const next = change(version, last)
      if (!next) return this.#entered(receipt)
      const entry = { _id: entryId(key, version), version, receipt, at: new Date(), ...next }
      if (await this.#insert(entry)) return entry
      // Servers differ in how they name the violated index, so ask the data which it was.
      const taken = await this.#find(key, version)
      if (!taken) return this.#entered(receipt)
      if (taken.receipt === receipt) return taken
      last = await this.#last(key, taken)
    }
  }

  /** @returns false when the place or the receipt was taken */
  async #insert(entry: Entry): Promise<boolean> {
    return (await this.#inserts.insert(entry)) === 'inserted'
  }

  /**
   * Versions have no gaps, so the last is found by doubling and halving: a few look-ups by `_id`.
   * @param last an entry from which to look on
   */
  async #last(key: string, last?: Entry): Promise<Entry | undefined> {
    const findAfterLast = (step: number) => this.#find(key, (last?.version ?? 0) + step)
    let step = 1
    for (let found = await findAfterLast(step); found; found = await findAfterLast(step)) {
      last = found
      step *= 2
    }
    for (step /= 2; step >= 1; step /= 2) last = (await findAfterLast(step)) ?? last
    return last
  }

  async #find(key: string, version: number): Promise<Entry | undefined> {
    return (await this.#entries.findOne({ _id: entryId(key, version) })) ?? undefined
  }

  /** Slow where only `_id` is indexed. */
  async #entered(receipt: string): Promise<Entry> {
    const entered = await this.#entries.findOne({ receipt })
    if (!entered) throw new NotInTheRegister(receipt)
    return entered
  }
}

const entryId = (key: string, version: number): string => `${key}@${version}`
const claimOf = (checkoutId: string): string => `${checkoutId}/claim`
const releaseOf = (checkoutId: string): string => `${checkoutId}/release`
