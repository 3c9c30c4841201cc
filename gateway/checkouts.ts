/** The routes under /checkouts. */
import { Readable } from 'node:stream'
import { isCheckoutId } from '../shared/saga/checkout-id.ts'
import { isTerminal } from '../shared/saga/flow.ts'
import { failpoint } from '../shared/process/failpoints.ts'
import { withSagaId } from '../shared/telemetry/saga-id.ts'
import type { Commit } from '../shared/kernel/event-store.ts'
import type { BacklogLimit } from './backlog-limit.ts'
import type { StreamReader } from './checkout-history.ts'
import { CheckoutHistory } from './checkout-history.ts'
import { parseCheckoutRequest } from './checkout-request.ts'
import type { CheckoutView } from './checkout-view.ts'
import { linksOf, toView, traceIdOfCommit } from './checkout-view.ts'
import { followCheckout } from './follow-checkout.ts'
import { checkoutIdFor, parseIdempotencyKey } from './idempotency.ts'
import { readJson } from './json-body.ts'
import { Problem } from './problem.ts'
import type { CheckoutRegister, Written } from './request-checkout.ts'
import { writeRequest } from './request-checkout.ts'
import type { GatewayContext } from './request-state.ts'
import { nameSaga } from './request-state.ts'
import { eventStreamMediaType } from './server-sent-events.ts'
import type { StoreGuard } from './store-guard.ts'
import { StoreTrouble } from './store-guard.ts'

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
  readonly storeGuard: StoreGuard
  readonly backlogLimit: BacklogLimit
  /** Counts a commit that is new, and publishes it unless it is known to be on Kafka; never rejects. */
  readonly publish: (commit: Commit, isNew: boolean) => Promise<void>
  readonly draining: AbortSignal
  readonly streamLimits?: StreamLimits
}

const streamsRetryAfterSeconds = 10
const outcomeRetryAfterSeconds = 5

export const postCheckout = (routes: CheckoutRoutes) => {
  const { register, publish, storeGuard, backlogLimit } = routes
  return async (ctx: GatewayContext): Promise<void> => {
    const idempotencyKey = parseIdempotencyKey(ctx.headers['idempotency-key'])
    const request = parseCheckoutRequest(await readJson(ctx.req))
    failpoint('request-read')
    backlogLimit.requireRoom()

    const checkoutId = checkoutIdFor(idempotencyKey)
    const accept = async (signal: AbortSignal): Promise<Written> => {
      nameSaga(ctx.state, checkoutId)
      return withSagaId(checkoutId, async () => {
        const written = await writeRequest(register, checkoutId, request, signal)
        failpoint('request-committed')
        // Once the answer is out. It promises what is in the store; Kafka hears of it now, or from whoever finds it. A
        // request that comes again may be the last that knows of a commit whose gateway has died.
        setImmediate(() => {
          failpoint('request-answered')
          void publish(written.commit, written.isNew)
        })
        return written
      })
    }
    try {
      const { commit } = await storeGuard.run(accept)
      const links = linksOf(commit.checkoutId)
      ctx.status = 202
      ctx.set('Location', links.self)
      ctx.body = {
        checkoutId: commit.checkoutId,
        status: 'requested',
        traceId: traceIdOfCommit(commit),
        links,
      }
    } catch (error) {
      if (!(error instanceof StoreTrouble) || !error.wasAsked) throw error
      throw outcomeUnknown(checkoutId, error)
    }
  }
}

export const getCheckout = (routes: CheckoutRoutes) => {
  return async (ctx: GatewayContext): Promise<void> => {
    ctx.body = (await readCheckout(ctx, routes)).view
  }
}

export const getCheckoutEvents = (routes: CheckoutRoutes) => {
  const { register, draining, streamLimits: limits = defaultStreamLimits } = routes
  let open = 0
  return async (ctx: GatewayContext): Promise<void> => {
    const { history, view } = await readCheckout(ctx, routes)
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
async function readCheckout(
  ctx: GatewayContext,
  { streams, storeGuard }: CheckoutRoutes,
): Promise<ReadCheckout> {
  const { checkoutId = '' } = ctx.params
  if (!isCheckoutId(checkoutId)) throw checkoutNotFound()
  const history = new CheckoutHistory(streams, checkoutId)
  await withSagaId(checkoutId, () => storeGuard.run(() => history.advance()))
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

const outcomeUnknown = (checkoutId: string, cause: StoreTrouble): Problem =>
  new Problem(
    'outcome_unknown',
    'The store did not say in time whether it has the request. Send it again with the same Idempotency-Key, which ' +
      `makes one checkout of both; sent without a key it may have become ${linksOf(checkoutId).self} all the same.`,
    { cause, headers: { 'Retry-After': outcomeRetryAfterSeconds.toString() } },
  )
