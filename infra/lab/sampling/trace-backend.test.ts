import { deepEqual, equal } from 'node:assert/strict'
import { gzipSync } from 'node:zlib'
import type { TraceBackend } from './trace-backend.ts'
import { startTraceBackend } from './trace-backend.ts'

const body = JSON.stringify({
  resourceSpans: [
    {
      resource: { attributes: [{ key: 'service.name', value: { stringValue: 'orders' } }] },
      scopeSpans: [
        {
          scope: { name: 'any' },
          spans: [
            {
              traceId: '0af7651916cd43dd8448eb211c80319c',
              spanId: 'b7ad6b7169203331',
              kind: 4,
              traceState: 'ot=th:c',
              name: 'send orders',
              startTimeUnixNano: '1795745073880000000',
              endTimeUnixNano: '1795745073881000000',
              attributes: [
                { key: 'messaging.kafka.offset', value: { intValue: '7' } },
                { key: 'saga.id', value: { stringValue: 'checkout-1' } },
              ],
            },
          ],
        },
      ],
    },
  ],
})

describe("the sampling study's backend of traces", () => {
  let backend: TraceBackend

  beforeEach(async () => {
    backend = await startTraceBackend()
  })
  afterEach(() => backend.close())

  const post = (content: string | Buffer<ArrayBuffer>, headers: Record<string, string> = {}) =>
    fetch(`${backend.url}/v1/traces`, { method: 'POST', body: content, headers })

  it('keeps what the study asks of a span, and counts bytes as they came', async () => {
    const compressed = gzipSync(body)
    equal((await post(compressed, { 'content-encoding': 'gzip' })).status, 200)
    const [span, ...others] = backend.spans
    equal(others.length, 0)
    deepEqual(
      {
        service: span?.service,
        kind: span?.kind,
        traceState: span?.traceState,
        attributes: span?.attributes,
      },
      {
        service: 'orders',
        kind: 'producer',
        traceState: 'ot=th:c',
        attributes: { 'messaging.kafka.offset': '7', 'saga.id': 'checkout-1' },
      },
    )
    equal(backend.bytes, compressed.length)
    backend.clear()
    deepEqual([backend.spans.length, backend.bytes], [0, 0])
  })

  it('refuses what it cannot read', async () => {
    equal((await post('{"resourceSpans": 7}')).status, 400)
    equal(backend.bytes, 0)
  })
})
