import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { SpanStatusCode, trace } from '@opentelemetry/api'
import { SimpleSpanProcessor } from '@opentelemetry/sdk-trace'
import { toMessage } from '../../shared/kafka/cloud-events.ts'
import type { ProducerMessage } from '../../shared/kafka/kafka.ts'
import type { RecordedSpans } from '../../shared/telemetry/recorded-spans.ts'
import { recordSpans } from '../../shared/telemetry/recorded-spans.ts'
import { SagaIdProcessor } from '../../shared/telemetry/span-processors.ts'
import {
  chosenMessage,
  completedCheckout,
  sampleEvents,
  senderSpanId,
  traceparent,
} from './messages-for-tests.ts'
import { paced } from './paced.ts'
import { replay, replayAll } from './replay-messages.ts'

const sink = () => {
  const sent: ProducerMessage[] = []
  const send = (messages: readonly ProducerMessage[]) => Promise.resolve(void sent.push(...messages))
  return { sent, send }
}

describe('a replayed message', () => {
  let spans: RecordedSpans
  beforeEach(() => {
    spans = recordSpans((exporter) => [new SagaIdProcessor(), new SimpleSpanProcessor({ exporter })])
  })
  afterEach(() => spans.stop())

  const captured = (headers = {}) =>
    chosenMessage({ event: sampleEvents.captured, partition: 2, offset: 17, headers })

  it('is the message as it was, marked, and without its old trace', async () => {
    const { sent, send } = sink()
    const contract = toMessage('payments', captured().recorded).headers
    const own = { 'x-shop': 'north' }
    const chosen = captured({ ...own, tracestate: 'vendor=1', b3: '0' })
    await replay(chosen, send, spans.tracer)
    deepEqual(sent, [
      {
        topic: 'payments',
        key: 'c1',
        value: chosen.message.value,
        headers: {
          ...contract,
          ...own,
          'replay-of': 'payments/2/17',
          'replay-origin-traceparent': traceparent,
        },
      },
    ])
  })

  it('is in a trace of its own that links to the span that sent it first', async () => {
    const { send } = sink()
    await spans.tracer.startActiveSpan('whoever asks', () => replay(captured(), send, spans.tracer))
    const [span] = spans.exporter.getFinishedSpans()
    equal(span?.name, 'replay message')
    equal(span.parentSpanContext, undefined)
    deepEqual(
      span.links.map(({ context }) => context.spanId),
      [senderSpanId],
    )
    deepEqual(span.attributes, {
      'saga.id': 'c1',
      'replay.of': 'payments/2/17',
      'messaging.destination.name': 'payments',
    })
  })

  it('of a replay repeats what that repeated, and links to the first sender', async () => {
    const { sent, send } = sink()
    const again = captured({
      traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
      'replay-of': 'payments/2/3',
      'replay-origin-traceparent': traceparent,
    })
    await replay(again, send, spans.tracer)
    equal(sent[0]?.headers['replay-of'], 'payments/2/3')
    equal(sent[0].headers['replay-origin-traceparent'], traceparent)
    equal(spans.exporter.getFinishedSpans()[0]?.links[0]?.context.spanId, senderSpanId)
  })

  it('is sent in the context of its span, which says what went wrong', async () => {
    let active: string | undefined
    const send = () => {
      active = trace.getActiveSpan()?.spanContext().spanId
      return Promise.reject(new Error('Kafka away'))
    }
    await rejects(replay(captured(), send, spans.tracer), /Kafka away/)
    const [span] = spans.exporter.getFinishedSpans()
    equal(span?.spanContext().spanId, active)
    equal(span?.status.code, SpanStatusCode.ERROR)
  })
})

describe('a replay', () => {
  it('keeps the order, and sends no more a second than told', async () => {
    const { sent, send } = sink()
    const startedAt = performance.now()
    await replayAll(completedCheckout().slice(0, 3), send, 50, () => undefined)
    ok(performance.now() - startedAt >= 39)
    deepEqual(
      sent.map(({ topic }) => topic),
      ['checkouts', 'users', 'orders'],
    )
  })

  it('that is told to stop sends no further message, and does not wait for its turn', async () => {
    const { sent, send } = sink()
    const stopping = new AbortController()
    const startedAt = performance.now()
    await replayAll(completedCheckout(), send, 0.1, () => stopping.abort(), stopping.signal)
    equal(sent.length, 1)
    ok(performance.now() - startedAt < 5_000)
  })

  it('of nothing is over at once', async () => {
    for await (const each of paced([], 1)) ok(each)
  })
})
