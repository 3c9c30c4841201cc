/**
 * What the fake payment network must have in its ledger, by what payments was answered. A real network keeps its own;
 * the fake one lives beside the stores, and without its ledger it would bar a refund of what it had captured.
 */
import type { LedgerEntry } from '../../consumers/payments/fake-payment-network.ts'
import type { RecordedEvent } from '../../shared/saga/events.ts'

/** @returns each entry once, however often it follows from the events */
export function ledgerOf(events: readonly RecordedEvent[]): LedgerEntry[] {
  const entries = events.flatMap(entriesOf)
  return [...new Map(entries.map((entry) => [entry._id, entry])).values()]
}

function entriesOf({ checkoutId, time, event }: RecordedEvent): LedgerEntry[] {
  const first = { _id: `${checkoutId}@1`, checkoutId, at: new Date(time) }
  if (event.type === 'PaymentCaptured') return [{ ...first, kind: 'captured', total: event.data.total }]
  if (event.type === 'PaymentDeclined') {
    const { reason } = event.data
    return [
      reason === 'checkout_expired' ? { ...first, kind: 'barred' } : { ...first, kind: 'declined', reason },
    ]
  }
  if (event.type !== 'PaymentRefunded') return []
  const { total } = event.data
  return [
    { ...first, kind: 'captured', total }, // also where a crash kept the capture from the topic
    { ...first, _id: `${checkoutId}@2`, kind: 'refunded', total },
  ]
}
