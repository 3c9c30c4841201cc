/** The gateway as an application: everything between a request and the store, and no I/O of its own. */
import Router from '@koa/router'
import type { Middleware } from 'koa'
import Koa from 'koa'
import type { Logger } from '../shared/telemetry/logger.ts'
import { accessLogged } from './access-log.ts'
import { answerWithProblems } from './answer-with-problems.ts'
import type { Callers } from './callers.ts'
import { showCatalogue } from './catalogue.ts'
import type { CheckoutRoutes } from './checkouts.ts'
import { getCheckout, getCheckoutEvents, postCheckout } from './checkouts.ts'
import type { Console } from './console/console.ts'
import { addConsoleRoutes, consoleUntraced } from './console/console.ts'
import { openApiDocument } from './openapi.ts'
import type { Readiness } from './probes.ts'
import { describeProblem, Problem } from './problem.ts'
import type { RateLimits } from './rate-limit.ts'
import { rateLimited } from './rate-limit.ts'
import type { GatewayContext, RequestState } from './request-state.ts'
import { withSecurityHeaders } from './security-headers.ts'
import { strictRequest } from './strict-request.ts'
import { traceResponse } from './trace-response.ts'

export interface GatewayDeps extends CheckoutRoutes {
  readonly log: Logger
  readonly readiness: () => Promise<Readiness>
  readonly callers: Callers
  readonly rateLimits: RateLimits
  /** Left out where there is no console. */
  readonly console?: Console
}

/** Does no I/O: what it needs is given to it, and whoever calls it listens. */
export function createApp(deps: GatewayDeps): Koa<RequestState> {
  const app = new Koa<RequestState>()
  if (deps.console) app.use(consoleUntraced)
  app
    .use(traceResponse)
    .use(accessLogged(deps.log))
    .use(withSecurityHeaders(deps.callers))
    .use(closeWhileDraining(deps.draining))
    .use(answerWithProblems(deps.log))
    .use(strictRequest)
    .use(rateLimited(deps.rateLimits, deps.callers))
    .use(createRouter(deps).routes())
    .use(refuseWhatHasNoRoute)
  // Only what fails while an answer is being sent comes here: a client that left, a stream that broke.
  app.on('error', (error: unknown) => {
    deps.log.debug({ 'event.name': 'http.answer_not_sent', err: error }, 'answer not sent')
  })
  return app
}

export function createRouter(deps: GatewayDeps): Router<RequestState> {
  const router = new Router<RequestState>()
    .post('/checkouts', postCheckout(deps))
    .get('/checkouts/:checkoutId', getCheckout(deps))
    .get('/checkouts/:checkoutId/events', getCheckoutEvents(deps))
    .get('/catalogue', (ctx) => {
      ctx.body = showCatalogue()
    })
    .get('/problems/:code', (ctx) => {
      const description = describeProblem(ctx.params.code ?? '')
      if (!description) throw notFound()
      ctx.body = description
    })
    .get('/openapi.json', (ctx) => {
      ctx.body = openApiDocument
    })
    .get('/healthz', (ctx) => {
      ctx.body = { status: 'alive' }
    })
    .get('/readyz', async (ctx) => {
      const readiness = await deps.readiness()
      ctx.status = readiness.status === 'ready' ? 200 : 503
      ctx.body = readiness
    })
  if (deps.console) addConsoleRoutes(router, deps.console, deps)
  return router
}

const closeWhileDraining = (draining: AbortSignal): Middleware<RequestState> => {
  return async (ctx, next) => {
    await next()
    // A connection that is kept would keep the process from ending.
    if (draining.aborted) ctx.set('Connection', 'close')
  }
}

const refuseWhatHasNoRoute: Middleware<RequestState> = (ctx) => {
  // The router leaves here the routes whose path fits, with whatever method.
  const allowed = new Set(((ctx as GatewayContext).matched ?? []).flatMap(({ methods }) => methods))
  if (allowed.size === 0) throw notFound()
  const allow = [...allowed].sort().join(', ')
  throw new Problem('method_not_allowed', `It answers to ${allow}.`, { headers: { Allow: allow } })
}

const notFound = (): Problem => new Problem('not_found', 'What there is, is listed in /openapi.json.')
