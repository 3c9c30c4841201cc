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
    deepEqual(backend.spans, [
      {
        traceId: '0af7651916cd43dd8448eb211c80319c',
        spanId: 'b7ad6b7169203331',
        parentSpanId: '',
        traceState: 'ot=th:c',
        service: 'orders',
        isProducer: true,
        sagaId: 'checkout-1',
      },
    ])
    equal(backend.bytes, compressed.length)
    backend.clear()
    deepEqual([backend.spans.length, backend.bytes], [0, 0])
  })

  it('refuses what it cannot read', async () => {
    equal((await post('{"resourceSpans": 7}')).status, 400)
    equal(backend.bytes, 0)
  })
})
