/** The routes under /checkouts. */
import { Readable } from 'node:stream'
import { isCheckoutId } from '../shared/contracts/checkout-id.ts'
import { isTerminal } from '../shared/contracts/flow.ts'
import { withSagaId } from '../shared/telemetry/saga-id.ts'
import type { Commit } from '../shared/store/event-store.ts'
import type { StreamReader } from './checkout-history.ts'
import { CheckoutHistory } from './checkout-history.ts'
import { parseCheckoutRequest } from './checkout-request.ts'
import type { CheckoutView } from './checkout-view.ts'
import { linksOf, toView, traceIdOfCommit } from './checkout-view.ts'
import { followCheckout } from './follow-checkout.ts'
import { parseIdempotencyKey } from './idempotency.ts'
import { readJson } from './json-body.ts'
import { Problem } from './problem.ts'
import type { CheckoutRegister } from './request-checkout.ts'
import { chooseCheckoutId, writeRequest } from './request-checkout.ts'
import type { GatewayContext } from './request-state.ts'
import { nameSaga } from './request-state.ts'
import { eventStreamMediaType } from './server-sent-events.ts'

export interface StreamLimits {
  /** How many event streams may be open at once. */
  readonly concurrent: number
  readonly pollIntervalMillis: number
  readonly heartbeatIntervalMillis: number
  /** How long a checkout is followed past its deadline. */
  readonly beyondDeadlineMillis: number
}

export const defaultStreamLimits: StreamLimits = {
  concurrent: 200,
  pollIntervalMillis: 200,
  heartbeatIntervalMillis: 15_000,
  beyondDeadlineMillis: 300_000,
}

export interface CheckoutRoutes {
  readonly register: CheckoutRegister
  /** One for each service. */
  readonly streams: readonly StreamReader[]
  /** Counts and publishes a commit; never rejects. */
  readonly publish: (commit: Commit) => Promise<void>
  readonly draining: AbortSignal
  readonly streamLimits?: StreamLimits
}

const streamsRetryAfterSeconds = 10

export const postCheckout = ({ register, publish }: CheckoutRoutes) => {
  return async (ctx: GatewayContext): Promise<void> => {
    const idempotencyKey = parseIdempotencyKey(ctx.headers['idempotency-key'])
    const request = parseCheckoutRequest(await readJson(ctx.req))
    const checkoutId = await chooseCheckoutId(register, request, idempotencyKey)
    nameSaga(ctx.state, checkoutId)
    await withSagaId(checkoutId, async () => {
      const { commit, isNew } = await writeRequest(register, checkoutId, request)
      // Once the answer is out. It promises what is in the store; Kafka hears of it now or from the sweep.
      if (isNew) setImmediate(() => void publish(commit))
      ctx.status = 202
      ctx.set('Location', linksOf(checkoutId).self)
      ctx.body = {
        checkoutId,
        status: 'requested',
        traceId: traceIdOfCommit(commit),
        links: linksOf(checkoutId),
      }
    })
  }
}

export const getCheckout = ({ streams }: CheckoutRoutes) => {
  return async (ctx: GatewayContext): Promise<void> => {
    ctx.body = (await readCheckout(ctx, streams)).view
  }
}

export const getCheckoutEvents = (routes: CheckoutRoutes) => {
  const { streams, register, draining, streamLimits: limits = defaultStreamLimits } = routes
  let open = 0
  return async (ctx: GatewayContext): Promise<void> => {
    const { history, view } = await readCheckout(ctx, streams)
    const lastEventId = ctx.get('Last-Event-ID')
    const last = view.steps.find(({ id }) => id === lastEventId)
    if (last && isTerminal(last.type)) {
      ctx.status = 204 // nothing will come any more, and a browser stops asking
      return
    }
    if (open >= limits.concurrent) throw tooManyStreams(limits.concurrent)
    open++
    const stream = Readable.from(
      followCheckout(history, {
        ...limits,
        seen: history.upTo(lastEventId),
        until: new Date(Date.parse(view.deadline) + limits.beyondDeadlineMillis),
        now: register.now,
        signal: draining,
      }),
    )
    // Koa destroys the stream when the client goes away.
    stream.once('close', () => open--)
    ctx.type = eventStreamMediaType
    // No proxy may collect it, and no next request may come on its connection, for which a drain would wait.
    ctx.set({ 'X-Accel-Buffering': 'no', Connection: 'close' })
    ctx.body = stream
  }
}

interface ReadCheckout {
  readonly history: CheckoutHistory
  readonly view: CheckoutView
}

/** @throws Problem checkout_not_found */
async function readCheckout(ctx: GatewayContext, streams: readonly StreamReader[]): Promise<ReadCheckout> {
  const { checkoutId = '' } = ctx.params
  if (!isCheckoutId(checkoutId)) throw checkoutNotFound()
  const history = new CheckoutHistory(streams, checkoutId)
  await withSagaId(checkoutId, () => history.advance())
  const view = toView(history)
  if (!view) throw checkoutNotFound()
  nameSaga(ctx.state, checkoutId)
  return { history, view }
}

const checkoutNotFound = (): Problem =>
  new Problem('checkout_not_found', 'Ask for the address that the Location header of the 202 gave.')

const tooManyStreams = (limit: number): Problem =>
  new Problem('too_many_streams', `${limit} are open; ask again later, or read the checkout itself.`, {
    headers: { 'Retry-After': streamsRetryAfterSeconds.toString() },
  })
