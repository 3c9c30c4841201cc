import { deepEqual, equal, rejects } from 'node:assert/strict'
import { context, SpanStatusCode, trace } from '@opentelemetry/api'
import type { RecordedSpans } from '../../telemetry/recorded-spans.ts'
import { recordSpans } from '../../telemetry/recorded-spans.ts'
import { sagaIdOf } from '../../telemetry/saga-id.ts'
import type { IncomingMessage } from '../cloud-events.ts'
import { handlingOf, incoming } from '../handling-for-tests.ts'
import type { Handler, Outcome } from '../handler.ts'
import { traced } from './trace.ts'

describe('the trace of a message', () => {
  let spans: RecordedSpans
  beforeEach(() => {
    spans = recordSpans()
  })
  afterEach(() => spans.stop())

  /** Handles a message under a consumer span, as the Kafka instrumentation does. */
  const consume = (handler: Handler, message: IncomingMessage = incoming()): Promise<Outcome> =>
    spans.tracer.startActiveSpan('process orders', async (span) => {
      try {
        return await traced('sagascope-checkout')(handler)(handlingOf(message).handling)
      } finally {
        span.end()
      }
    })

  it('has the checkout’s id and the consumer group on the consumer span', async () => {
    equal(await consume(() => Promise.resolve('answered')), 'answered')
    const [span] = spans.exporter.getFinishedSpans()
    deepEqual(span?.attributes, {
      'saga.id': 'checkout-1',
      'messaging.consumer.group.name': 'sagascope-checkout',
    })
    equal(span.status.code, SpanStatusCode.UNSET)
  })

  it('has the checkout’s id in the context of all that is done for it, also later', async () => {
    let seen: string | undefined
    await consume(async () => {
      await Promise.resolve()
      seen = sagaIdOf(context.active())
      return 'answered'
    })
    equal(seen, 'checkout-1')
    equal(sagaIdOf(context.active()), undefined)
  })

  it('goes by the key where a message does not name its checkout, and by nothing else', async () => {
    const seen: (string | undefined)[] = []
    const handler: Handler = () => {
      seen.push(sagaIdOf(context.active()))
      return Promise.resolve('dead-lettered')
    }
    await consume(handler, incoming({ key: 'another' }))
    await consume(handler, incoming({ headers: {} }))
    await consume(handler, incoming({ headers: {}, key: undefined }))
    deepEqual(seen, ['checkout-1', 'checkout-1', 'unknown'])
  })

  it('has the error that failed it, and the failure passes on', async () => {
    await rejects(
      consume(() => Promise.reject(new Error('some fault'))),
      /some fault/,
    )
    const [span] = spans.exporter.getFinishedSpans()
    equal(span?.status.code, SpanStatusCode.ERROR)
    deepEqual(
      span.events.map((event) => [event.name, event.attributes?.['exception.message']]),
      [['exception', 'some fault']],
    )
  })

  it('is no condition: without telemetry a message is handled all the same', async () => {
    equal(trace.getActiveSpan(), undefined)
    const handle = traced('sagascope-checkout')(() => Promise.resolve('answered'))
    equal(await handle(handlingOf().handling), 'answered')
  })
})
