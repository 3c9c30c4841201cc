/** The clients: each places one checkout as the gateway's description tells it to, and notes what it was told. */
import { setTimeout as delay } from 'node:timers/promises'
import { z } from 'zod'
import type { PlannedCheckout } from './checkout-mix.ts'
import type { Answer, Told } from './evidence.ts'

export interface ClientOptions {
  readonly gatewayUrl: string
  /** How long a client waits for an answer. */
  readonly timeoutMillis: number
  /** How long a client goes on asking, from its first request on. */
  readonly patienceMillis: number
  readonly signal: AbortSignal
}

/** Grows while the client is at it. */
export interface Client extends Told {
  readonly answers: Answer[]
}

export const newClient = ({ marker, idempotencyKey, expects }: PlannedCheckout): Client => ({
  marker,
  hasKey: idempotencyKey !== undefined,
  expects,
  answers: [],
})

const longestBackoffMillis = 5_000

const accepted = z.object({ checkoutId: z.string() })

/**
 * Asks until it is told 202 or 4xx; who has no key asks once, because a second request would be a second checkout.
 * Never rejects.
 */
export async function placeAsClient(
  client: Client,
  plan: PlannedCheckout,
  options: ClientOptions,
): Promise<void> {
  const { patienceMillis, signal } = options
  const deadline = performance.now() + patienceMillis
  for (let attempt = 1; !signal.aborted; attempt++) {
    const { answer, retryAfterMillis } = await ask(plan, options)
    client.answers.push(answer)
    if (answer.kind === 'accepted') break
    if (answer.kind === 'refused' || !client.hasKey || performance.now() > deadline) return
    const backoffMillis = Math.random() * Math.min(longestBackoffMillis, 200 * 2 ** attempt)
    await delay(retryAfterMillis ?? backoffMillis, undefined, { signal }).catch(() => undefined)
  }
  for (let repeat = 0; repeat < plan.repeats && !signal.aborted; repeat++) {
    const { answer } = await ask(plan, options)
    client.answers.push(answer)
  }
}

async function ask(
  { request, idempotencyKey }: PlannedCheckout,
  { gatewayUrl, timeoutMillis, signal }: ClientOptions,
): Promise<{ answer: Answer; retryAfterMillis?: number }> {
  try {
    const response = await fetch(new URL('/checkouts', gatewayUrl), {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }),
      },
      body: JSON.stringify(request),
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMillis)]),
    })
    const body: unknown = await response.json()
    const { status } = response
    const atMillis = Date.now()
    if (status === 200 || status === 202) {
      return { answer: { kind: 'accepted', checkoutId: accepted.parse(body).checkoutId, atMillis } }
    }
    if (status < 500 && !passing.has(status)) return { answer: { kind: 'refused', status, atMillis } }
    const retryAfter = Number(response.headers.get('retry-after'))
    return {
      answer: { kind: 'failed', status, atMillis },
      ...(retryAfter > 0 && { retryAfterMillis: retryAfter * 1_000 }),
    }
  } catch (error) {
    return { answer: { kind: 'none', why: whyOf(error as Error), atMillis: Date.now() } }
  }
}

/** Conflict with a request under way, too early, too many: the same request may be accepted later. */
const passing: ReadonlySet<number> = new Set([408, 409, 425, 429])

/** fetch wraps what happened. */
function whyOf(error: Error): string {
  const cause = error.cause instanceof Error ? error.cause : error
  return 'code' in cause && typeof cause.code === 'string' ? cause.code : cause.name
}
