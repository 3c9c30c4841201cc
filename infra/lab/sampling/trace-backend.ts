/** The backend of traces in the study of sampling: takes what the Collector has left of them, counts it and keeps it. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import { z } from 'zod'

/** What the study asks of a span. */
export interface KeptSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty for a root. */
  readonly parentSpanId: string
  readonly traceState: string
  readonly service: string
  readonly isProducer: boolean
  /** `saga.id`: the checkout's id. */
  readonly sagaId: string | undefined
}

export interface TraceBackend {
  /** The base of its OTLP/HTTP address. */
  readonly url: string
  /** Of requests, as they came: compressed, without HTTP's headers. */
  readonly bytes: number
  readonly spans: readonly KeptSpan[]
  /** What was kept so far is forgotten. */
  clear(): void
  close(): Promise<void>
}

const producerKind = 4

// https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding
const attribute = z.object({ key: z.string(), value: z.object({ stringValue: z.string().optional() }) })
const exported = z.object({
  resourceSpans: z.array(
    z.object({
      resource: z.object({ attributes: z.array(attribute) }),
      scopeSpans: z.array(
        z.object({
          spans: z.array(
            z.object({
              traceId: z.string(),
              spanId: z.string(),
              parentSpanId: z.string().default(''),
              traceState: z.string().default(''),
              kind: z.number(),
              attributes: z.array(attribute).default([]),
            }),
          ),
        }),
      ),
    }),
  ),
})

export async function startTraceBackend(): Promise<TraceBackend> {
  let bytes = 0
  let spans: KeptSpan[] = []
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request)
    const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
    spans.push(...spansOf(JSON.parse(text.toString()) as unknown))
    bytes += body.length
    response.setHeader('content-type', 'application/json').end('{}')
  }
  const server = createServer((request, response) => {
    take(request, response).catch((error: unknown) => {
      response.writeHead(400).end(String(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get bytes() {
      return bytes
    },
    get spans() {
      return spans
    },
    clear() {
      bytes = 0
      spans = []
    },
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function spansOf(body: unknown): KeptSpan[] {
  return exported.parse(body).resourceSpans.flatMap(({ resource, scopeSpans }) => {
    const service = textOf(resource.attributes, 'service.name') ?? ''
    return scopeSpans.flatMap((scope) =>
      scope.spans.map(({ traceId, spanId, parentSpanId, traceState, kind, attributes }) => ({
        traceId,
        spanId,
        parentSpanId,
        traceState,
        service,
        isProducer: kind === producerKind,
        sagaId: textOf(attributes, 'saga.id'),
      })),
    )
  })
}

const textOf = (attributes: readonly z.infer<typeof attribute>[], wanted: string): string | undefined =>
  attributes.find(({ key }) => key === wanted)?.value.stringValue
