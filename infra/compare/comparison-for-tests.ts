/** Two checkouts by hand: one that completes, and one that is slow, retried and told apart in every way. */
import type { Sketch } from '../../shared/traces/traces-for-tests.ts'
import { spansOf } from '../../shared/traces/traces-for-tests.ts'

const orders = { 'messaging.destination.name': 'orders' }
const payments = { 'messaging.destination.name': 'payments' }

const checkout = (sagaId: string, at: number, below: readonly Sketch[], took: number): Sketch[] => [
  {
    is: 'server gateway POST /checkouts',
    at: 0,
    for: 8,
    attributes: { 'saga.id': sagaId },
    below: [
      {
        is: 'producer gateway send orders',
        at: 5,
        for: 3,
        below: [{ is: 'consumer payments process orders', at, for: took, attributes: orders, below }],
      },
    ],
  },
]

const capture = (at: number, took: number, failed?: true): Sketch => ({
  is: 'client payments capture payment',
  at,
  for: took,
  ...(failed && { failed }),
})

const send = (at: number, below: readonly Sketch[] = []): Sketch => ({
  is: 'producer payments send payments',
  at,
  for: 4,
  below,
})

export const usualSpans = spansOf(
  checkout(
    'usual',
    10,
    [
      { is: 'client payments insert commits', at: 11, for: 2 },
      capture(13, 5),
      send(20, [{ is: 'consumer orders process payments', at: 30, for: 6, attributes: payments }]),
    ],
    15,
  ),
  'a'.repeat(32),
)

export const slowSpans = spansOf(
  checkout('slow', 40, [capture(41, 20, true), capture(65, 100), send(170)], 135),
  'b'.repeat(32),
)
