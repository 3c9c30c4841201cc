import { deepStrictEqual, ok } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { toMessage } from '../kafka/cloud-events.ts'
import { asyncApiDocument } from './asyncapi.ts'
import type { EventType } from './events.ts'
import { eventTypes, services, topicOf, topics } from './events.ts'
import { consumedBy, producedBy } from './flow.ts'

/** As a reader gets it. */
interface Reference {
  readonly $ref: string
}
interface Schema {
  readonly properties: Readonly<Record<string, { readonly const?: string; readonly pattern?: string }>>
  readonly required: readonly string[]
}
interface Document {
  readonly channels: Readonly<Record<string, { readonly messages: Readonly<Record<string, Reference>> }>>
  readonly operations: Readonly<
    Record<
      string,
      { readonly action: string; readonly channel: Reference; readonly messages: readonly Reference[] }
    >
  >
  readonly components: {
    readonly messages: Readonly<Record<string, { readonly headers: Schema }>>
    readonly schemas: Readonly<Record<string, { readonly additionalProperties?: boolean }>>
    readonly messageTraits: { readonly cloudEvent: { readonly headers: Schema } }
  }
}

const document = JSON.parse(JSON.stringify(asyncApiDocument())) as Document

const typesOf = (party: string, action: string): readonly string[] =>
  Object.entries(document.operations)
    .filter(([name, operation]) => name.startsWith(`${party}.`) && operation.action === action)
    .flatMap(([, { messages }]) => messages.map(({ $ref }) => $ref.split('/').at(-1) ?? ''))

describe('the AsyncAPI document', () => {
  it('has a channel for every topic, with the events that are published there', () => {
    deepStrictEqual(
      Object.entries(document.channels).map(([topic, { messages }]) => [topic, Object.keys(messages)]),
      topics.map((topic) => [topic, eventTypes.filter((type) => topicOf[type] === topic)]),
    )
  })

  for (const service of services) {
    it(`has ${service} receive what it reacts to and send what it answers with`, () => {
      const inOrder = (types: ReadonlySet<EventType>) =>
        topics.flatMap((topic) => eventTypes.filter((type) => types.has(type) && topicOf[type] === topic))
      deepStrictEqual(typesOf(service, 'receive'), inOrder(consumedBy(service)))
      deepStrictEqual(typesOf(service, 'send'), inOrder(producedBy(service)))
    })
  }

  it('has the gateway send the request, and receive nothing', () => {
    deepStrictEqual(typesOf('gateway', 'send'), ['CheckoutRequested'])
    deepStrictEqual(typesOf('gateway', 'receive'), [])
  })

  it('refers only to what it holds', () => {
    const references = JSON.stringify(document).matchAll(/"\$ref":"#\/(?<path>[^"]+)"/g)
    for (const { groups } of references) {
      const path = groups?.path ?? ''
      const found = path
        .split('/')
        .reduce<unknown>((value, name) => (value as Record<string, unknown> | undefined)?.[name], document)
      ok(found !== undefined, `nothing at ${path}`)
    }
  })

  it('does not forbid the fields that a newer producer adds', () => {
    deepStrictEqual(
      Object.entries(document.components.schemas).filter(
        ([, schema]) => schema.additionalProperties === false,
      ),
      [],
    )
  })

  it('promises exactly the headers that are written', () => {
    const { headers } = toMessage('orders', {
      id: 'orders/c1@2/0',
      checkoutId: 'c1',
      time: '2026-11-23T12:00:00.000Z',
      event: { type: 'OrderConfirmed', data: { orderId: 'order-c1' } },
    })
    const { properties, required } = document.components.messageTraits.cloudEvent.headers
    deepStrictEqual(Object.keys(headers).sort(), [...required].sort())
    const ofItsOwn = document.components.messages.OrderConfirmed?.headers.properties
    for (const [name, schema] of Object.entries({ ...properties, ...ofItsOwn })) {
      const value = headers[name]
      if (schema.const !== undefined) deepStrictEqual(value, schema.const)
      if (schema.pattern !== undefined && value !== undefined)
        ok(new RegExp(schema.pattern).test(value), name)
    }
  })

  it('is the one that is committed', async () => {
    const committed = await readFile(new URL('asyncapi.json', import.meta.url), 'utf8').catch(() => undefined)
    ok(committed !== undefined, 'there is no asyncapi.json: run `node shared/saga/write-documents.ts`')
    const outOfDate = 'out of date: run `node shared/saga/write-documents.ts`'
    deepStrictEqual(JSON.parse(committed), document, outOfDate)
  })
})
