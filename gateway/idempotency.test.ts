import { strictEqual, throws } from 'node:assert/strict'
import { parseIdempotencyKey } from './idempotency.ts'

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
