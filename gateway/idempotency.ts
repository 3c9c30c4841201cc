/**
 * `Idempotency-Key`: a request sent again with the same key is the same request.
 * See https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/
 *
 * The checkout's id is made from the key, so there is nothing that could disagree: whoever inserts the first commit of
 * that checkout was first, and the commit holds the request. Keys do not expire.
 */
import { createHash, randomUUID } from 'node:crypto'
import { Problem } from './problem.ts'

/** Random without a key; else a digest of the key in the form of a UUID (RFC 9562, version 8): the key is its caller's. */
export function checkoutIdFor(idempotencyKey: string | undefined): string {
  if (idempotencyKey === undefined) return randomUUID()
  const bytes = createHash('sha256')
    .update(`sagascope idempotency key ${idempotencyKey}`)
    .digest()
    .subarray(0, 16)
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x80
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

const visibleAscii = /^[\x21-\x7e]{1,255}$/

/** @throws Problem invalid_idempotency_key */
export function parseIdempotencyKey(header: string | string[] | undefined): string | undefined {
  if (header === undefined) return undefined
  // Several headers arrive joined by a comma and a blank, and a blank is refused.
  if (typeof header === 'string' && visibleAscii.test(header)) return header
  throw new Problem('invalid_idempotency_key', 'Send one Idempotency-Key, for instance a random UUID.')
}
