/**
 * The vendor's agent, a fake: services with dd-trace send it what they would send to the real one beside them. It takes
 * everything, keeps nothing, and counts spans. What the real one costs is not measured, and would come on top.
 * See https://docs.datadoghq.com/tracing/guide/send_traces_to_agent_by_api/
 */
import { once } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import type { Packed } from './message-pack.ts'
import { unpack } from './message-pack.ts'

export interface FakeAgent {
  readonly port: number
  /** Spans so far. */
  readonly spans: number
  /** The same by operation: `kafka.produce` and the like. */
  readonly spansByOperation: ReadonlyMap<string, number>
  close(): Promise<void>
}

/** A version of the protocol that every release of dd-trace speaks: traces as arrays of spans, spans as maps. */
const tracesPath = '/v0.4/traces'

export async function startFakeAgent(): Promise<FakeAgent> {
  const spansByOperation = new Map<string, number>()
  const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = await buffer(request)
    response.setHeader('content-type', 'application/json')
    if (request.url === '/info') {
      response.end(JSON.stringify({ version: '7.0.0', endpoints: [tracesPath] }))
      return
    }
    if (request.url === tracesPath) {
      for (const operation of operationsIn(unpack(body)))
        spansByOperation.set(operation, (spansByOperation.get(operation) ?? 0) + 1)
    }
    response.end('{}') // of traces: nobody's rate of sampling is to change
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      response.writeHead(400).end(String(error))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    get spans() {
      return [...spansByOperation.values()].reduce((sum, count) => sum + count, 0)
    },
    spansByOperation,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}

function operationsIn(traces: Packed): string[] {
  if (!Array.isArray(traces)) throw new Error('traces are an array')
  return traces.flat().map((span) => {
    const name = typeof span === 'object' && span !== null && 'name' in span ? span.name : undefined
    if (typeof name !== 'string') throw new Error('a span has a name')
    return name
  })
}
