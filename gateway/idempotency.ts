/**
 * `Idempotency-Key`: a request sent again with the same key is the same request.
 * See https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 *
 * A key is claimed by one unique insert before anything else is written. A crash right after it leaves a key
 * without a checkout; the next request with that key finds the claim and writes the checkout.
 *
 * Keys do not expire: as long as a checkout can be read, its key leads to it. Whoever clears away old checkouts
 * clears their keys with them, by `at`.
 */
import { createHash } from 'node:crypto'
import type { Collection, Db } from 'mongodb'
import { isDuplicateKey } from '../shared/kernel/duplicate-key.ts'
import { Problem } from './problem.ts'

export interface Claim {
  readonly checkoutId: string
  /** A digest of the request's body, see checkout-request.ts. */
  readonly fingerprint: string
}

export interface IdempotencyKeys {
  /** Claims a key; when it is taken, nothing changes and the first claim is returned. */
  claim(key: string, claim: Claim, at: Date): Promise<Claim>
}

interface ClaimDocument extends Claim {
  /** A digest: what callers put into their keys is theirs. */
  readonly _id: string
  readonly at: Date
}

export class StoredIdempotencyKeys implements IdempotencyKeys {
  readonly #claims: Collection<ClaimDocument>

  constructor(database: Db) {
    this.#claims = database.collection<ClaimDocument>('idempotency_keys')
  }

  async claim(key: string, claim: Claim, at: Date): Promise<Claim> {
    const _id = createHash('sha256').update(key).digest('hex')
    try {
      await this.#claims.insertOne({ _id, ...claim, at })
      return claim
    } catch (error) {
      if (!isDuplicateKey(error)) throw error
      const first = await this.#claims.findOne({ _id })
      if (!first) throw error
      return first
    }
  }
}

const visibleAscii = /^[\x21-\x7e]{1,255}$/

/** @throws Problem invalid_idempotency_key */
export function parseIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  // Several headers arrive joined by a comma and a blank, and a blank is refused.
  if (typeof header === 'string' && visibleAscii.test(header)) return header
  throw new Problem('invalid_idempotency_key', 'Send one Idempotency-Key, for instance a random UUID.')
}
