/**
 * How many requests one caller, and all callers together, may send in a window of time. Answers carry what is left
 * in the fields of https://datatracker.ietf.org/doc/draft-ietf-httpapi-ratelimit-headers/
 *
 * Each gateway counts for itself: the limits protect a process, they are no quota. Probes are not counted.
 */
import type { Middleware } from 'koa'
import { RateLimiterMemory, RateLimiterRes } from 'rate-limiter-flexible'
import type { Callers } from './callers.ts'
import { isProbe } from './probes.ts'
import { Problem } from './problem.ts'
import type { RequestState } from './request-state.ts'

export interface RateLimits {
  /** Requests of one caller in a window. */
  readonly perCaller: number
  /** Requests of all callers in a window. */
  readonly overall: number
}

export const rateWindowSeconds = 10

type Scope = 'caller' | 'overall'

export function rateLimited({ perCaller, overall }: RateLimits, callers: Callers): Middleware<RequestState> {
  const limiters = {
    caller: new RateLimiterMemory({ points: perCaller, duration: rateWindowSeconds }),
    overall: new RateLimiterMemory({ points: overall, duration: rateWindowSeconds }),
  }
  const quotas = { caller: perCaller, overall }

  return async (ctx, next) => {
    if (isProbe(ctx.path)) {
      await next()
      return
    }
    const require = async (scope: Scope, key: string): Promise<void> => {
      const { isWithin, left } = await take(limiters[scope], key)
      const secondsLeft = Math.max(1, Math.ceil(left.msBeforeNext / 1_000))
      if (scope === 'caller' || !isWithin) {
        ctx.set({
          'RateLimit-Policy': `"${scope}";q=${quotas[scope]};w=${rateWindowSeconds}`,
          RateLimit: `"${scope}";r=${left.remainingPoints};t=${secondsLeft}`,
        })
      }
      if (!isWithin) throw rateExceeded(scope, quotas[scope], secondsLeft)
    }
    // A caller that is over its own limit takes nothing from what all share.
    await require('caller', callers.of(ctx.req))
    await require('overall', 'all')
    await next()
  }
}

/** The limiter says no by rejecting with what is left. */
async function take(
  limiter: RateLimiterMemory,
  key: string,
): Promise<{ readonly isWithin: boolean; readonly left: RateLimiterRes }> {
  try {
    return { isWithin: true, left: await limiter.consume(key) }
  } catch (refusal) {
    if (refusal instanceof RateLimiterRes) return { isWithin: false, left: refusal }
    throw refusal
  }
}

const rateExceeded = (scope: Scope, quota: number, retryAfterSeconds: number): Problem => {
  const whose = scope === 'caller' ? 'one caller' : 'all callers together'
  return new Problem('rate_limited', `${quota} requests in ${rateWindowSeconds} s are taken from ${whose}.`, {
    headers: { 'Retry-After': retryAfterSeconds.toString() },
  })
}
