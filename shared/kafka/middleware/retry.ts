import { setTimeout as delay } from 'node:timers/promises'
import { isRetriable } from '../failure.ts'
import type { Middleware } from '../handler.ts'

/**
 * How often and how fast a message is tried. Its budget is a number of failures, not a time: what is slow to fail is
 * bounded elsewhere (shared/kafka/timings.ts), and what fails fast should not get more tries for it.
 */
export interface RetryPolicy {
  /** The first pause is at most this, and each after it at most twice the one before. */
  readonly firstDelayMillis: number
  /** No pause is longer; well below a session, so that who waits in one learns early that it is not his any more. */
  readonly longestDelayMillis: number
  /** Failures of unknown kind that a message may have; they may be its own fault. Those of servers do not count. */
  readonly attempts: number
}

export const defaultRetryPolicy: RetryPolicy = {
  firstDelayMillis: 50,
  longestDelayMillis: 5_000,
  attempts: 5,
}

/**
 * Tries again, with exponential backoff and full jitter
 * (https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/). What is done with a failure goes by
 * what it says of itself:
 *
 * - `retriable: false` (a poison message): passes at once.
 * - `retriable: true` (a server is away, the group has moved on): tried for as long as it takes, because the next
 *   message would meet the same. The consumer keeps the partition meanwhile, and each try is a sign of life.
 * - neither: passes once the budget is spent.
 */
export const retried = (policy: RetryPolicy = defaultRetryPolicy): Middleware => {
  return (next) => async (handling) => {
    let failures = 0
    for (let attempt = 1; ; attempt++) {
      handling.attempts.made = attempt
      try {
        return await next(handling)
      } catch (error) {
        const retriable = isRetriable(error)
        if (retriable === false || handling.signal.aborted) throw error
        if (retriable === undefined && ++failures >= policy.attempts) throw error
        handling.log.warn({ 'event.name': 'message.retried', err: error, attempt }, 'trying again')
        const ceiling = Math.min(policy.longestDelayMillis, policy.firstDelayMillis * 2 ** (attempt - 1))
        await delay(Math.random() * ceiling, undefined, { signal: handling.signal }).catch(() => {
          throw error // the process stops, which is not what failed
        })
        await handling.heartbeat()
      }
    }
  }
}
