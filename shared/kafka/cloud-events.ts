/**
 * Events on Kafka: CloudEvents 1.0 in the Kafka protocol binding's binary mode, attributes in `ce_` headers
 * and JSON data in the value; what an event answers is the extension `causationid`. The key is the checkout id, so that
 * everything about one checkout stays in order.
 * See https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
 */
import { z } from 'zod'
import { checkoutIdPattern } from '../saga/checkout-id.ts'
import type { EventType, RecordedEvent, Service, Topic } from '../saga/events.ts'
import { isEventType, parseEvent, topicOf } from '../saga/events.ts'
import type { Headers } from './headers.ts'
import type { UnreadableBatch } from './quirks/unreadable-batches.ts'

/** `dev.sagascope.UserRegistered.v1` */
const typePattern = /^dev\.sagascope\.(?<name>[A-Za-z]+)\.v1$/

export const cloudEventType = (type: EventType): string => `dev.sagascope.${type}.v1`

export interface OutgoingMessage {
  readonly topic: Topic
  readonly key: string
  readonly value: string
  readonly headers: Headers
}

export interface IncomingMessage {
  readonly topic: string
  readonly partition: number
  readonly offset: string
  /** When it was produced, milliseconds since the epoch. */
  readonly producedAtMillis: number
  readonly key: string | undefined
  readonly value: Buffer | null
  readonly headers: Headers
  /** This stands in place of a whole batch that could not be read; it lies at the batch's last offset. */
  readonly unreadableBatch?: UnreadableBatch
}

/** A message that no attempt can make readable: it belongs in the dead-letter topic. */
export class PoisonMessage extends Error {
  readonly code: 'unreadable_batch' | 'not_a_cloud_event' | 'not_json' | 'not_of_the_contract'
  readonly retriable = false

  constructor(code: PoisonMessage['code'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.name = 'PoisonMessage'
    this.code = code
  }
}

export function toMessage(service: Service, recorded: RecordedEvent): OutgoingMessage {
  const { id, checkoutId, time, causedBy, event } = recorded
  return {
    topic: topicOf[event.type],
    key: checkoutId,
    value: JSON.stringify(event.data),
    headers: {
      ce_specversion: '1.0',
      ce_id: id,
      ce_source: `/sagascope/${service}`,
      ce_type: cloudEventType(event.type),
      ce_subject: checkoutId,
      ce_time: time,
      ...(causedBy !== undefined && { ce_causationid: causedBy }),
      'content-type': 'application/json',
    },
  }
}

/** The event type that a message says it is; undefined when it names none that we know. */
export function typeOf(message: Pick<IncomingMessage, 'headers'>): EventType | undefined {
  const name = typePattern.exec(message.headers.ce_type ?? '')?.groups?.name
  return name !== undefined && isEventType(name) ? name : undefined
}

const identifier = z.string().min(1).max(256)
const checkoutIdentifier = z.string().regex(checkoutIdPattern)
const attributes = z.object({
  ce_id: identifier,
  ce_subject: checkoutIdentifier,
  ce_time: z.iso.datetime({ offset: true }),
  ce_causationid: identifier.optional(),
})

/** What was read of messages in hand: whose they are to handle, and what they say, are asked one after the other. */
const readBefore = new WeakMap<IncomingMessage, RecordedEvent>()

/** @throws PoisonMessage when it is no event of the contract */
export function fromMessage(message: IncomingMessage): RecordedEvent {
  const known = readBefore.get(message)
  if (known) return known
  const recorded = parse(message)
  readBefore.set(message, recorded)
  return recorded
}

function parse(message: IncomingMessage): RecordedEvent {
  if (message.unreadableBatch) throw unreadable(message.unreadableBatch)
  const type = typeOf(message)
  if (!type) throw new PoisonMessage('not_a_cloud_event', `ce_type is ${quoted(message.headers.ce_type)}`)
  const read = attributes.safeParse(message.headers)
  if (!read.success) throw new PoisonMessage('not_a_cloud_event', summary(read.error))
  const { ce_id: id, ce_subject: checkoutId, ce_time: time, ce_causationid: causedBy } = read.data
  if (message.key !== checkoutId) {
    throw new PoisonMessage('not_a_cloud_event', 'the key is not the checkout id that ce_subject names')
  }
  const data = parseJson(message.value)
  try {
    const event = parseEvent(type, data)
    return { id, checkoutId, time, ...(causedBy !== undefined && { causedBy }), event }
  } catch (error) {
    if (!(error instanceof z.ZodError)) throw error
    throw new PoisonMessage('not_of_the_contract', `${type}: ${summary(error)}`)
  }
}

const unreadable = ({ firstOffset, lastOffset, records, error }: UnreadableBatch): PoisonMessage =>
  new PoisonMessage(
    'unreadable_batch',
    `a batch of ${records} records at offsets ${firstOffset} to ${lastOffset} cannot be read: ${error.message}`,
    { cause: error },
  )

function parseJson(value: Buffer | null): unknown {
  if (value === null) throw new PoisonMessage('not_json', 'the value is a tombstone')
  try {
    return JSON.parse(value.toString())
  } catch {
    // The parser's own message quotes the value, which may hold personal data.
    throw new PoisonMessage('not_json', `the value of ${value.length} bytes is not JSON`)
  }
}

/** A type is written like a host's name backwards; anything else may be personal, and is not repeated. */
function quoted(type: string | undefined): string {
  if (type === undefined) return 'missing'
  return /^[A-Za-z0-9./-]+$/.test(type) ? JSON.stringify(type.slice(0, 80)) : 'no name of a type'
}

/** Which fields are wrong and how, without the values: they may be personal. */
const summary = (error: z.ZodError): string =>
  error.issues.map((issue) => `${issue.path.join('.') || 'value'}: ${issue.code}`).join('; ')
