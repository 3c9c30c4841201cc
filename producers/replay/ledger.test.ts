import { deepEqual } from 'node:assert/strict'
import type { SagaEvent } from '../../shared/saga/events.ts'
import { chosenMessage, sampleEvents } from './messages-for-tests.ts'
import { ledgerOf } from './ledger.ts'

describe('the ledger of the fake payment network, from the topics alone', () => {
  const total = { amount: 2_500, currency: 'EUR' } as const
  const refunded: SagaEvent = {
    type: 'PaymentRefunded',
    data: { paymentId: 'payment-1', total, reason: 'checkout_expired' },
  }
  const declinedAtDeadline: SagaEvent = { type: 'PaymentDeclined', data: { reason: 'checkout_expired' } }
  const kinds = (...events: readonly SagaEvent[]) =>
    ledgerOf(events.map((event, at) => chosenMessage({ event, at }).recorded)).map(
      ({ _id, kind }) => `${_id} ${kind}`,
    )

  it('has what was captured, declined, barred and refunded', () => {
    const { captured, declined } = sampleEvents
    deepEqual(kinds(captured), ['c1@1 captured'])
    deepEqual(kinds(declined), ['c1@1 declined'])
    deepEqual(kinds(declinedAtDeadline), ['c1@1 barred'])
    deepEqual(kinds(captured, refunded), ['c1@1 captured', 'c1@2 refunded'])
  })

  it('has the capture of a refund, also where a crash kept it from the topic', () => {
    deepEqual(kinds(refunded), ['c1@1 captured', 'c1@2 refunded'])
  })

  it('has nothing of what is no payment', () => {
    deepEqual(kinds(sampleEvents.requested, sampleEvents.confirmed), [])
  })
})
