import { emptyStream } from '../../shared/kernel/react.ts'
import type { Consumed } from '../../shared/saga/flow.ts'
import type { ServiceLogic } from '../runtime/reactor.ts'
import type { OrdersEvent, OrdersState } from './decider.ts'
import { orders } from './decider.ts'

export const ordersLogic: ServiceLogic<OrdersState, OrdersEvent, Consumed<'orders'>, undefined> = {
  decider: orders,
  consult: () => Promise.resolve(undefined),
  // UserRegistered normally opens an orders stream, so the first read can be skipped.
  expects: ({ event }) => (event.type === 'UserRegistered' ? emptyStream(orders.initialState) : undefined),
}
