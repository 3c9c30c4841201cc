import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import fc from 'fast-check'
import type { EventType, RecordedEvent, SagaEvent } from '../saga/events.ts'
import { eventTypes, services, topicOf } from '../saga/events.ts'
import type { IncomingMessage, OutgoingMessage } from './cloud-events.ts'
import { cloudEventType, fromMessage, PoisonMessage, toMessage, typeOf } from './cloud-events.ts'
import { incoming } from './handling-for-tests.ts'

/** What the broker makes of a message on its way. */
const delivered = ({ topic, key, value, headers }: OutgoingMessage): IncomingMessage =>
  incoming({ topic, key, value: Buffer.from(value), headers })

const data = {
  CheckoutRequested: {
    user: { email: 'ada@people.example', name: 'Ada Example' },
    order: { items: [{ sku: 'SAGA-MUG', quantity: 2 }] },
    payment: { token: 'tok_visa' },
    deadline: '2026-11-23T12:02:00Z',
  },
  CheckoutCompleted: { orderId: 'order-1' },
  CheckoutCompensated: { reason: 'card_declined' },
  CheckoutRejected: { reason: 'email_domain_blocked' },
  CheckoutExpired: { reason: 'checkout_expired' },
  UserRegistered: {
    userId: 'user-1',
    existing: false,
    order: { items: [{ sku: 'SAGA-MUG', quantity: 2 }] },
    payment: { token: 'tok_visa' },
  },
  RegistrationRejected: { reason: 'email_domain_blocked' },
  RegistrationRevoked: { userId: null, reason: 'out_of_stock' },
  RegistrationKept: { userId: 'user-1', reason: 'out_of_stock' },
  OrderPlaced: {
    orderId: 'order-1',
    userId: 'user-1',
    items: [{ sku: 'SAGA-MUG', quantity: 2, unitPrice: 1_250 }],
    total: { amount: 2_500, currency: 'EUR' },
    payment: { token: 'tok_visa' },
  },
  OrderRejected: { reason: 'unknown_sku', sku: 'SAGA-HAT' },
  OrderConfirmed: { orderId: 'order-1' },
  OrderCancelled: { orderId: null, reason: 'checkout_expired' },
  PaymentCaptured: {
    paymentId: 'payment-1',
    orderId: 'order-1',
    total: { amount: 2_500, currency: 'EUR' },
  },
  PaymentDeclined: { reason: 'card_declined' },
  PaymentRefunded: {
    paymentId: 'payment-1',
    total: { amount: 2_500, currency: 'EUR' },
    reason: 'checkout_expired',
  },
} satisfies Record<EventType, unknown>

const anyRecorded: fc.Arbitrary<RecordedEvent> = fc.record(
  {
    causedBy: fc.string({ minLength: 1, maxLength: 256 }),
    id: fc.string({ minLength: 1, maxLength: 256 }),
    checkoutId: fc.stringMatching(/^[A-Za-z0-9_-]{1,64}$/),
    time: fc
      .date({ min: new Date('2000-01-01'), max: new Date('2100-01-01'), noInvalidDate: true })
      .map((time) => time.toISOString()),
    event: fc.constantFrom(...eventTypes).map((type) => ({ type, data: data[type] }) as SagaEvent),
  },
  { noNullPrototype: true, requiredKeys: ['id', 'checkoutId', 'time', 'event'] },
)

describe('an event on Kafka', () => {
  it('is read as it was written, whatever it is', () => {
    fc.assert(
      fc.property(fc.constantFrom(...services), anyRecorded, (service, recorded) => {
        deepEqual(fromMessage(delivered(toMessage(service, recorded))), recorded)
      }),
    )
  })

  it('lies on the topic of its type, under the key of its checkout', () => {
    fc.assert(
      fc.property(anyRecorded, (recorded) => {
        const message = toMessage('orders', recorded)
        equal(message.topic, topicOf[recorded.event.type])
        equal(message.key, recorded.checkoutId)
      }),
    )
  })

  it('has the attributes of CloudEvents 1.0, binary mode', () => {
    const event: SagaEvent = { type: 'OrderConfirmed', data: data.OrderConfirmed }
    const time = '2026-11-23T12:00:00.000Z'
    const causedBy = 'payments/c@1/0'
    deepEqual(toMessage('orders', { id: 'orders/c@2/0', checkoutId: 'c', time, causedBy, event }), {
      topic: 'orders',
      key: 'c',
      value: '{"orderId":"order-1"}',
      headers: {
        ce_specversion: '1.0',
        ce_id: 'orders/c@2/0',
        ce_source: '/sagascope/orders',
        ce_type: 'dev.sagascope.OrderConfirmed.v1',
        ce_subject: 'c',
        ce_time: time,
        ce_causationid: causedBy,
        'content-type': 'application/json',
      },
    })
  })

  it('may have fields that are newer than its reader: they are dropped', () => {
    const value = Buffer.from('{"orderId":"order-1","giftWrapped":true}')
    deepEqual(fromMessage(incoming({ value })).event.data, { orderId: 'order-1' })
  })

  it('names its type, and only a type of the contract in this version', () => {
    for (const type of eventTypes) equal(typeOf({ headers: { ce_type: cloudEventType(type) } }), type)
    const unknown = [
      undefined,
      '',
      'OrderConfirmed',
      'dev.sagascope.OrderConfirmed.v2',
      'dev.sagascope.OrderEaten.v1',
      'dev.sagascope.toString.v1',
      'dev.sagascope.OrderConfirmed.v1\n',
    ]
    for (const type of unknown)
      equal(typeOf({ headers: { ...(type !== undefined && { ce_type: type }) } }), undefined)
  })
})

describe('a message that nobody can read', () => {
  const { headers } = incoming()
  const without = (name: string) => ({
    headers: Object.fromEntries(Object.entries(headers).filter(([each]) => each !== name)),
  })
  const personal = 'ada@people.example'
  const requested = { ...headers, ce_type: cloudEventType('CheckoutRequested') }

  const poison: readonly [string, PoisonMessage['code'], Partial<IncomingMessage>][] = [
    ['has no headers', 'not_a_cloud_event', { headers: {} }],
    ['has no type', 'not_a_cloud_event', without('ce_type')],
    [
      'has a type that is not of the contract',
      'not_a_cloud_event',
      { headers: { ...headers, ce_type: 'dev.sagascope.OrderEaten.v1' } },
    ],
    ['has no id', 'not_a_cloud_event', without('ce_id')],
    ['has an empty id', 'not_a_cloud_event', { headers: { ...headers, ce_id: '' } }],
    ['has an id without end', 'not_a_cloud_event', { headers: { ...headers, ce_id: 'x'.repeat(257) } }],
    ['has no time', 'not_a_cloud_event', without('ce_time')],
    ['has a time that is none', 'not_a_cloud_event', { headers: { ...headers, ce_time: 'noon' } }],
    ['has no subject', 'not_a_cloud_event', without('ce_subject')],
    [
      'has a subject that is no checkout id',
      'not_a_cloud_event',
      { key: personal, headers: { ...headers, ce_subject: personal } },
    ],
    ['has another key than its subject', 'not_a_cloud_event', { key: personal }],
    ['has no key', 'not_a_cloud_event', { key: undefined }],
    ['is a tombstone', 'not_json', { value: null }],
    ['is empty', 'not_json', { value: Buffer.alloc(0) }],
    ['is not JSON', 'not_json', { value: Buffer.from(`{"email":"${personal}"`) }],
    ['is JSON of something else', 'not_of_the_contract', { value: Buffer.from(`"${personal}"`) }],
    [
      'has a field of another kind',
      'not_of_the_contract',
      { value: Buffer.from(`{"orderId":{"of":"${personal}"}}`) },
    ],
    ['lacks a field', 'not_of_the_contract', { value: Buffer.from(`{"email":"${personal}"}`) }],
    [
      'has a field out of its bounds',
      'not_of_the_contract',
      {
        headers: requested,
        value: Buffer.from(
          JSON.stringify({
            ...data.CheckoutRequested,
            user: { email: `${personal}, no address`, name: personal },
          }),
        ),
      },
    ],
  ]

  for (const [what, code, changes] of poison) {
    it(`because it ${what} is ${code}, and its error tells nothing personal`, () => {
      throws(
        () => fromMessage(incoming(changes)),
        (error) => {
          ok(error instanceof PoisonMessage)
          equal(error.code, code)
          equal(error.retriable, false)
          ok(error.message.length > 0 && error.message.length < 500)
          ok(!`${error.stack ?? ''} ${String(error.cause)}`.includes('people.example'))
          return true
        },
      )
    })
  }

  it('because its whole batch is unreadable_batch, and its error tells where that lies and why', () => {
    const error = new Error('the checksum is wrong')
    const unreadableBatch = { firstOffset: '40', lastOffset: '42', records: 3, error }
    throws(() => fromMessage(incoming({ unreadableBatch })), {
      code: 'unreadable_batch',
      message: 'a batch of 3 records at offsets 40 to 42 cannot be read: the checksum is wrong',
      retriable: false,
      cause: error,
    })
  })

  it('is poison, whatever its bytes and headers are, and nothing else is thrown', () => {
    const anyMessage = fc.record({
      key: fc.option(fc.string(), { nil: undefined }),
      value: fc.option(
        fc.uint8Array().map((bytes) => Buffer.from(bytes)),
        { nil: null },
      ),
      headers: fc.dictionary(
        fc.constantFrom('ce_id', 'ce_type', 'ce_subject', 'ce_time', '__proto__'),
        fc.string(),
      ),
    })
    fc.assert(
      fc.property(anyMessage, (changes) => {
        throws(() => fromMessage(incoming(changes)), PoisonMessage)
      }),
    )
  })

  it('has its type quoted, but never more than a line of it', () => {
    throws(() => fromMessage(incoming({ headers: { ce_type: 'x'.repeat(10_000) } })), {
      message: `ce_type is "${'x'.repeat(80)}"`,
    })
  })

  it('has its type not quoted where that may be personal', () => {
    for (const ce_type of ['ada@example.com', 'Ada Lovelace', 'tok_visa']) {
      throws(() => fromMessage(incoming({ headers: { ce_type } })), {
        message: 'ce_type is no name of a type',
      })
    }
  })
})
