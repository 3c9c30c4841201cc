import { setTimeout as delay } from 'node:timers/promises'
import { isRetriable } from '../failure.ts'
import type { Middleware } from '../handler.ts'

export interface RetryPolicy {
  readonly firstDelayMillis: number
  readonly longestDelayMillis: number
  /** Attempts at what may be our own fault. What waits for a server to come back is tried until it does. */
  readonly attempts: number
}

export const defaultRetryPolicy: RetryPolicy = {
  firstDelayMillis: 50,
  longestDelayMillis: 5_000,
  attempts: 5,
}

/**
 * Tries again, with exponential backoff and full jitter. An error that says `retriable: false` passes at
 * once; one that says `true` (a server is away) is retried for as long as it takes, because the next message
 * would meet the same; any other passes after a few attempts.
 */
export const retried = (policy: RetryPolicy = defaultRetryPolicy): Middleware => {
  return (next) => async (handling) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await next(handling)
      } catch (error) {
        const retriable = isRetriable(error)
        if (retriable === false || handling.signal.aborted) throw error
        if (retriable === undefined && attempt >= policy.attempts) throw error
        handling.log.warn({ 'event.name': 'message.retried', err: error, attempt }, 'trying again')
        const ceiling = Math.min(policy.longestDelayMillis, policy.firstDelayMillis * 2 ** (attempt - 1))
        await delay(Math.random() * ceiling, undefined, { signal: handling.signal })
        await handling.heartbeat()
      }
    }
  }
}
