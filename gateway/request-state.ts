/** What the gateway remembers of a request while it answers it; Koa's `ctx.state`. */
import type { RouterContext } from '@koa/router'
import type { Span } from '@opentelemetry/api'
import { isSpanContextValid } from '@opentelemetry/api'
import { ATTR_SAGA_ID } from '../shared/telemetry/saga-id.ts'

export interface RequestState {
  /** The span of the whole request; absent when telemetry is off. */
  serverSpan?: Span
  /** The checkout that the request turned out to be about. */
  sagaId?: string
}

export type GatewayContext = RouterContext<RequestState>

/** The trace that the request belongs to, or null when telemetry is off. */
export function traceIdOf({ serverSpan }: RequestState): string | null {
  const spanContext = serverSpan?.spanContext()
  return spanContext && isSpanContextValid(spanContext) ? spanContext.traceId : null
}

/** Makes the request findable by its checkout: on the server span, and on the access log's line. */
export function nameSaga(state: RequestState, checkoutId: string): void {
  state.sagaId = checkoutId
  state.serverSpan?.setAttribute(ATTR_SAGA_ID, checkoutId)
}
