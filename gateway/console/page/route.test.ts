import { deepEqual, equal } from 'node:assert/strict'
import { addressOf, compareAddress, parseId, parseRoute } from './route.ts'

const trace = '0af7651916cd43dd8448eb211c80319c'
const checkout = { kind: 'checkout', id: 'ec0a2db3-6f5e-4f52-a0f2-1a4a5a3f1f10' } as const

describe("the page's address", () => {
  it('names what is shown, and back', () => {
    deepEqual(parseRoute(''), { view: 'overview' })
    deepEqual(parseRoute('#/'), { view: 'overview' })
    const subject = { view: 'subject', subject: checkout, spanId: 'b7ad6b7169203331' }
    deepEqual(parseRoute(addressOf(checkout, subject.spanId)), subject)
    const b = { kind: 'trace', id: trace } as const
    deepEqual(parseRoute(compareAddress(checkout, b)), { view: 'compare', a: checkout, b })
    deepEqual(parseRoute(addressOf(b)), { view: 'subject', subject: b, spanId: undefined })
  })

  it('is of nothing when an id in it is none', () => {
    for (const hash of [
      '#/checkouts/',
      '#/checkouts/..%2f..',
      '#/compare/a',
      '#/compare/a/%',
      '#/users/a',
      '#/checkouts/%E0',
    ]) {
      deepEqual(parseRoute(hash), { view: 'nothing' }, hash)
    }
  })

  it('tells a trace from a checkout', () => {
    deepEqual(parseId(` ${trace.toUpperCase()} `), { kind: 'trace', id: trace })
    deepEqual(parseId(checkout.id), checkout)
    equal(parseId('a/b'), undefined)
    equal(parseId(''), undefined)
  })
})
