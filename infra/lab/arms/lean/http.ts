/**
 * node:http, the side that answers: a span for each request but probes, and how long each took. In place of
 * @opentelemetry/instrumentation-http with the hooks that Sagascope gives it; requests that go out are left alone, of
 * which only telemetry makes any.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { Server } from 'node:http'
import type { Attributes } from '@opentelemetry/api'
import {
  context,
  metrics,
  propagation,
  ROOT_CONTEXT,
  SpanKind,
  SpanStatusCode,
  trace,
} from '@opentelemetry/api'
import { dropPassengers, requestAttributes } from '../../../../shared/telemetry/incoming-request.ts'
import { createPublicEdge } from '../../../../shared/telemetry/public-edge.ts'
import { isLeftOut } from './recording.ts'

const isProbe = (url: string | undefined): boolean => url === '/healthz' || url === '/readyz'

const routes = new WeakMap<IncomingMessage, string>()

/** For whoever knows: the template of the path, under which the request is counted. */
export function nameRoute(request: IncomingMessage, route: string): void {
  routes.set(request, route)
}

interface Emitter {
  emit: (event: string | symbol, ...args: unknown[]) => boolean
}

export function instrumentHttpServer(prototype: Emitter = Server.prototype as unknown as Emitter): void {
  const { emit } = prototype
  const edge = createPublicEdge(process.env.INCOMING_TRACE_CONTEXT)
  const tracer = trace.getTracer('sagascope-lean/http')
  const duration = metrics.getMeter('sagascope-lean/http').createHistogram('http.server.request.duration', {
    description: 'Duration of HTTP server requests.',
    unit: 's',
    advice: {
      explicitBucketBoundaries: [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10],
    },
  })

  prototype.emit = function (event, ...args) {
    if (event !== 'request') return emit.call(this, event, ...args)
    const [request, response] = args as [IncomingMessage, ServerResponse]
    if (isProbe(request.url)) return emit.call(this, event, request, response)

    const startedAt = performance.now()
    edge.onRequest(request)
    dropPassengers(request)
    const extracted = hasContext(request) ? propagation.extract(ROOT_CONTEXT, request.headers) : ROOT_CONTEXT
    const method = methodOf(request)
    const span = isLeftOut(trace.getSpanContext(extracted))
      ? undefined
      : tracer.startSpan(
          method,
          {
            kind: SpanKind.SERVER,
            attributes: {
              'http.request.method': method,
              'url.scheme': 'http',
              'url.path': requestAttributes(request)['url.path'],
            },
          },
          extracted,
        )
    if (span) edge.onSpan(span, request)

    response.once('close', () => {
      const status = response.statusCode
      const route = routes.get(request)
      const answered = {
        'http.response.status_code': status,
        ...(route !== undefined && { 'http.route': route }),
        ...(status >= 500 && { 'error.type': String(status) }),
      }
      if (span) {
        span.setAttributes(answered)
        if (route !== undefined) span.updateName(`${method} ${route}`)
        if (status >= 500) span.setStatus({ code: SpanStatusCode.ERROR })
        if (response.errored) {
          span.recordException(response.errored)
          span.setStatus({ code: SpanStatusCode.ERROR, message: response.errored.message })
        }
        span.end()
      }
      const attributes: Attributes = { 'http.request.method': method, 'url.scheme': 'http', ...answered }
      duration.record((performance.now() - startedAt) / 1_000, attributes)
    })
    const inside = span ? trace.setSpan(extracted, span) : extracted
    return context.with(inside, emit, this, event, request, response)
  }
}

const hasContext = ({ headers }: IncomingMessage): boolean =>
  headers.traceparent !== undefined || headers.b3 !== undefined || headers['x-b3-traceid'] !== undefined

const knownMethods = new Set([
  'GET',
  'HEAD',
  'POST',
  'PUT',
  'DELETE',
  'CONNECT',
  'OPTIONS',
  'TRACE',
  'PATCH',
  'QUERY',
])

/** Anything else is the caller's words. */
const methodOf = ({ method = 'GET' }: IncomingMessage): string =>
  knownMethods.has(method) ? method : '_OTHER'
