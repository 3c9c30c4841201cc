import { SpanStatusCode, trace } from '@opentelemetry/api'
import { withSagaId } from '../../telemetry/saga-id.ts'
import type { Middleware } from '../handler.ts'
import { checkoutNamedBy } from '../public-names.ts'

/**
 * Puts the checkout's id on the consumer span (which the Kafka instrumentation has started) and on all that
 * is done inside it, and records on it why handling failed.
 */
export const traced = (consumerGroup: string): Middleware => {
  return (next) => (handling) => {
    const { message } = handling
    const span = trace.getActiveSpan()
    span?.setAttribute('messaging.consumer.group.name', consumerGroup)
    return withSagaId(checkoutNamedBy(message) ?? 'unknown', async () => {
      try {
        return await next(handling)
      } catch (error) {
        span?.recordException(error as Error)
        span?.setStatus({ code: SpanStatusCode.ERROR })
        throw error
      }
    })
  }
}
