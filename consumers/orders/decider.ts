/** Orders: prices what was asked for, places it, and confirms or cancels it as the money goes. */
import { findProduct } from '../../shared/saga/catalogue.ts'
import type { Decider, Input } from '../../shared/saga/decider.ts'
import type { EventOf, Order, Reason } from '../../shared/saga/events.ts'
import type { Consumed, Produced } from '../../shared/saga/flow.ts'

export type OrdersState =
  | { readonly status: 'unknown' }
  | { readonly status: 'rejected' }
  | { readonly status: 'placed'; readonly orderId: string }
  | { readonly status: 'confirmed'; readonly orderId: string }
  | { readonly status: 'cancelled' }

export type OrdersInput = Input<Consumed<'orders'>>
export type OrdersEvent = Produced<'orders'>

export const orders: Decider<OrdersState, OrdersInput, OrdersEvent> = {
  initialState: { status: 'unknown' },

  decide({ checkoutId, event }, state) {
    switch (event.type) {
      case 'UserRegistered':
        return place(`order-${checkoutId}`, event, state)
      case 'PaymentCaptured':
        return confirm(state)
      case 'PaymentDeclined':
      case 'PaymentRefunded':
        return cancel(event.data.reason, state)
      default:
        return event satisfies never
    }
  },

  evolve(_state, event) {
    switch (event.type) {
      case 'OrderPlaced':
        return { status: 'placed', orderId: event.data.orderId }
      case 'OrderRejected':
        return { status: 'rejected' }
      case 'OrderConfirmed':
        return { status: 'confirmed', orderId: event.data.orderId }
      case 'OrderCancelled':
        return { status: 'cancelled' }
      default:
        return event satisfies never
    }
  },
}

function place(
  orderId: string,
  { data }: EventOf<'UserRegistered'>,
  state: OrdersState,
): readonly OrdersEvent[] {
  if (state.status !== 'unknown') return []
  const priced = price(data.order)
  if ('refused' in priced) return [{ type: 'OrderRejected', data: priced.refused }]
  const { items } = priced
  const amount = items.reduce((sum, item) => sum + item.quantity * item.unitPrice, 0)
  const { userId, payment } = data
  return [
    { type: 'OrderPlaced', data: { orderId, userId, items, total: { amount, currency: 'EUR' }, payment } },
  ]
}

function confirm(state: OrdersState): readonly OrdersEvent[] {
  if (state.status !== 'placed') return []
  return [{ type: 'OrderConfirmed', data: { orderId: state.orderId } }]
}

function cancel(reason: Reason, state: OrdersState): readonly OrdersEvent[] {
  switch (state.status) {
    case 'rejected':
    case 'cancelled':
      return []
    case 'unknown': // voided before its user arrived: cancelled now, so that it is never placed
      return [{ type: 'OrderCancelled', data: { orderId: null, reason } }]
    case 'placed':
    case 'confirmed':
      return [{ type: 'OrderCancelled', data: { orderId: state.orderId, reason } }]
    default:
      return state satisfies never
  }
}

type PricedItems = EventOf<'OrderPlaced'>['data']['items']
type Refusal = EventOf<'OrderRejected'>['data']

/**
 * The items at the prices of the catalogue, or the first that cannot be sold. Quantities of one SKU add up over
 * the lines of an order.
 */
function price(order: Order): { readonly items: PricedItems } | { readonly refused: Refusal } {
  const items: PricedItems = []
  const wanted = new Map<string, number>()
  for (const { sku, quantity } of order.items) {
    const product = findProduct(sku)
    if (!product) return { refused: { reason: 'unknown_sku', sku } }
    if (!product.inStock) return { refused: { reason: 'out_of_stock', sku } }
    const total = (wanted.get(sku) ?? 0) + quantity
    if (total > product.limitPerOrder) return { refused: { reason: 'quantity_limit_exceeded', sku } }
    wanted.set(sku, total)
    items.push({ sku, quantity, unitPrice: product.price.amount })
  }
  return { items }
}
