/** A checkout's steps as server-sent events: those that there are, then live, until the end. */
import { setTimeout as delay } from 'node:timers/promises'
import type { CheckoutHistory } from './checkout-history.ts'
import { untraced } from '../shared/telemetry/untraced.ts'
import { isTerminal } from '../shared/saga/flow.ts'
import { toView } from './checkout-view.ts'
import { heartbeat, reconnectAfter, serverSentEvent } from './server-sent-events.ts'

export interface Following {
  /** Ids of the steps that the client has. */
  readonly seen: ReadonlySet<string>
  /** A checkout that has not ended by then is followed no longer. */
  readonly until: Date
  readonly now: () => Date
  /** Aborted when the process drains: the client connects again, elsewhere. */
  readonly signal: AbortSignal
  readonly pollIntervalMillis: number
  readonly heartbeatIntervalMillis: number
}

const reconnectMillis = 1_000

/** @param history of a checkout that exists, advanced at least once */
export async function* followCheckout(
  history: CheckoutHistory,
  following: Following,
): AsyncGenerator<string> {
  const { until, now, signal, pollIntervalMillis, heartbeatIntervalMillis } = following
  const seen = new Set(following.seen)
  yield reconnectAfter(reconnectMillis)
  let lastWriteAt = performance.now()
  for (;;) {
    const view = toView(history)
    if (!view || signal.aborted) return
    for (const step of view.steps) {
      if (seen.has(step.id)) continue
      seen.add(step.id)
      yield serverSentEvent('step', step, step.id)
      lastWriteAt = performance.now()
    }
    if (view.steps.some(({ type }) => isTerminal(type)) || now() > until) {
      const { status, reason } = view
      yield serverSentEvent('end', { status, reason })
      return
    }
    if (performance.now() - lastWriteAt >= heartbeatIntervalMillis) {
      yield heartbeat
      lastWriteAt = performance.now()
    }
    if (!(await waited(pollIntervalMillis, signal))) return
    await advanceUntraced(history)
  }
}

/** A stream looks several times a second, and looking is no step of the checkout. */
const advanceUntraced = (history: CheckoutHistory): Promise<boolean> => untraced(() => history.advance())

const waited = (millis: number, signal: AbortSignal): Promise<boolean> =>
  delay(millis, true, { signal }).catch(() => false)
