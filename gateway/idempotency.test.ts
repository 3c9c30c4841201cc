import { match, notStrictEqual, strictEqual, throws } from 'node:assert/strict'
import { isCheckoutId } from '../shared/saga/checkout-id.ts'
import { checkoutIdFor, parseIdempotencyKey } from './idempotency.ts'

describe('an Idempotency-Key', () => {
  it('may be left out', () => {
    strictEqual(parseIdempotencyKey(undefined), undefined)
  })

  for (const key of ['a', 'a'.repeat(255), '"8e03978e-40d5-43e8-bc93-6894a57f9324"', '!~']) {
    it(`is taken as it is: ${key.slice(0, 40)} (${key.length})`, () => {
      strictEqual(parseIdempotencyKey(key), key)
    })
  }

  for (const [what, key] of [
    ['empty', ''],
    ['of 256 characters', 'a'.repeat(256)],
    ['with a blank', 'a b'],
    ['sent twice', 'a, b'],
    ['with a control character', 'a\u0001'],
    ['with a letter beyond ASCII', 'ä'],
    ['given as a list', ['a', 'b']],
  ] as const) {
    it(`is refused when it is ${what}`, () => {
      throws(() => parseIdempotencyKey(key as string | string[]), {
        code: 'invalid_idempotency_key',
        status: 400,
      })
    })
  }
})

describe('the checkout id of a request', () => {
  const keys = [
    'a',
    'b',
    'A',
    '"a"',
    'a'.repeat(255),
    'a'.repeat(254),
    '8e03978e-40d5-43e8-bc93-6894a57f9324',
  ]

  it('is the same in every process that is asked with the same key', () => {
    // Pinned: gateways of two versions, side by side in a rolling update, must agree.
    strictEqual(checkoutIdFor('8e03978e-40d5-43e8-bc93-6894a57f9324'), 'cdfa26be-bc6a-8a7f-be32-737a07e20608')
  })

  it('differs by key', () => {
    strictEqual(new Set(keys.map(checkoutIdFor)).size, keys.length)
  })

  it('is a UUID of version 8, which a checkout may have, and is not the key', () => {
    for (const key of keys) {
      const id = checkoutIdFor(key)
      match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
      strictEqual(isCheckoutId(id), true)
      notStrictEqual(id, key)
    }
  })

  it('is random without a key', () => {
    const id = checkoutIdFor(undefined)
    strictEqual(isCheckoutId(id), true)
    notStrictEqual(checkoutIdFor(undefined), id)
  })
})
