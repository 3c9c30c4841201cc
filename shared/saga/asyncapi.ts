/**
 * The AsyncAPI 3.0 document of the saga, from the schemas and the flow table: channels are topics, messages are
 * events, and every service receives what it reacts to and sends what it answers with.
 *
 * Headers are those of CloudEvents 1.0 in the binary mode of its Kafka binding. See
 * https://www.asyncapi.com/docs/reference/specification/v3.0.0 and
 * https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/kafka-protocol-binding.md
 */
import { z } from 'zod'
import type { EventType, Service, Topic } from './events.ts'
import { eventTypes, schemaOf, services, topicOf, topics } from './events.ts'
import { consumedBy, flow, producedBy } from './flow.ts'

type Json = string | number | boolean | null | readonly Json[] | { readonly [name: string]: Json }

/** Who sends and receives: the services, and the gateway, which opens every checkout. */
type Party = Service | 'gateway'

export const asyncApiDocument = (): { readonly [name: string]: Json } => ({
  asyncapi: '3.0.0',
  info: {
    title: 'Sagascope',
    version: '1.0.0',
    description:
      'A checkout from registration to order to payment, as a choreography of events. Everything about one ' +
      'checkout has its id as key and stays in order; every message may come more than once.',
    license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
  },
  defaultContentType: 'application/json',
  channels: fromEntries(topics, channelOf),
  operations: Object.fromEntries([
    ...operationsOf('gateway', 'send', new Set(['CheckoutRequested'])),
    ...services.flatMap((service) => [
      ...operationsOf(service, 'receive', consumedBy(service)),
      ...operationsOf(service, 'send', producedBy(service)),
    ]),
  ]),
  components: {
    messages: fromEntries(eventTypes, messageOf),
    schemas: fromEntries(eventTypes, payloadOf),
    messageTraits: { cloudEvent },
  },
})

const channelOf = (topic: Topic): Json => ({
  address: topic,
  messages: fromEntries(
    eventTypes.filter((type) => topicOf[type] === topic),
    (type) => reference('components', 'messages', type),
  ),
  bindings: { kafka: { topic, bindingVersion: '0.5.0' } },
})

const messageOf = (type: EventType): Json => ({
  name: `dev.sagascope.${type}.v1`,
  title: type,
  summary: summaryOf(type),
  traits: [reference('components', 'messageTraits', 'cloudEvent')],
  headers: {
    type: 'object',
    properties: { ce_type: { type: 'string', const: `dev.sagascope.${type}.v1` } },
    required: ['ce_type'],
  },
  payload: reference('components', 'schemas', type),
})

/** Who sends it, and who answers it with what: the rows of the flow table, in words. */
function summaryOf(type: EventType): string {
  const sender = services.find((service) => producedBy(service).has(type)) ?? 'gateway'
  const reactions = flow.flatMap(({ on, by, answers }) => {
    if (!(on as readonly string[]).includes(type)) return []
    return [answers.length === 0 ? `${by} takes note` : `${by} answers with ${answers.join(' or ')}`]
  })
  return `From ${sender}; ${reactions.length === 0 ? 'the end of its checkout' : reactions.join('; ')}.`
}

function payloadOf(type: EventType): Json {
  // What a consumer accepts: fields that a newer producer adds are dropped, so they are not forbidden here.
  const schema = z.toJSONSchema(schemaOf(type), { target: 'draft-07', io: 'input' })
  delete schema.$schema // AsyncAPI has its own default, a superset of draft 07
  return schema as Json
}

const text = (description: string, more: Readonly<Record<string, Json>> = {}): Json => ({
  type: 'string',
  description,
  ...more,
})

const cloudEvent: Json = {
  contentType: 'application/json',
  headers: {
    type: 'object',
    properties: {
      ce_specversion: text('The version of CloudEvents.', { const: '1.0' }),
      ce_id: text('Unique per event, and the same when it is published again.', {
        examples: ['orders/4f9c2a@2/0'],
      }),
      ce_source: text('The service whose commit it is.', { format: 'uri-reference' }),
      ce_type: text('The event type and its version.'),
      ce_subject: text('The checkout id, which is the key as well.', { pattern: '^[A-Za-z0-9_-]{1,64}$' }),
      ce_time: text('When it was committed, RFC 3339.', { format: 'date-time' }),
      ce_causationid: text(
        'What it answers: an event’s id, request/<checkout id> or deadline/<checkout id>.',
        {
          examples: ['users/4f9c2a@1/0'],
        },
      ),
      'content-type': text('Of the value.', { const: 'application/json' }),
      traceparent: text('W3C Trace Context of the span that published it.', {
        pattern: '^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}',
      }),
    },
    required: ['ce_specversion', 'ce_id', 'ce_source', 'ce_type', 'ce_subject', 'ce_time', 'content-type'],
  },
  bindings: { kafka: { key: text('The checkout id.'), bindingVersion: '0.5.0' } },
}

/** One operation per topic, for AsyncAPI gives an operation one channel. */
function operationsOf(
  party: Party,
  action: 'send' | 'receive',
  types: ReadonlySet<EventType>,
): readonly (readonly [string, Json])[] {
  return topics.flatMap((topic) => {
    const ofTopic = eventTypes.filter((type) => topicOf[type] === topic && types.has(type))
    if (ofTopic.length === 0) return []
    const operation = {
      action,
      channel: reference('channels', topic),
      title: `${party} ${action}s ${ofTopic.join(', ')}`,
      messages: ofTopic.map((type) => reference('channels', topic, 'messages', type)),
    }
    return [[`${party}.${action}.${topic}`, operation] as const]
  })
}

const reference = (...path: readonly string[]): Json => ({ $ref: ['#', ...path].join('/') })

const fromEntries = <Name extends string>(names: readonly Name[], valueOf: (name: Name) => Json): Json =>
  Object.fromEntries(names.map((name) => [name, valueOf(name)]))
