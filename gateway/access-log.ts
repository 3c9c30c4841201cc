/**
 * One line a request: what was asked for, what was answered, how long it took. The route's template and not
 * the path, never the query, a body, an email, a name or a token.
 */
import { context } from '@opentelemetry/api'
import type { Middleware } from 'koa'
import type { Logger } from '../shared/telemetry/logger.ts'
import { isConsole } from './console/console.ts'
import { isProbe } from './probes.ts'
import type { GatewayContext, RequestState } from './request-state.ts'

export const accessLogged = (log: Logger): Middleware<RequestState> => {
  return async (ctx, next) => {
    const startedAt = performance.now()
    const write = (): void => {
      const { res, state, method } = ctx
      const route = (ctx as GatewayContext)._matchedRoute
      const line = {
        'event.name': 'http.request',
        'http.request.method': method,
        'http.route': route?.toString(),
        'http.response.status_code': res.headersSent ? res.statusCode : undefined,
        duration_ms: Math.round((performance.now() - startedAt) * 100) / 100,
        client_gone: res.writableFinished ? undefined : true,
        'saga.id': state.sagaId,
      }
      // These come every few seconds and would bury the rest.
      if (isProbe(route) || isConsole(route)) log.debug(line, 'request')
      else log.info(line, 'request')
    }
    // In the request's context, so that the line carries its trace id; `close` comes after every end.
    ctx.res.once('close', context.bind(context.active(), write))
    await next()
  }
}
