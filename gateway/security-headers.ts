/**
 * What a browser may do with an answer: nothing. A route that answers with a page says in its own
 * Content-Security-Policy what the page needs. After OWASP's REST Security Cheat Sheet and secure headers project:
 * https://cheatsheetseries.owasp.org/cheatsheets/REST_Security_Cheat_Sheet.html#security-headers
 */
import type { Middleware } from 'koa'
import type { Callers } from './callers.ts'
import type { RequestState } from './request-state.ts'

export const securityHeaders = {
  'Cache-Control': 'no-store',
  'Content-Security-Policy': "default-src 'none'; frame-ancestors 'none'",
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Referrer-Policy': 'no-referrer',
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
} as const

const twoYearsSeconds = 63_072_000

export const withSecurityHeaders = (callers: Callers): Middleware<RequestState> => {
  return (ctx, next) => {
    ctx.set(securityHeaders)
    // Over plain HTTP a browser ignores it, and anybody on the way could have written it.
    if (callers.isSecure(ctx.req)) ctx.set('Strict-Transport-Security', `max-age=${twoYearsSeconds}`)
    return next()
  }
}
