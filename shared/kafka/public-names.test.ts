import { equal } from 'node:assert/strict'
import { incoming } from './handling-for-tests.ts'
import { checkoutNamedBy, eventTypeOf, messageIdOf } from './public-names.ts'

const named = (headers: Readonly<Record<string, string>>, key?: string) => incoming({ headers, key })

describe('what telemetry may say of a message', () => {
  it('is its checkout, by the subject, else by the key', () => {
    equal(checkoutNamedBy(named({ ce_subject: 'checkout-1' }, 'checkout-2')), 'checkout-1')
    equal(checkoutNamedBy(named({}, 'checkout-2')), 'checkout-2')
    equal(checkoutNamedBy(named({ ce_subject: 'ada@example.com' }, 'checkout-2')), 'checkout-2')
  })

  it('is its id and its type', () => {
    const message = incoming()
    equal(messageIdOf(message), 'orders/checkout-1@2/0')
    equal(eventTypeOf(message), 'dev.sagascope.OrderConfirmed.v1')
  })

  it('is nothing where anything else stands in their place', () => {
    for (const text of ['ada@example.com', 'Ada Lovelace', '']) {
      equal(checkoutNamedBy(named({ ce_subject: text }, text)), undefined)
      equal(messageIdOf(named({ ce_id: text })), undefined)
      equal(eventTypeOf(named({ ce_type: text })), undefined)
    }
    equal(messageIdOf(named({})), undefined)
  })
})
