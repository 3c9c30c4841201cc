import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { propagation, SpanStatusCode } from '@opentelemetry/api'
import { createPropagator } from '../../telemetry/propagation.ts'
import { recordSpans } from '../../telemetry/recorded-spans.ts'
import { fromMessage, PoisonMessage } from '../cloud-events.ts'
import { handlingOf, incoming } from '../handling-for-tests.ts'
import type { Handler } from '../handler.ts'
import type { SendDeadLetter } from './dead-letter.ts'
import { deadLettered } from './dead-letter.ts'

type DeadLetter = Parameters<SendDeadLetter>[0]

function mailbox(): { letters: DeadLetter[]; send: SendDeadLetter } {
  const letters: DeadLetter[] = []
  return {
    letters,
    send: (letter) => {
      letters.push(letter)
      return Promise.resolve()
    },
  }
}

const failingWith =
  (error: Error): Handler =>
  () =>
    Promise.reject(error)

describe('the dead-letter topic', () => {
  it('gets nothing that was handled', async () => {
    const { letters, send } = mailbox()
    const handler: Handler = () => Promise.resolve('answered')
    equal(await deadLettered('sagascope-users', send)(handler)(handlingOf().handling), 'answered')
    deepEqual(letters, [])
  })

  it('gets what cannot be handled as it came, with where it came from and why', async () => {
    const { letters, send } = mailbox()
    const message = incoming({ value: Buffer.from([0xff, 0x00, 0x7b]) })
    const handler = failingWith(new PoisonMessage('not_json', 'the value of 3 bytes is not JSON'))
    const now = () => new Date('2026-11-23T12:00:01Z')
    const { handling } = handlingOf(message)
    handling.attempts.made = 5
    equal(await deadLettered('sagascope-users', send, now)(handler)(handling), 'dead-lettered')
    deepEqual(letters, [
      {
        topic: 'dead-letters',
        key: message.key,
        value: message.value,
        headers: {
          ...message.headers,
          'dead-letter-id': 'sagascope-users/orders/3/42',
          'dead-letter-origin-topic': 'orders',
          'dead-letter-origin-partition': '3',
          'dead-letter-origin-offset': '42',
          'dead-letter-consumer-group': 'sagascope-users',
          'dead-letter-error-code': 'not_json',
          'dead-letter-error-message': 'the value of 3 bytes is not JSON',
          'dead-letter-attempts': '5',
          'dead-letter-failed-at': '2026-11-23T12:00:01.000Z',
        },
      },
    ])
  })

  it('is told the span in which the message failed, which says why, and the one that sent it', async () => {
    const spans = recordSpans()
    propagation.setGlobalPropagator(createPropagator())
    try {
      const { letters, send } = mailbox()
      const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
      const message = incoming({ headers: { ...incoming().headers, traceparent } })
      const handler = failingWith(new Error('some fault'))
      const consumer = await spans.tracer.startActiveSpan('process orders', async (span) => {
        await deadLettered('sagascope-users', send)(handler)(handlingOf(message).handling)
        span.end()
        return span.spanContext()
      })
      const headers = letters[0]?.headers ?? {}
      equal(headers['dead-letter-traceparent'], `00-${consumer.traceId}-${consumer.spanId}-01`)
      equal(headers['dead-letter-origin-traceparent'], traceparent)
      const [span] = spans.exporter.getFinishedSpans()
      equal(span?.status.code, SpanStatusCode.ERROR)
      deepEqual(
        span.events.map(({ name, attributes }) => [name, attributes?.['exception.message']]),
        [['exception', 'some fault']],
      )
    } finally {
      propagation.disable()
      spans.stop()
    }
  })

  it('gets the same id when the same message fails once more, and another from another group', async () => {
    const { letters, send } = mailbox()
    for (const group of ['sagascope-users', 'sagascope-users', 'sagascope-orders']) {
      await deadLettered(group, send)(failingWith(new Error()))(handlingOf().handling)
    }
    deepEqual(
      letters.map(({ headers }) => headers['dead-letter-id']),
      ['sagascope-users/orders/3/42', 'sagascope-users/orders/3/42', 'sagascope-orders/orders/3/42'],
    )
  })

  it('gets nothing of what the message says of itself as a dead letter: it is none yet', async () => {
    const { letters, send } = mailbox()
    const message = incoming({
      headers: {
        'dead-letter-redriven-at': '2026-11-23T12:00:00Z',
        'dead-letter-traceparent': 'x',
        'x-own': '1',
      },
    })
    await deadLettered('sagascope-users', send)(failingWith(new Error()))(handlingOf(message).handling)
    const headers = letters[0]?.headers ?? {}
    ok(!('dead-letter-redriven-at' in headers) && !('dead-letter-traceparent' in headers))
    equal(headers['x-own'], '1')
  })

  it('gets of a message that is too large for it only where it lies', async () => {
    const { letters, send } = mailbox()
    const limited: SendDeadLetter = (letter) =>
      letter.value === null
        ? send(letter)
        : Promise.reject(Object.assign(new Error('too large'), { type: 'MESSAGE_TOO_LARGE' }))
    const message = incoming({ headers: { ...incoming().headers, 'x-large': 'x'.repeat(10_000) } })
    equal(
      await deadLettered('sagascope-users', limited)(failingWith(new Error()))(handlingOf(message).handling),
      'dead-lettered',
    )
    const [letter] = letters
    equal(letter?.headers['dead-letter-left-at-origin'], String(message.value?.length))
    equal(letter.headers['dead-letter-origin-offset'], '42')
    ok(!('x-large' in letter.headers))
    equal(letter.headers.ce_id, message.headers.ce_id)
  })

  it('gets a tombstone without a key as one', async () => {
    const { letters, send } = mailbox()
    const message = incoming({ key: undefined, value: null, headers: {} })
    const handler = failingWith(new PoisonMessage('not_a_cloud_event', 'ce_type is missing'))
    await deadLettered('sagascope-users', send)(handler)(handlingOf(message).handling)
    deepEqual(
      letters.map(({ key, value }) => [key, value]),
      [[null, null]],
    )
  })

  it('gets a batch that could not be read as its place: the first and the last offset, and no content', async () => {
    const { letters, send } = mailbox()
    const unreadableBatch = { firstOffset: '40', lastOffset: '42', records: 3, error: new Error('corrupt') }
    const message = incoming({ key: undefined, value: null, headers: {}, unreadableBatch })
    const { handling, lines } = handlingOf(message)
    const readMessage: Handler = (each) => new Promise(() => fromMessage(each.message))
    await deadLettered('sagascope-users', send)(readMessage)(handling)
    const [letter] = letters
    deepEqual([letter?.key, letter?.value], [null, null])
    const headers = letter?.headers ?? {}
    equal(headers['dead-letter-id'], 'sagascope-users/orders/3/40')
    equal(headers['dead-letter-origin-offset'], '40')
    equal(headers['dead-letter-origin-last-offset'], '42')
    equal(headers['dead-letter-error-code'], 'unreadable_batch')
    equal(lines[0]?.['dead_letter.id'], headers['dead-letter-id'])
  })

  it('gets the name of an error that has no code, and not all of a long message', async () => {
    const { letters, send } = mailbox()
    const handler = failingWith(new RangeError('x'.repeat(5_000)))
    await deadLettered('sagascope-users', send)(handler)(handlingOf().handling)
    equal(letters[0]?.headers['dead-letter-error-code'], 'RangeError')
    equal(letters[0].headers['dead-letter-error-message'], 'x'.repeat(1_000))
  })

  it('says in the log that it got one, and nothing of its content', async () => {
    const { send } = mailbox()
    const { handling, lines } = handlingOf(incoming({ value: Buffer.from('ada@people.example') }))
    await deadLettered('sagascope-users', send)(failingWith(new Error('some fault')))(handling)
    deepEqual(
      lines.map((line) => [line['event.name'], line['dead_letter.id'], line.attempts]),
      [['message.dead_lettered', 'sagascope-users/orders/3/42', 1]],
    )
    ok(!JSON.stringify(lines).includes('people.example'))
  })

  it('does not get what only waits for a server', async () => {
    const { letters, send } = mailbox()
    const handler = failingWith(Object.assign(new Error('store away'), { retriable: true }))
    await rejects(deadLettered('sagascope-users', send)(handler)(handlingOf().handling), /store away/)
    deepEqual(letters, [])
  })

  it('does not get what was given up because the process drains', async () => {
    const { letters, send } = mailbox()
    const { handling, drain } = handlingOf()
    drain()
    const handler = failingWith(new Error('aborted'))
    await rejects(deadLettered('sagascope-users', send)(handler)(handling), /aborted/)
    deepEqual(letters, [])
  })

  it('that cannot be reached fails the message, which is then delivered again', async () => {
    const send: SendDeadLetter = () => Promise.reject(new Error('Kafka away'))
    const { handling, lines } = handlingOf()
    const handler = failingWith(new Error('some fault'))
    await rejects(deadLettered('sagascope-users', send)(handler)(handling), /Kafka away/)
    deepEqual(lines, [])
  })
})
