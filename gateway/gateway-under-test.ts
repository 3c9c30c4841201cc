/** For tests: the whole gateway over real HTTP on a free port, with in-memory stores and with tracing. */
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import type { AddressInfo } from 'node:net'
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import type { InMemorySpanExporter } from '@opentelemetry/sdk-trace'
import bunyan from 'bunyan'
import type { SagaEvent, Service } from '../shared/saga/events.ts'
import { services } from '../shared/saga/events.ts'
import type { Commit } from '../shared/kernel/event-store.ts'
import { createPropagator } from '../shared/telemetry/propagation.ts'
import { createRecordingLogger } from '../shared/telemetry/recording-logger.ts'
import { recordSpans } from '../shared/telemetry/recorded-spans.ts'
import type { GatewayDeps } from './app.ts'
import { createApp } from './app.ts'
import { BacklogLimit } from './backlog-limit.ts'
import { Callers } from './callers.ts'
import type { ServerLimits } from './edge-server.ts'
import { createEdgeServer, defaultServerLimits } from './edge-server.ts'
import { InMemoryEventStore } from './in-memory-event-store.ts'
import { StoreGuard } from './store-guard.ts'

export const goodRequest = {
  user: { email: 'ada@example.com', name: 'Ada Lovelace' },
  order: { items: [{ sku: 'SAGA-MUG', quantity: 2 }] },
  payment: { token: 'tok_visa' },
}

export interface GatewayUnderTest {
  readonly url: string
  readonly stores: Readonly<Record<Service, InMemoryEventStore>>
  readonly published: readonly Commit[]
  /** What came again under its key, and may not have been published by the gateway that wrote it. */
  readonly republished: readonly Commit[]
  readonly logLines: readonly Record<string, unknown>[]
  readonly spans: InMemorySpanExporter
  readonly drain: AbortController
  post(body: unknown, headers?: Record<string, string>): Promise<Response>
  get(path: string, headers?: Record<string, string>): Promise<Response>
  /** Appends what a service would. */
  happen(service: Service, checkoutId: string, causedBy: string, event: SagaEvent, at?: Date): Promise<string>
  close(): Promise<void>
}

/** @param overrides what this test wants to behave differently */
export async function startGateway(
  overrides: Partial<GatewayDeps> = {},
  serverLimits: Partial<ServerLimits> = {},
): Promise<GatewayUnderTest> {
  const recorded = recordSpans()
  const { tracer, exporter: spans } = recorded
  propagation.setGlobalPropagator(createPropagator())
  const stores = {
    users: new InMemoryEventStore('users'),
    orders: new InMemoryEventStore('orders'),
    payments: new InMemoryEventStore('payments'),
    checkout: new InMemoryEventStore('checkout'),
  }
  const published: Commit[] = []
  const republished: Commit[] = []
  const { log, lines: logLines } = createRecordingLogger()
  const drain = new AbortController()
  const deps = {
    ...dependenciesFor(stores),
    publish: (commit: Commit, isNew: boolean) => {
      if (isNew) published.push(commit)
      else republished.push(commit)
      return Promise.resolve()
    },
    draining: drain.signal,
    log,
    ...overrides,
  }
  const handle = createApp(deps).callback()
  const listener: RequestListener = (request, response) => {
    // What the HTTP instrumentation does in a real process.
    const parent = propagation.extract(ROOT_CONTEXT, request.headers)
    const span = tracer.startSpan('server', { kind: SpanKind.SERVER }, parent)
    response.once('close', () => span.end())
    context.with(trace.setSpan(parent, span), () => void handle(request, response))
  }
  const server = createEdgeServer(listener, { ...defaultServerLimits, ...serverLimits }, deps.callers)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`

  return {
    url,
    stores,
    published,
    republished,
    logLines,
    spans,
    drain,
    post: (body, headers = {}) =>
      fetch(`${url}/checkouts`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...headers },
        body: typeof body === 'string' ? body : JSON.stringify(body),
      }),
    get: (path, headers = {}) => fetch(`${url}${path}`, { headers }),
    happen: async (service, checkoutId, causedBy, event, at = new Date()) => {
      const { version } = await stores[service].read(checkoutId)
      const result = await stores[service].append({
        checkoutId,
        version: version + 1,
        causedBy,
        at,
        events: [event],
        traceHeaders: {},
      })
      if (result.outcome !== 'appended') throw new Error(`not appended: ${result.outcome}`)
      return result.commit.events[0]?.id ?? ''
    },
    close: async () => {
      drain.abort()
      const closed = once(server, 'close')
      server.close()
      server.closeAllConnections()
      await closed
      recorded.stop()
      propagation.disable()
    },
  }
}

/** What `createApp` and `createRouter` need, working and silent. */
export function dependenciesFor(stores: Readonly<Record<Service, InMemoryEventStore>>): GatewayDeps {
  return {
    register: {
      store: stores.checkout,
      now: () => new Date(),
      deadlineMillis: 60_000,
    },
    streams: services.map((service) => stores[service]),
    storeGuard: new StoreGuard({ timeoutMillis: 5_000, underWayLimit: 1_000, ping: () => Promise.resolve() }),
    backlogLimit: new BacklogLimit({ commits: 1_000, ageMillis: 60_000 }, () => ({
      commits: 0,
      oldestAgeMillis: 0,
    })),
    callers: new Callers([]),
    rateLimits: { perCaller: 10_000, overall: 10_000 },
    publish: () => Promise.resolve(),
    draining: new AbortController().signal,
    streamLimits: {
      concurrent: 3,
      pollIntervalMillis: 10,
      heartbeatIntervalMillis: 30,
      beyondDeadlineMillis: 60_000,
    },
    log: bunyan.createLogger({ name: 'gateway', streams: [] }),
    readiness: () =>
      Promise.resolve({ status: 'ready', store: 'reachable', kafka: 'connected', draining: false }),
  }
}
