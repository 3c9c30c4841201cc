import type { Middleware } from 'koa'
import { isRetriable } from '../shared/messaging/failure.ts'
import type { Logger } from '../shared/telemetry/logger.ts'
import { Problem, problemMediaType, toDocument } from './problem.ts'
import type { RequestState } from './request-state.ts'
import { traceIdOf } from './request-state.ts'

const storeRetryAfterSeconds = 5

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
      if (problem.code === 'store_unavailable') {
        log.warn({ 'event.name': 'store.unavailable', ...line }, 'the store does not answer')
      }
      ctx.status = problem.status
      ctx.set({ ...problem.headers, 'Content-Type': problemMediaType })
      ctx.body = JSON.stringify(toDocument(problem, ctx.path, traceIdOf(ctx.state)))
    }
  }
}

function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error
  if (isRetriable(error) === true) {
    return new Problem(
      'store_unavailable',
      'Ask again in a few seconds, with an Idempotency-Key when it is a POST.',
      {
        cause: error,
        headers: { 'Retry-After': storeRetryAfterSeconds.toString() },
      },
    )
  }
  return new Problem('internal_error', 'This is not your fault. The trace id leads us to what happened.', {
    cause: error,
  })
}
