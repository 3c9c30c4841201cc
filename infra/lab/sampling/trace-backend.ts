/** The backend of traces in the study of sampling: takes what the Collector has left of them, counts it and keeps it. */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { gunzipSync } from 'node:zlib'
import type { OtlpSpan } from '../../../shared/backends/otlp-spans.ts'
import { spansOf, tracesData } from '../../../shared/backends/otlp-spans.ts'

export interface TraceBackend {
  /** The base of its OTLP/HTTP address; it reads JSON. */
  readonly url: string
  /** Of requests, as they came: compressed, without HTTP's headers. */
  readonly bytes: number
  readonly spans: readonly OtlpSpan[]
  /** What was kept so far is forgotten. */
  clear(): void
  close(): Promise<void>
}

export async function startTraceBackend(): Promise<TraceBackend> {
  let bytes = 0
  let spans: OtlpSpan[] = []
  const take = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request)
    const text = request.headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
    spans.push(...spansOf(tracesData.parse(JSON.parse(text.toString()))))
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
