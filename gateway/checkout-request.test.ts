import { deepStrictEqual, fail, ok, strictEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { fingerprintOf, parseCheckoutRequest } from './checkout-request.ts'
import { goodRequest } from './gateway-under-test.ts'
import type { FieldError } from './problem.ts'
import { Problem } from './problem.ts'

const errorsOf = (body: unknown): readonly FieldError[] => {
  try {
    parseCheckoutRequest(body)
  } catch (error) {
    if (error instanceof Problem) return error.errors ?? []
    throw error
  }
  return fail('accepted')
}
const pointersOf = (body: unknown): string[] => errorsOf(body).map(({ pointer }) => pointer)

const withItem = (item: unknown) => ({ ...goodRequest, order: { items: [item] } })

describe('a checkout request', () => {
  it('is read as it was sent', () => {
    deepStrictEqual(parseCheckoutRequest(goodRequest), goodRequest)
  })

  it('loses the blanks around a name', () => {
    const request = { ...goodRequest, user: { ...goodRequest.user, name: '  Ada ' } }
    strictEqual(parseCheckoutRequest(request).user.name, 'Ada')
  })

  it('is accepted with more than is in stock or allowed, which orders decides about', () => {
    parseCheckoutRequest(withItem({ sku: 'SAGA-POSTER', quantity: 1_000 }))
  })

  it('is refused with every missing field named', () => {
    deepStrictEqual(pointersOf({ user: {}, order: { items: [{}] } }), [
      '/user/email',
      '/user/name',
      '/order/items/0/sku',
      '/order/items/0/quantity',
      '/payment',
    ])
  })

  it('is refused with every unknown field named, however deep', () => {
    const body = {
      user: { ...goodRequest.user, admin: true },
      order: { items: [{ sku: 'SAGA-MUG', quantity: 1, 'unit/price~': 0 }], coupon: 'x' },
      payment: goodRequest.payment,
      deadline: '2030-01-01T00:00:00Z',
    }
    deepStrictEqual(pointersOf(body), [
      '/user/admin',
      '/order/items/0/unit~1price~0',
      '/order/coupon',
      '/deadline',
    ])
  })

  it('is refused with an unknown SKU named, and where to look for known ones', () => {
    deepStrictEqual(errorsOf(withItem({ sku: 'SAGA-YACHT', quantity: 1 })), [
      { pointer: '/order/items/0/sku', detail: 'is not in the catalogue; see /catalogue' },
    ])
  })

  for (const [quantity, detail] of [
    [0, 'must be at least 1'],
    [-1, 'must be at least 1'],
    [1e9, 'must be at most 1000'],
    [1.5, 'must be of type int'],
    ['2', 'must be of type number'],
    [null, 'must be of type number'],
    [Infinity, 'must be of type number'],
    [undefined, 'is required'],
  ] as const) {
    it(`is refused with a quantity of ${String(quantity)} (${typeof quantity})`, () => {
      deepStrictEqual(errorsOf(withItem({ sku: 'SAGA-MUG', quantity })), [
        { pointer: '/order/items/0/quantity', detail },
      ])
    })
  }

  it('is refused without items, and with more than 50', () => {
    const items = (length: number) => ({
      ...goodRequest,
      order: { items: Array(length).fill(goodRequest.order.items[0]) },
    })
    deepStrictEqual(pointersOf(items(0)), ['/order/items'])
    deepStrictEqual(pointersOf(items(51)), ['/order/items'])
    parseCheckoutRequest(items(50))
  })

  it('is refused with an email that is none, or too long', () => {
    const email = (email: string) => ({ ...goodRequest, user: { ...goodRequest.user, email } })
    deepStrictEqual(pointersOf(email('ada')), ['/user/email'])
    deepStrictEqual(pointersOf(email(`${'a'.repeat(250)}@example.com`)), ['/user/email'])
  })

  for (const body of [null, [], 'text', 7, true]) {
    it(`is refused when it is ${JSON.stringify(body)}, at the root`, () => {
      deepStrictEqual(errorsOf(body), [{ pointer: '', detail: 'must be of type object' }])
    })
  }

  it('is refused with the keys that pollute prototypes, and pollutes none', () => {
    const body: unknown = JSON.parse(`{
      "__proto__": { "polluted": true },
      "constructor": { "prototype": { "polluted": true } },
      "user": { "email": "ada@example.com", "name": "Ada", "prototype": {}, "__proto__": { "polluted": true } },
      "order": { "items": [{ "sku": "SAGA-MUG", "quantity": 1, "__proto__": { "polluted": true } }] },
      "payment": { "token": "tok_visa", "__proto__": null }
    }`)
    deepStrictEqual(pointersOf(body).sort(), [
      '/__proto__',
      '/constructor',
      '/order/items/0/__proto__',
      '/payment/__proto__',
      '/user/__proto__',
      '/user/prototype',
    ])
    strictEqual(({} as Record<string, unknown>).polluted, undefined)
  })

  it('is refused with at most 100 of its faults named, and their number told', () => {
    const body: Record<string, unknown> = { ...goodRequest }
    for (let index = 0; index < 150; index++) body[`extra${index}`] = index
    strictEqual(errorsOf(body).length, 100)
    try {
      parseCheckoutRequest(body)
    } catch (error) {
      strictEqual((error as Error).message, '150 fields are wrong.')
    }
  })

  it('is refused without a word of the values that it holds', () => {
    const secret = 'tok_4242424242424242'
    const body = {
      user: { email: secret, name: [secret] },
      order: { items: [{ sku: secret, quantity: secret }] },
      payment: secret,
    }
    ok(!JSON.stringify(errorsOf(body)).includes(secret))
  })

  it('is either read or refused with pointers, whatever JSON it is', () => {
    fc.assert(
      fc.property(fc.jsonValue(), (body) => {
        const errors = errorsOf(body)
        ok(errors.length > 0)
        ok(errors.every(({ pointer, detail }) => /^(\/.*)?$/s.test(pointer) && detail !== ''))
      }),
    )
  })
})

describe('the fingerprint of a request', () => {
  const fingerprint = (body: unknown): string => fingerprintOf(parseCheckoutRequest(body))

  it('is the same however the fields are ordered', () => {
    const { payment, order, user } = goodRequest
    const items = order.items.map(({ sku, quantity }) => ({ quantity, sku }))
    const reordered = { payment, order: { items }, user: { name: user.name, email: user.email } }
    strictEqual(fingerprint(reordered), fingerprint(goodRequest))
  })

  it('differs when any value does', () => {
    const others = [
      { ...goodRequest, user: { ...goodRequest.user, email: 'eve@example.com' } },
      { ...goodRequest, user: { ...goodRequest.user, name: 'Eve' } },
      { ...goodRequest, payment: { token: 'tok_slow' } },
      withItem({ sku: 'SAGA-MUG', quantity: 3 }),
      withItem({ sku: 'SAGA-TEE', quantity: 2 }),
    ]
    strictEqual(new Set([goodRequest, ...others].map(fingerprint)).size, others.length + 1)
  })
})
