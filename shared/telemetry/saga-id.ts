/** `saga.id` in the context: what puts the checkout's id on every span and log line made on its behalf. */
import type { Context } from '@opentelemetry/api'
import { context, createContextKey, trace } from '@opentelemetry/api'

export const ATTR_SAGA_ID = 'saga.id'

const key = createContextKey(ATTR_SAGA_ID)

export const sagaIdOf = (from: Context): string | undefined => from.getValue(key) as string | undefined

/** Runs `work` for one checkout: the active span and all that start inside carry its id. */
export function withSagaId<T>(sagaId: string, work: () => T): T {
  const span = trace.getActiveSpan()
  // A request's span has ended when its commit is published.
  if (span?.isRecording()) span.setAttribute(ATTR_SAGA_ID, sagaId)
  return context.with(context.active().setValue(key, sagaId), work)
}
