import { activeTraceHeaders, emptyStream } from '../../shared/kernel/react.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import { isTerminal } from '../../shared/saga/flow.ts'
import type { ServiceLogic } from '../runtime/reactor.ts'
import type { Deadlines } from './deadlines.ts'
import type { CheckoutEvent, CheckoutInput, CheckoutState } from './decider.ts'
import { checkout } from './decider.ts'

export type CheckoutLogic = ServiceLogic<CheckoutState, CheckoutEvent, CheckoutInput['event'], undefined>

export const checkoutLogic = (deadlines: Pick<Deadlines, 'enter' | 'settle'>): CheckoutLogic => ({
  decider: checkout,
  consult: () => Promise.resolve(undefined),
  /**
   * The gateway opens the stream, and an event that bears the first commit's id says that it has. Any other
   * CheckoutRequested comes from elsewhere: whether there is a stream, only a read can tell.
   */
  expects: ({ checkoutId, causedBy, event, time }) =>
    event.type === 'CheckoutRequested' && causedBy === `checkout/${checkoutId}@1/0`
      ? { ...emptyStream(checkout.initialState), version: 1, openedAt: time }
      : undefined,
  remember: ({ checkoutId, event }) => {
    if (event.type !== 'CheckoutRequested') return undefined
    const dueAt = new Date(event.data.deadline)
    const entered = deadlines.enter({ checkoutId, dueAt, traceHeaders: activeTraceHeaders() })
    return entered.then(() => failpoint('deadline-entered'))
  },
  onCommit: ({ checkoutId, events }) => {
    if (events.some(({ event }) => isTerminal(event.type))) deadlines.settle(checkoutId)
  },
})
