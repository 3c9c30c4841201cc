/** Looks for checkouts whose deadline has passed and has the decider say what follows. */
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import { fold } from '../../shared/saga/decider.ts'
import type { ServiceLogic } from '../../shared/kernel/answer.ts'
import { answer } from '../../shared/kernel/answer.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import type { Look } from '../../shared/process/paced-loop.ts'
import { startPacedLoop } from '../../shared/process/paced-loop.ts'
import { withSagaId } from '../../shared/telemetry/saga-id.ts'
import type { ServiceTools } from '../service.ts'
import type { CheckoutEvent, CheckoutInput, CheckoutState } from './decider.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import { dueLimit } from './deadlines.ts'

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
          failpoint('deadline-due')
          const causedBy = `deadline/${checkoutId}`
          const answered = await answer(store, logic, {
            checkoutId,
            causedBy,
            event: { type: 'DeadlinePassed' },
          })
          if (answered) {
            failpoint('expiry-committed')
            log.warn({ 'event.name': 'checkout.expired', 'saga.id': checkoutId }, 'checkout expired')
            await publish(answered.commit, answered.stream.commits)
          }
        } finally {
          span.end()
        }
      }),
    )
  }

  /** Asked outside any span, so that a checkout that has ended gets nothing added to its trace. */
  const isOpen = async (checkoutId: string): Promise<boolean> => {
    const { events } = await store.read(checkoutId)
    const state = fold(
      logic.decider,
      events.map((recorded) => recorded.event as CheckoutEvent),
    )
    return state.status === 'open'
  }

  const check = async (): Promise<Look> => {
    const startedAt = performance.now()
    const due = await deadlines.due(new Date())
    const lookMillis = performance.now() - startedAt
    const dealtWith: string[] = []
    for (const deadline of due) {
      if (lifecycle.signal.aborted) break
      if (await isOpen(deadline._id)) await expire(deadline)
      dealtWith.push(deadline._id)
    }
    failpoint('expiry-dealt-with')
    if (dealtWith.length > 0) await deadlines.clear(dealtWith)
    return { lookMillis, isFull: due.length === dueLimit }
  }

  const { DEADLINE_CHECK_INTERVAL_MILLIS: intervalMillis } = config
  const onFailure = (error: unknown) =>
    log.warn({ 'event.name': 'checkout.expiry_check_failed', err: error }, 'deadlines not checked')
  const stop = startPacedLoop({ intervalMillis, firstAfterMillis: intervalMillis, onFailure }, check)
  lifecycle.onStop(stop)
}
