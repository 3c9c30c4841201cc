/**
 * The console: a page for people who would rather look than read, and what it asks the gateway for. It only reads, and
 * whoever reaches it may read everything; so it is off (GATEWAY_CONSOLE) unless somebody turns it on.
 */
import type Router from '@koa/router'
import { context, trace } from '@opentelemetry/api'
import { suppressTracing } from '@opentelemetry/core'
import type { Middleware } from 'koa'
import { ZodError } from 'zod'
import type { LogLine } from '../../shared/backends/elasticsearch.ts'
import { hasStep } from '../../shared/backends/jaeger.ts'
import { BackendUnavailable } from '../../shared/backends/read-json.ts'
import { isCheckoutId } from '../../shared/saga/checkout-id.ts'
import { isTerminal } from '../../shared/saga/flow.ts'
import { forgetActiveSpan } from '../../shared/telemetry/span-processors.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { CheckoutHistory } from '../checkout-history.ts'
import type { CheckoutView } from '../checkout-view.ts'
import { toView } from '../checkout-view.ts'
import type { CheckoutRoutes } from '../checkouts.ts'
import { getCheckout } from '../checkouts.ts'
import { Problem } from '../problem.ts'
import type { GatewayContext, RequestState } from '../request-state.ts'
import type { ConsoleBackends } from './backends.ts'
import { chartNames, chartRanges } from './charts.ts'
import type { PageFile, PageFiles } from './page-files.ts'

/** Where pages for people are, of those that there are; with a path where a reverse proxy stands in front. */
export interface PageUrls {
  readonly jaeger?: string | undefined
  readonly kibana?: string | undefined
  readonly grafana?: string | undefined
}

export interface Console {
  readonly files: PageFiles
  readonly backends: ConsoleBackends
  readonly pages: PageUrls
}

export interface RecentCheckout {
  readonly checkoutId: string
  readonly status: CheckoutView['status']
  readonly reason?: CheckoutView['reason']
  /** RFC 3339. */
  readonly requestedAt: string
  /** From the request to the last step so far. */
  readonly durationMillis: number
}

export interface SpansAnswer {
  /** The earliest first, of all traces that the checkout is in; cut off at the limit. */
  readonly spans: readonly TraceSpan[]
  /** How many there are. */
  readonly total: number
}

const recentLimit = 20
const spanLimit = 2_000
/** Redrives and, with TRACE_HOPS=link, hops are traces of their own. */
const tracesPerCheckout = 20
/** Each may wait for a backend, and none of them may keep checkouts waiting. */
const readsUnderWay = 32

export const isConsole = (path: unknown): boolean =>
  typeof path === 'string' && (path === '/console' || path.startsWith('/console/'))

/**
 * Keeps the console out of what it shows: a page that looks every few seconds would bury the checkouts in traces and
 * metrics of its own. Stands outermost, so that no answer names a trace that nobody will find.
 */
export const consoleUntraced: Middleware<RequestState> = (ctx, next) => {
  if (!isConsole(ctx.path)) return next()
  forgetActiveSpan()
  return context.with(suppressTracing(trace.deleteSpan(context.active())), next)
}

export function addConsoleRoutes(
  router: Router<RequestState>,
  { files, backends, pages }: Console,
  routes: CheckoutRoutes,
): void {
  const reads = new BoundedReads(readsUnderWay)
  const recent = new RecentCheckouts(backends, routes)
  router
    .get('/console', (ctx) => {
      sendFile(ctx, files.page)
      ctx.set('Content-Security-Policy', files.contentSecurityPolicy)
    })
    .get('/console/api/settings', (ctx) => {
      ctx.body = { pages }
    })
    .get('/console/api/checkouts', async (ctx) => {
      ctx.body = { checkouts: await reads.from('Elasticsearch', () => recent.read()) }
    })
    .get('/console/api/checkouts/:checkoutId', getCheckout(routes))
    .get('/console/api/checkouts/:checkoutId/spans', async (ctx) => {
      const checkoutId = require(ctx, 'checkoutId', isCheckoutId)
      const asked = ctx.query.trace
      const known = isTraceId(asked) ? [asked] : []
      const others = await reads.from('Elasticsearch', () => tracesOf(backends, checkoutId)).catch(() => [])
      const traceIds = [...new Set([...known, ...others])].slice(0, tracesPerCheckout)
      const traces = await Promise.all(
        traceIds.map((traceId) => reads.from('Jaeger', () => backends.spansOfTrace(traceId))),
      )
      ctx.body = cut(traces.filter(hasStep).flat())
    })
    .get('/console/api/checkouts/:checkoutId/logs', async (ctx) => {
      const checkoutId = require(ctx, 'checkoutId', isCheckoutId)
      const logs = await reads.from('Elasticsearch', () => backends.logsOfCheckout(checkoutId))
      ctx.body = { logs: logs.filter(isPartOfCheckout) }
    })
    .get('/console/api/traces/:traceId/spans', async (ctx) => {
      const traceId = require(ctx, 'traceId', isTraceId)
      ctx.body = cut(await reads.from('Jaeger', () => backends.spansOfTrace(traceId)))
    })
    .get('/console/api/traces/:traceId/logs', async (ctx) => {
      const traceId = require(ctx, 'traceId', isTraceId)
      ctx.body = { logs: await reads.from('Elasticsearch', () => backends.logsOfTrace(traceId)) }
    })
    .get('/console/api/charts/:name/:range', async (ctx) => {
      const name = require(ctx, 'name', oneOf(chartNames))
      const range = require(ctx, 'range', oneOf(chartRanges))
      ctx.body = await reads.from('Prometheus', () => backends.chart(name, range))
    })
    .get('/console/*path', (ctx) => {
      const file = files.byPath.get(ctx.path.slice('/console/'.length))
      if (!file) throw notFound()
      sendFile(ctx, file)
    })
}

/** https://www.w3.org/TR/trace-context/#trace-id */
const isTraceId = (text: unknown): text is string =>
  typeof text === 'string' && /^(?!0{32})[0-9a-f]{32}$/.test(text)

const oneOf =
  <Value extends string>(values: readonly Value[]) =>
  (text: string | undefined): text is Value =>
    values.some((value) => value === text)

/** A parameter of the path, of which nothing goes into another URL before it is checked. @throws Problem not_found */
function require<Value extends string>(
  ctx: GatewayContext,
  name: string,
  isValid: (text: string | undefined) => text is Value,
): Value {
  const value: string | undefined = ctx.params[name]
  if (!isValid(value)) throw notFound()
  return value
}

const notFound = (): Problem => new Problem('not_found', 'The console has nothing at this address.')

function sendFile(ctx: GatewayContext, { mediaType, body, etag }: PageFile): void {
  ctx.set({ 'Content-Type': mediaType, 'Cache-Control': 'no-cache', ETag: etag })
  ctx.body = body
  ctx.status = 200
  if (ctx.fresh) ctx.status = 304
}

const cut = (spans: readonly TraceSpan[]): SpansAnswer => ({
  spans: spans.toSorted((a, b) => a.startMicros - b.startMicros).slice(0, spanLimit),
  total: spans.length,
})

/** False for the requests of whoever only asked how it stands, as this page does to show its steps. */
const isPartOfCheckout = ({ attributes }: LogLine): boolean => attributes['http.request.method'] !== 'GET'

/** The traces that a checkout's log lines are in. */
async function tracesOf(backends: ConsoleBackends, checkoutId: string): Promise<string[]> {
  const lines = await backends.logsOfCheckout(checkoutId)
  return lines
    .filter(isPartOfCheckout)
    .map(({ traceId }) => traceId)
    .filter(isTraceId)
}

/** Reads from backends, so many at once. */
class BoundedReads {
  readonly #limit: number
  #underWay = 0

  constructor(limit: number) {
    this.#limit = limit
  }

  /** @throws Problem backend_unavailable naming the backend, or overloaded */
  async from<T>(backend: string, read: () => Promise<T>): Promise<T> {
    if (this.#underWay >= this.#limit) {
      throw new Problem('overloaded', `${this.#limit} reads for the console are under way.`, {
        headers: { 'Retry-After': '1' },
      })
    }
    this.#underWay++
    try {
      return await read()
    } catch (error) {
      if (!(error instanceof BackendUnavailable || error instanceof ZodError)) throw error
      const what = error instanceof ZodError ? 'answers what cannot be read' : 'does not answer'
      throw new Problem('backend_unavailable', `${backend} ${what}.`, { cause: error })
    } finally {
      this.#underWay--
    }
  }
}

/** Reads how the latest checkouts stand; those that have ended are remembered, for they will not change. */
class RecentCheckouts {
  readonly #backends: ConsoleBackends
  readonly #routes: CheckoutRoutes
  readonly #ended = new Map<string, RecentCheckout>()

  constructor(backends: ConsoleBackends, routes: CheckoutRoutes) {
    this.#backends = backends
    this.#routes = routes
  }

  async read(): Promise<readonly RecentCheckout[]> {
    const ids = (await this.#backends.acceptedCheckouts(recentLimit)).filter(isCheckoutId)
    const states = await Promise.all(ids.map(async (id) => this.#ended.get(id) ?? this.#look(id)))
    // A store that was emptied knows less than the logs.
    return states.filter((state) => state !== undefined)
  }

  async #look(checkoutId: string): Promise<RecentCheckout | undefined> {
    const { streams, storeGuard } = this.#routes
    const history = new CheckoutHistory(streams, checkoutId)
    await storeGuard.run(() => history.advance())
    const view = toView(history)
    const first = view?.steps[0]
    const last = view?.steps.at(-1)
    if (!view || !first || !last) return undefined
    const state = {
      checkoutId,
      status: view.status,
      ...(view.reason && { reason: view.reason }),
      requestedAt: first.time,
      durationMillis: last.sinceRequestMillis,
    }
    if (isTerminal(last.type)) this.#remember(state)
    return state
  }

  #remember(state: RecentCheckout): void {
    this.#ended.set(state.checkoutId, state)
    const [oldest] = this.#ended.keys()
    if (this.#ended.size > recentLimit * 5 && oldest !== undefined) this.#ended.delete(oldest)
  }
}
