/** Messages as they lie on the dead-letter topic; the parts are there to be replaced. */
import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import type { DeadLetterHeader } from '../../shared/kafka/dead-letter-headers.ts'
import type { Headers } from '../../shared/kafka/headers.ts'
import type { DeadLetter } from './dead-letter.ts'
import { DeadLetterCollection } from './dead-letter.ts'

export const checkoutId = '0f8c2c0e-2ab5-4c0b-8f3f-6b1f8e1c3f10'

export const failedIn = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
export const sentIn = '00-0af7651916cd43dd8448eb211c80319c-00f067aa0ba902b7-01'

/** A payment that could not be captured, of Ada, by the token `tok_visa`. */
export const letterMessage = (
  changes: Partial<Record<DeadLetterHeader, string>> = {},
  own: Partial<IncomingMessage> & { readonly moreHeaders?: Headers } = {},
): IncomingMessage => {
  const { moreHeaders, ...fields } = own
  const topic = changes['dead-letter-origin-topic'] ?? 'orders'
  const offset = changes['dead-letter-origin-offset'] ?? '42'
  const group = changes['dead-letter-consumer-group'] ?? 'sagascope-payments'
  return {
    topic: 'dead-letters',
    partition: 1,
    offset: '7',
    producedAtMillis: Date.parse('2026-11-23T12:00:01Z'),
    key: checkoutId,
    value: Buffer.from(
      JSON.stringify({
        orderId: `order-${checkoutId}`,
        userId: `user-${randomUUID()}`,
        items: [{ sku: 'SAGA-MUG', quantity: 2, unitPrice: 1_250 }],
        total: { amount: 2_500, currency: 'EUR' },
        payment: { token: 'tok_visa' },
        note: 'ada@people.example',
      }),
    ),
    headers: {
      ce_specversion: '1.0',
      ce_id: `orders/${checkoutId}@1/0`,
      ce_source: '/sagascope/orders',
      ce_type: 'dev.sagascope.OrderPlaced.v1',
      ce_subject: checkoutId,
      ce_time: '2026-11-23T12:00:00.000Z',
      'content-type': 'application/json',
      traceparent: '00-0af7651916cd43dd8448eb211c80319c-aaaaaaaaaaaaaaaa-01',
      ...moreHeaders,
      'dead-letter-id': `${group}/${topic}/3/${offset}`,
      'dead-letter-origin-topic': topic,
      'dead-letter-origin-partition': '3',
      'dead-letter-origin-offset': offset,
      'dead-letter-consumer-group': group,
      'dead-letter-error-code': 'unreadable_network_answer',
      'dead-letter-error-message': 'the payment network answered what cannot be read',
      'dead-letter-attempts': '5',
      'dead-letter-failed-at': '2026-11-23T12:00:01.000Z',
      'dead-letter-traceparent': failedIn,
      'dead-letter-origin-traceparent': sentIn,
      ...changes,
    },
    ...fields,
  }
}

/** A batch of three that could not be read. */
export const unreadableBatchMessage = (
  changes: Partial<Record<DeadLetterHeader, string>> = {},
): IncomingMessage => {
  const message = letterMessage(
    {
      'dead-letter-origin-last-offset': '44',
      'dead-letter-error-code': 'unreadable_batch',
      'dead-letter-error-message':
        'a batch of 3 records at offsets 42 to 44 cannot be read: the checksum is wrong',
      ...changes,
    },
    { key: undefined, value: null },
  )
  const headers = Object.entries(message.headers).filter(([name]) => name.startsWith('dead-letter-'))
  return { ...message, headers: Object.fromEntries(headers) }
}

export const redriveNote = (id: string, at: string): IncomingMessage =>
  letterMessage({}, { value: null, headers: { 'dead-letter-id': id, 'dead-letter-redriven-at': at } })

export function collect(messages: readonly IncomingMessage[]): readonly DeadLetter[] {
  const collection = new DeadLetterCollection()
  for (const message of messages) collection.add(message)
  return collection.read().letters
}

export function oneLetter(...parts: Parameters<typeof letterMessage>): DeadLetter {
  const [letter] = collect([letterMessage(...parts)])
  if (!letter) throw new Error('that is no dead letter')
  return letter
}
