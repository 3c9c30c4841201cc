/** Turns a request into a checkout: one append to its stream, from which everything else follows. */
import type { Commit, EventStore } from '../shared/kernel/event-store.ts'
import { activeTraceHeaders } from '../shared/kernel/react.ts'
import type { CheckoutRequest } from './checkout-request.ts'
import { fingerprintOf } from './checkout-request.ts'
import { Problem } from './problem.ts'

export interface CheckoutRegister {
  /** The store of the checkout service, whose streams the gateway opens. */
  readonly store: Pick<EventStore, 'append' | 'find'>
  readonly now: () => Date
  /** How long a checkout may take before it is taken back. */
  readonly deadlineMillis: number
}

export interface Written {
  readonly commit: Commit
  /** False when an earlier request wrote it. */
  readonly isNew: boolean
}

/**
 * Opens a checkout's stream. Idempotent under the id: whoever comes second gets what the first wrote.
 * @param signal withdraws the request for as long as it has not left the process
 * @throws Problem idempotency_key_reused when another request stands under this id
 */
export async function writeRequest(
  { store, now, deadlineMillis }: CheckoutRegister,
  checkoutId: string,
  request: CheckoutRequest,
  signal?: AbortSignal,
): Promise<Written> {
  const at = now()
  const deadline = new Date(at.getTime() + deadlineMillis).toISOString()
  const result = await store.append(
    {
      checkoutId,
      version: 1,
      causedBy: `request/${checkoutId}`,
      at,
      events: [{ type: 'CheckoutRequested', data: { ...request, deadline } }],
      traceHeaders: activeTraceHeaders(),
    },
    signal,
  )
  if (result.outcome === 'appended') return { commit: result.commit, isNew: true }
  const commit = await store.find(checkoutId, 1)
  const first = commit?.events[0]?.event
  if (!commit || first?.type !== 'CheckoutRequested') {
    throw new Error('a stream that was said to be taken does not begin with a request')
  }
  if (fingerprintOf(first.data) !== fingerprintOf(request)) {
    throw new Problem('idempotency_key_reused', 'Send another body under another key.')
  }
  return { commit, isNew: false }
}
