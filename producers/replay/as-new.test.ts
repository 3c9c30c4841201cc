import { deepEqual, doesNotMatch, equal, match, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import type { IncomingHttpHeaders, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import type { RecordedSpans } from '../../shared/telemetry/recorded-spans.ts'
import { recordSpans } from '../../shared/telemetry/recorded-spans.ts'
import { BackendUnavailable } from '../../shared/backends/read-json.ts'
import { NotAccepted, replayAsNew } from './as-new.ts'
import { chosenMessage, sampleEvents, senderSpanId, traceId } from './messages-for-tests.ts'

const newTraceId = '1af7651916cd43dd8448eb211c80319c'
const newSpanId = 'b7ad6b7169203331'

describe('a checkout that runs again as a new one', () => {
  let spans: RecordedSpans
  let gateway: Server
  let gatewayUrl: string
  let asked: { headers: IncomingHttpHeaders; body: unknown } | undefined
  let answer: { status: number; body: unknown }

  before(async () => {
    gateway = createServer((request, response) => {
      void text(request).then((body) => {
        asked = { headers: request.headers, body: JSON.parse(body) as unknown }
        response.writeHead(answer.status, { traceresponse: `00-${newTraceId}-${newSpanId}-01` })
        response.end(JSON.stringify(answer.body))
      })
    })
    gateway.listen(0, '127.0.0.1')
    await once(gateway, 'listening')
    gatewayUrl = `http://127.0.0.1:${(gateway.address() as AddressInfo).port}`
  })
  after(() => void gateway.close())
  beforeEach(() => {
    spans = recordSpans()
    answer = { status: 202, body: { checkoutId: 'c2', status: 'requested', traceId: newTraceId } }
  })
  afterEach(() => spans.stop())

  const request = chosenMessage({ event: sampleEvents.requested, partition: 1, offset: 4 })
  const run = (email?: string) =>
    replayAsNew(request, { gatewayUrl, ...(email !== undefined && { email }) }, spans.tracer)

  it('asks the gateway for what was asked first, in no trace of the replay', async () => {
    deepEqual(await run(), { checkoutId: 'c1', newCheckoutId: 'c2', traceId, newTraceId })
    const { user, order, payment } = sampleEvents.requested.data
    deepEqual(asked?.body, { user, order, payment })
    equal(asked.headers.traceparent, undefined)
    match(String(asked.headers['idempotency-key']), /^replay-[0-9a-f-]{36}$/)
  })

  it('can be of somebody else', async () => {
    await run('bob@people.example')
    deepEqual((asked?.body as { user: unknown }).user, { email: 'bob@people.example', name: 'Ada' })
  })

  it('leaves a span that links the one trace with the other', async () => {
    await run()
    const [span] = spans.exporter.getFinishedSpans()
    equal(span?.name, 'replay checkout')
    deepEqual(
      span.links.map(({ context }) => [context.traceId, context.spanId]),
      [
        [traceId, senderSpanId],
        [newTraceId, newSpanId],
      ],
    )
    deepEqual(span.attributes, { 'replay.of': 'checkouts/1/4', 'replay.saga.id': 'c1', 'saga.id': 'c2' })
  })

  it('says why it was not accepted, and nothing of what was sent', async () => {
    answer = { status: 422, body: { title: 'Validation failed', detail: '1 field is wrong.' } }
    await rejects(run(), (error: unknown) => {
      doesNotMatch(String(error), /ada|tok_visa/i)
      return (
        error instanceof NotAccepted && /answered 422: Validation failed 1 field is wrong/.test(error.message)
      )
    })
  })

  it('says where the gateway was looked for when it is away', async () => {
    const away = replayAsNew(request, { gatewayUrl: 'http://127.0.0.1:1' }, spans.tracer)
    await rejects(away, (error: unknown) => {
      return (
        error instanceof BackendUnavailable && /gateway does not answer at http:\/\/127/.test(error.message)
      )
    })
  })
})
