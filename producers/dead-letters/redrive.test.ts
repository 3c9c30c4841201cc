import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { SpanStatusCode, trace } from '@opentelemetry/api'
import { SimpleSpanProcessor } from '@opentelemetry/sdk-trace'
import type { ProducerMessage, Send } from '../../shared/kafka/kafka.ts'
import type { RecordedSpans } from '../../shared/telemetry/recorded-spans.ts'
import { recordSpans } from '../../shared/telemetry/recorded-spans.ts'
import { SagaIdProcessor } from '../../shared/telemetry/span-processors.ts'
import type { DeadLetter } from './dead-letter.ts'
import { checkoutId, oneLetter } from './letters-for-tests.ts'
import { redrive, redriveAll } from './redrive.ts'

const now = () => new Date('2026-11-23T13:00:00Z')

function broker(): { sent: ProducerMessage[]; send: Send } {
  const sent: ProducerMessage[] = []
  return {
    sent,
    send: (messages) => {
      sent.push(...messages)
      return Promise.resolve()
    },
  }
}

describe('a redrive', () => {
  let spans: RecordedSpans
  beforeEach(() => {
    spans = recordSpans((exporter) => [new SagaIdProcessor(), new SimpleSpanProcessor({ exporter })])
  })
  afterEach(() => spans.stop())

  const redriven = (letter: DeadLetter, send: Send) => redrive(letter, send, { tracer: spans.tracer, now })
  const finished = () => spans.exporter.getFinishedSpans()

  it('sends the message as it was, to where it failed, marked and without its old trace', async () => {
    const { sent, send } = broker()
    const letter = oneLetter({}, { moreHeaders: { tracestate: 'vendor=1', b3: '0', 'x-shop': 'north' } })
    await redriven(letter, send)
    const [again] = sent
    deepEqual(again, {
      topic: 'orders',
      key: checkoutId,
      value: letter.message.value,
      headers: {
        ce_specversion: '1.0',
        ce_id: `orders/${checkoutId}@1/0`,
        ce_source: '/sagascope/orders',
        ce_type: 'dev.sagascope.OrderPlaced.v1',
        ce_subject: checkoutId,
        ce_time: '2026-11-23T12:00:00.000Z',
        'content-type': 'application/json',
        'x-shop': 'north',
        'redrive-of': letter.id,
      },
    })
  })

  it('notes on the dead-letter topic, behind the letter, that it was done', async () => {
    const { sent, send } = broker()
    const { traceId, spanId } = await redriven(oneLetter(), send)
    deepEqual(sent[1], {
      topic: 'dead-letters',
      key: checkoutId,
      value: null,
      headers: {
        'dead-letter-id': 'sagascope-payments/orders/3/42',
        'dead-letter-redriven-at': '2026-11-23T13:00:00.000Z',
        'dead-letter-redrive-traceparent': `00-${traceId}-${spanId}-01`,
      },
    })
    equal(sent.length, 2)
  })

  it('is a trace of its own that links to the failure and to the first sender', async () => {
    const letter = oneLetter()
    await spans.tracer.startActiveSpan('whoever asks', () => redriven(letter, broker().send))
    const [span] = finished()
    equal(span?.name, 'redrive dead letter')
    equal(span.parentSpanContext, undefined)
    deepEqual(
      span.links.map((link) => link.context.spanId),
      [letter.failedIn?.spanId, letter.sentIn?.spanId],
    )
    deepEqual(span.attributes, {
      'saga.id': checkoutId,
      'dead_letter.id': letter.id,
      'messaging.destination.name': 'orders',
      'messaging.consumer.group.name': 'sagascope-payments',
      'error.type': 'unreadable_network_answer',
    })
  })

  it('sends in the context of that span', async () => {
    const active: (string | undefined)[] = []
    const { spanId } = await redriven(oneLetter(), () => {
      active.push(trace.getActiveSpan()?.spanContext().spanId)
      return Promise.resolve()
    })
    deepEqual(active, [spanId, spanId])
  })

  it('that could not be sent is not noted, and its span says why', async () => {
    const sent: string[] = []
    const send: Send = ([message]) => {
      sent.push(message?.topic ?? '')
      return Promise.reject(new Error('Kafka away'))
    }
    await rejects(redriven(oneLetter(), send), /Kafka away/)
    deepEqual(sent, ['orders'])
    equal(finished()[0]?.status.code, SpanStatusCode.ERROR)
  })

  it('of several keeps their order, and no more a second than told', async () => {
    const letters = ['1', '2', '3'].map((offset) => oneLetter({ 'dead-letter-origin-offset': offset }))
    const order: string[] = []
    const startedAt = performance.now()
    await redriveAll(letters, broker().send, 50, ({ origin }) => order.push(origin.offset))
    ok(performance.now() - startedAt >= 39)
    deepEqual(order, ['1', '2', '3'])
  })

  it('of a message that names no checkout has no saga.id', async () => {
    const letter = oneLetter({}, { key: undefined, moreHeaders: { ce_subject: '' } })
    await redriven(letter, broker().send)
    ok(!('saga.id' in (finished()[0]?.attributes ?? {})))
  })
})
