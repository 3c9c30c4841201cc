/** Turns a request into a checkout: one append to its stream, from which everything else follows. */
import { randomUUID } from 'node:crypto'
import { activeTraceHeaders } from '../shared/kernel/answer.ts'
import { failpoint } from '../shared/process/failpoints.ts'
import type { Commit, EventStore } from '../shared/kernel/event-store.ts'
import type { CheckoutRequest } from './checkout-request.ts'
import { fingerprintOf } from './checkout-request.ts'
import type { IdempotencyKeys } from './idempotency.ts'
import { Problem } from './problem.ts'

export interface CheckoutRegister {
  /** The store of the checkout service, whose streams the gateway opens. */
  readonly store: Pick<EventStore, 'append' | 'read'>
  readonly keys: IdempotencyKeys
  readonly now: () => Date
  /** How long a checkout may take before it is taken back. */
  readonly deadlineMillis: number
}

/**
 * The id under which the request is to be written: a new one, or that of the first request with its key.
 * @throws Problem idempotency_key_reused
 */
export async function chooseCheckoutId(
  { keys, now }: CheckoutRegister,
  request: CheckoutRequest,
  idempotencyKey: string | undefined,
): Promise<string> {
  const checkoutId = randomUUID()
  if (idempotencyKey === undefined) return checkoutId
  const fingerprint = fingerprintOf(request)
  const claim = await keys.claim(idempotencyKey, { checkoutId, fingerprint }, now())
  failpoint('key-claimed')
  if (claim.fingerprint !== fingerprint) {
    throw new Problem('idempotency_key_reused', 'Send another body under another key.')
  }
  return claim.checkoutId
}

export interface Written {
  readonly commit: Commit
  /** False when an earlier request wrote it. */
  readonly isNew: boolean
}

/** Opens a checkout's stream. Idempotent under the id: whoever comes second gets what the first wrote. */
export async function writeRequest(
  { store, now, deadlineMillis }: CheckoutRegister,
  checkoutId: string,
  request: CheckoutRequest,
): Promise<Written> {
  const at = now()
  const deadline = new Date(at.getTime() + deadlineMillis).toISOString()
  const result = await store.append({
    checkoutId,
    version: 1,
    causedBy: `request/${checkoutId}`,
    at,
    events: [{ type: 'CheckoutRequested', data: { ...request, deadline } }],
    traceHeaders: activeTraceHeaders(),
  })
  if (result.outcome === 'appended') return { commit: result.commit, isNew: true }
  const { commits } = await store.read(checkoutId)
  const [commit] = commits
  if (!commit) throw new Error('a stream that was said to be taken is empty')
  return { commit, isNew: false }
}
