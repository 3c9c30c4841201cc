/**
 * koa: a span for what a route does, and the route's name for the server's span. In place of
 * @opentelemetry/instrumentation-koa with all layers but the router's ignored.
 */
import type { RouterContext } from '@koa/router'
import { context, trace } from '@opentelemetry/api'
import type { Middleware } from 'koa'
import Koa from 'koa'
import { nameRoute } from './http.ts'
import { recordedParent } from './recording.ts'

interface Layer {
  readonly path: string | RegExp
  readonly stack: Middleware[]
}

interface Dispatch extends Middleware {
  readonly router?: { readonly stack: readonly Layer[] }
}

export interface Application {
  use(dispatch: Dispatch): unknown
}

export function instrumentKoa(prototype: Application = Koa.prototype): void {
  // eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own `this`
  const { use } = prototype
  prototype.use = function (dispatch) {
    for (const { path, stack } of dispatch.router?.stack ?? []) {
      for (const [index, handle] of stack.entries()) stack[index] = traced(handle, String(path))
    }
    return use.call(this, dispatch)
  }
}

function traced(handle: Middleware, route: string): Middleware {
  const tracer = trace.getTracer('sagascope-lean/koa')
  const options = { attributes: { 'koa.name': route, 'koa.type': 'router', 'http.route': route } }
  return async (ctx, next) => {
    const active = context.active()
    if (!trace.getSpan(active)) return handle(ctx, next) as unknown
    nameRoute(ctx.req, String((ctx as RouterContext)._matchedRoute ?? route))
    if (!recordedParent(active)) return handle(ctx, next) as unknown
    const span = tracer.startSpan(`router - ${route}`, options, active)
    try {
      const inside = trace.setSpan(active, span)
      return await context.with<[], () => unknown>(inside, () => handle(ctx, next))
    } catch (error) {
      span.recordException(error as Error)
      throw error
    } finally {
      span.end()
    }
  }
}
