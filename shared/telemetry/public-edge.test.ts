import { deepEqual, equal, ok } from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingHttpHeaders, Server } from 'node:http'
import { createRequire } from 'node:module'
import type { AddressInfo } from 'node:net'
import { context, propagation } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { HttpInstrumentation } from '@opentelemetry/instrumentation-http'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { createPropagator } from './propagation.ts'
import { createPublicEdge } from './public-edge.ts'

const callersTrace = '0af7651916cd43dd8448eb211c80319c'
const callersSpan = 'b7ad6b7169203331'
const sent = {
  traceparent: `00-${callersTrace}-${callersSpan}-01`,
  tracestate: 'vendor=1',
  baggage: 'shop=north',
}
const b3 = `${callersTrace}-${callersSpan}-1`

describe('the public edge, over HTTP', () => {
  const exporter = new InMemorySpanExporter()
  let instrumentation: HttpInstrumentation
  let server: Server
  /** What the application behind the edge sees and would send on. */
  let seen: { headers: IncomingHttpHeaders; onward: Record<string, string> } | undefined

  async function listen(setting?: string): Promise<void> {
    propagation.setGlobalPropagator(createPropagator('b3'))
    context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
    const edge = createPublicEdge(setting)
    instrumentation = new HttpInstrumentation({
      ignoreIncomingRequestHook: (request) => {
        edge.onRequest(request)
        return false
      },
      requestHook: (span, request) => edge.onSpan(span, request),
      disableOutgoingRequestInstrumentation: true,
    })
    instrumentation.setTracerProvider(
      new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter })] }),
    )
    // Required and not imported: the instrumentation patches what is required after it was made.
    const { createServer } = createRequire(import.meta.url)('node:http') as typeof import('node:http')
    server = createServer((request, response) => {
      const onward = {}
      propagation.inject(context.active(), onward)
      seen = { headers: request.headers, onward }
      response.end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
  }

  afterEach(async () => {
    server.closeAllConnections()
    server.close()
    await once(server, 'close')
    instrumentation.disable()
    propagation.disable()
    context.disable()
    exporter.reset()
  })

  async function request(headers: Record<string, string>) {
    const { port } = server.address() as AddressInfo
    const response = await fetch(`http://127.0.0.1:${port}/checkouts`, { headers })
    await response.text()
    const [span] = exporter.getFinishedSpans()
    ok(span && seen)
    const links = span.links.map((link) => [link.context.traceId, link.context.spanId])
    return { span, links, ...seen }
  }

  for (const setting of [undefined, 'continue']) {
    it(`continues the caller’s trace and leaves the request as it is, set to ${setting ?? 'nothing'}`, async () => {
      await listen(setting)
      const { span, links, onward } = await request(sent)
      equal(span.parentSpanContext?.spanId, callersSpan)
      deepEqual(links, [])
      ok(onward.traceparent?.includes(callersTrace))
      equal(onward.tracestate, 'vendor=1')
      equal(onward.baggage, 'shop=north')
    })
  }

  it('begins a trace that links to the caller’s span, and lets nothing else in, set to link', async () => {
    await listen('link')
    const { span, links, headers, onward } = await request(sent)
    equal(span.parentSpanContext, undefined)
    deepEqual(links, [[callersTrace, callersSpan]])
    const { traceId, spanId } = span.spanContext()
    deepEqual(onward, { traceparent: `00-${traceId}-${spanId}-01`, b3: `${traceId}-${spanId}-1` })
    deepEqual(
      Object.keys(sent).filter((name) => name in headers),
      [],
    )
  })

  it('links to a caller who sends B3, in one header or in several', async () => {
    await listen('link')
    deepEqual((await request({ B3: b3 })).links, [[callersTrace, callersSpan]])
    exporter.reset()
    const multi = { 'X-B3-TraceId': callersTrace, 'X-B3-SpanId': callersSpan, 'X-B3-Sampled': '1' }
    const { links, onward } = await request(multi)
    deepEqual(links, [[callersTrace, callersSpan]])
    ok(!JSON.stringify(onward).includes(callersTrace))
  })

  it('decides by itself whether a trace is recorded, whatever the caller decided, set to link', async () => {
    await listen('link')
    const { span } = await request({ traceparent: `00-${callersTrace}-${callersSpan}-00` })
    equal(span.spanContext().traceFlags & 1, 1)
  })

  it('begins a trace without links for a caller who sends none, or a malformed one', async () => {
    await listen('link')
    for (const headers of [{}, { traceparent: 'garbage', baggage: 'shop=north' }]) {
      const { span, links, onward } = await request(headers)
      equal(span.parentSpanContext, undefined)
      deepEqual(links, [])
      equal(onward.baggage, undefined)
      exporter.reset()
    }
  })
})
