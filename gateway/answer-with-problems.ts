import type { Middleware } from 'koa'
import type { Logger } from '../shared/telemetry/logger.ts'
import { Problem, problemMediaType, toDocument } from './problem.ts'
import { countRefusal } from './refusal-metrics.ts'
import type { RequestState } from './request-state.ts'
import { traceIdOf } from './request-state.ts'
import { StoreTrouble } from './store-guard.ts'

export const storeRetryAfterSeconds = 5

/** Answers every error with a problem document; logs those that are not the caller's. */
export const answerWithProblems = (log: Logger): Middleware<RequestState> => {
  return async (ctx, next) => {
    try {
      await next()
    } catch (error) {
      const problem = toProblem(error)
      // The response may be gone by the time that the access log's line is written; this one says why.
      const line = { err: error, 'saga.id': ctx.state.sagaId }
      if (problem.status === 500)
        log.error({ 'event.name': 'http.request_failed', ...line }, 'request failed')
      if (problem.code === 'store_unavailable' || problem.code === 'outcome_unknown') {
        log.warn({ 'event.name': 'store.unavailable', ...line }, 'the store does not answer')
      }
      if (problem.status === 429 || problem.status === 503) countRefusal(problem.code)
      ctx.status = problem.status
      ctx.set({ ...problem.headers, 'Content-Type': problemMediaType })
      ctx.body = JSON.stringify(toDocument(problem, ctx.path, traceIdOf(ctx.state)))
    }
  }
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (error instanceof StoreTrouble) {
    return new Problem('store_unavailable', 'Nothing was accepted. Ask again in a few seconds.', {
      cause: error,
      headers: { 'Retry-After': storeRetryAfterSeconds.toString() },
    })
  }
  return new Problem('internal_error', 'This is not your fault. The trace id leads us to what happened.', {
    cause: error,
  })
}
