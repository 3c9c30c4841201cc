/**
 * The vendor's agent, a fake: services with dd-trace send it what they would send to the real one beside them. It takes
 * everything, keeps nothing, and counts spans. What the real one costs is not measured, and would come on top.
 * See https://docs.datadoghq.com/tracing/guide/send_traces_to_agent_by_api/
 */
import { startReceiver } from '../../receiver.ts'
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
  const { port, close } = await startReceiver((body, { url }) => {
    if (url === '/info') return JSON.stringify({ version: '7.0.0', endpoints: [tracesPath] })
    if (url === tracesPath) {
      for (const operation of operationsIn(unpack(body)))
        spansByOperation.set(operation, (spansByOperation.get(operation) ?? 0) + 1)
    }
    return '{}' // of traces: nobody's rate of sampling is to change
  })
  return {
    port,
    get spans() {
      return [...spansByOperation.values()].reduce((sum, count) => sum + count, 0)
    },
    spansByOperation,
    close,
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
