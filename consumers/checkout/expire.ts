/** Looks for checkouts whose deadline has passed and has the decider say what follows. */
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import type { ServiceLogic } from '../../shared/kernel/answer.ts'
import { answer } from '../../shared/kernel/answer.ts'
import { withSagaId } from '../../shared/telemetry/saga-id.ts'
import type { ServiceTools } from '../service.ts'
import type { CheckoutEvent, CheckoutInput, CheckoutState } from './decider.ts'
import type { Deadline, Deadlines } from './deadlines.ts'

const tracer = trace.getTracer('sagascope')

type CheckoutLogic = ServiceLogic<CheckoutState, CheckoutEvent, CheckoutInput['event'], undefined>

/** Checks at intervals until the process stops. */
export function startExpiring(
  { config, lifecycle, log, store, publish }: ServiceTools,
  logic: CheckoutLogic,
  deadlines: Deadlines,
): void {
  const expire = async ({ _id: checkoutId, traceHeaders }: Deadline): Promise<void> => {
    // The expiry is a step of the checkout, so it belongs to the checkout's trace.
    const origin = propagation.extract(ROOT_CONTEXT, traceHeaders)
    const span = tracer.startSpan('expire checkout', { kind: SpanKind.INTERNAL }, origin)
    await context.with(trace.setSpan(origin, span), () =>
      withSagaId(checkoutId, async () => {
        try {
          const causedBy = `deadline/${checkoutId}`
          const answered = await answer(store, logic, {
            checkoutId,
            causedBy,
            event: { type: 'DeadlinePassed' },
          })
          if (answered) {
            log.warn({ 'event.name': 'checkout.expired', 'saga.id': checkoutId }, 'checkout expired')
            await publish(answered.commit)
          }
          await deadlines.clear(checkoutId)
        } finally {
          span.end()
        }
      }),
    )
  }

  let timer: NodeJS.Timeout
  let underWay: Promise<void> = Promise.resolve()
  const check = async (): Promise<void> => {
    try {
      for (const deadline of await deadlines.due(new Date())) {
        if (lifecycle.signal.aborted) return
        await expire(deadline)
      }
    } catch (error) {
      log.warn({ 'event.name': 'checkout.expiry_check_failed', err: error }, 'deadlines not checked')
    }
  }
  const schedule = (): void => {
    timer = setTimeout(() => {
      underWay = check().finally(() => {
        if (!lifecycle.signal.aborted) schedule()
      })
    }, config.DEADLINE_CHECK_INTERVAL_MILLIS)
  }
  schedule()
  lifecycle.onStop(async () => {
    clearTimeout(timer)
    await underWay
  })
}
