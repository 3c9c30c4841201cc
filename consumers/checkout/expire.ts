/** Looks for checkouts whose deadline has passed and has the decider say what follows. */
import { setTimeout as delay } from 'node:timers/promises'
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import type { WriterDocument } from '../../shared/kernel/writers.ts'
import { Writers } from '../../shared/kernel/writers.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import { isTerminal } from '../../shared/saga/flow.ts'
import { withSagaId } from '../../shared/telemetry/saga-id.ts'
import { count } from '../../shared/telemetry/saga-metrics.ts'
import { reactAndPublish } from '../runtime/reactor.ts'
import type { ServiceTools } from '../runtime/service.ts'
import type { Deadline, Deadlines } from './deadlines.ts'
import type { CheckoutLogic } from './logic.ts'

const tracer = trace.getTracer('sagascope')

/** How many deadlines are dealt with side by side. */
const togetherLimit = 20

/** Checks at intervals until the process stops, and takes over what dead processes have left. */
export function startExpiring(tools: ServiceTools, logic: CheckoutLogic, deadlines: Deadlines): void {
  const { config, lifecycle, log, store, outbox, connection } = tools
  const reactor = { store, logic, outbox }

  const expire = async ({ checkoutId, traceHeaders }: Deadline): Promise<void> => {
    // The expiry is a step of the checkout, so it belongs to the checkout's trace.
    const origin = propagation.extract(ROOT_CONTEXT, traceHeaders)
    const span = tracer.startSpan('expire checkout', { kind: SpanKind.INTERNAL }, origin)
    await context.with(trace.setSpan(origin, span), () =>
      withSagaId(checkoutId, async () => {
        try {
          failpoint('deadline-due')
          const causedBy = `deadline/${checkoutId}`
          const onCommitted = (): void => {
            count({ type: 'CheckoutExpired', data: { reason: 'checkout_expired' } })
            log.warn({ 'event.name': 'checkout.expired', 'saga.id': checkoutId }, 'checkout expired')
            failpoint('expiry-committed')
          }
          const question = { checkoutId, causedBy, event: { type: 'DeadlinePassed' } } as const
          await reactAndPublish(reactor, question, { onCommitted })
        } finally {
          span.end()
        }
      }),
    )
  }

  /** Asked outside any span, so that a checkout that has ended gets nothing added to its trace. */
  const isOpen = async (checkoutId: string): Promise<boolean> => {
    // Of most that are asked about, because another process has died, the second commit is the end.
    const second = await store.find(checkoutId, 2)
    if (second?.events.some(({ event }) => isTerminal(event.type))) return false
    const { events } = await store.read(checkoutId)
    // One that has expired is asked again: its expiry may not be on its topic.
    return !events.some(({ event }) => isTerminal(event.type))
  }

  const dealWith = async (deadline: Deadline): Promise<void> => {
    if (await isOpen(deadline.checkoutId)) await expire(deadline)
    failpoint('expiry-dealt-with')
    deadlines.settle(deadline.checkoutId)
  }

  const check = async (): Promise<void> => {
    const due = deadlines.due(new Date())
    for (let start = 0; start < due.length && !lifecycle.signal.aborted; start += togetherLimit) {
      await Promise.all(due.slice(start, start + togetherLimit).map(dealWith))
    }
  }

  const loop = async (): Promise<void> => {
    while (!lifecycle.signal.aborted) {
      const { DEADLINE_CHECK_INTERVAL_MILLIS: intervalMillis } = config
      await delay(intervalMillis, undefined, { signal: lifecycle.signal }).catch(() => undefined)
      await check().catch((error: unknown) =>
        log.warn({ 'event.name': 'checkout.expiry_check_failed', err: error }, 'deadlines not checked'),
      )
    }
  }

  const running = loop()
  lifecycle.onStop(() => running)
  lookAfterWriters()
  lifecycle.onStop(() => deadlines.stop())

  function lookAfterWriters(): void {
    const writers = new Writers(connection.databaseOf('checkout'))
    const inBackground = (work: Promise<void>): void => {
      work.catch((error: unknown) =>
        log.warn({ 'event.name': 'checkout.deadlines_not_cleared', err: error }, 'deadlines not cleared'),
      )
    }
    let clearedTo = 1
    const adopted = new Map<string, 'under way' | 'done'>()
    const adopt = async (document: WriterDocument): Promise<void> => {
      const { _id: writer, deadlinesFrom = 1 } = document
      if (adopted.get(writer) === 'under way') return
      const isFirst = !adopted.has(writer)
      adopted.set(writer, 'under way')
      try {
        if (isFirst) await deadlines.adopt(writer, deadlinesFrom)
        if (deadlines.isDone(writer)) {
          await writers.markDeadlinesDone(document)
          await deadlines.clearAdopted(writer)
        }
        adopted.set(writer, 'done')
      } catch (error) {
        if (isFirst) adopted.delete(writer)
        else adopted.set(writer, 'done')
        throw error
      }
    }
    outbox.lookAfter({
      deadlinesFrom: () => deadlines.from,
      onRenewed: ({ _id: writer, deadlinesFrom = 1 }) => {
        if (deadlinesFrom === clearedTo) return
        inBackground(deadlines.clear(writer, clearedTo, deadlinesFrom))
        clearedTo = deadlinesFrom
      },
      onDead: (document) => {
        if (document.deadlinesFrom !== undefined && document.deadlinesAreDone !== true)
          inBackground(adopt(document))
      },
    })
  }
}
