import { deepEqual, throws } from 'node:assert/strict'
import type { Sketch } from '../../shared/traces/traces-for-tests.ts'
import { spansOf } from '../../shared/traces/traces-for-tests.ts'
import { missingOf, whole } from './checkout-report.ts'

/** Rejected as soon as it is registered: of three steps, two have a hop to make. */
const view = {
  steps: [
    { id: '1', type: 'CheckoutRequested', service: 'checkout', time: '', sinceRequestMillis: 0 },
    { id: '2', type: 'RegistrationRejected', service: 'users', time: '', sinceRequestMillis: 1 },
    { id: '3', type: 'CheckoutRejected', service: 'checkout', time: '', sinceRequestMillis: 2 },
  ],
}

const span = (is: string, topic: string, below: readonly Sketch[] = []): Sketch => ({
  is,
  at: 0,
  for: 1,
  attributes: { 'messaging.destination.name': topic },
  below,
})
const rejection = span('consumer checkout process users', 'users', [
  span('producer checkout send checkouts', 'checkouts'),
])
const traceOf = (sender: string, onward: readonly Sketch[] = [rejection]) =>
  spansOf([
    span('server gateway POST /checkouts', '', [
      span(`producer ${sender} send checkouts`, 'checkouts', [
        span('consumer checkout process checkouts', 'checkouts'),
        span('consumer users process checkouts', 'checkouts', [
          span('producer users send users', 'users', onward),
        ]),
      ]),
    ]),
  ])

describe('a trace that is whole', () => {
  it('has every hop of the flow table below one root, whoever sent it', () => {
    deepEqual(missingOf(traceOf('gateway'), view), [])
    deepEqual(missingOf(traceOf('checkout'), view), [], 'what the gateway could not send is swept')
  })

  it('lacks, in words, what is still on its way', () => {
    deepEqual(missingOf(traceOf('gateway', []), view), ['1 of 3 producers', '1 of 1 -users-> checkout'])
    const [root, , ...others] = traceOf('gateway')
    deepEqual(missingOf(root ? [root, ...others] : [], view), [
      'one root instead of 3 (gateway: POST /checkouts, checkout: process checkouts, users: process checkouts)',
      '1 of 3 producers',
      '1 of 1 -checkouts-> users',
      '1 of 1 -checkouts-> checkout',
    ])
    deepEqual(missingOf(traceOf('gateway').slice(1), view), ['the parent of gateway: send checkouts'])
  })

  it('says how much there is', () => {
    throws(() => whole(undefined, view), /^Error: missing of 0 spans: everything$/)
    throws(() => whole(traceOf('gateway', []), view), /^Error: missing of 5 spans: 1 of 3 producers; /)
  })
})
