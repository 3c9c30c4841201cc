import { deepStrictEqual, ok } from 'node:assert/strict'
import type { EventType, RecordedEvent, Service } from './events.ts'
import { eventTypes, services, topicOf, topics } from './events.ts'
import { concerns, consumedBy, flow, keeperOf, producedBy, subscriptionsOf, terminalTypes } from './flow.ts'

const consumed = new Set(services.flatMap((service) => [...consumedBy(service)]))
const produced = new Set(services.flatMap((service) => [...producedBy(service)]))
const terminal: ReadonlySet<EventType> = new Set(terminalTypes)

describe('the flow table', () => {
  it('leaves no answer without somebody who reacts to it, but for the terminal ones', () => {
    deepStrictEqual(
      [...produced].filter((type) => !consumed.has(type) && !terminal.has(type)),
      [],
    )
  })

  it('lets nobody react to a terminal event', () => {
    deepStrictEqual(
      terminalTypes.filter((type) => consumed.has(type)),
      [],
    )
  })

  it('waits for no event that nobody produces, but for the request, which comes from the gateway', () => {
    deepStrictEqual(
      [...consumed].filter((type) => !produced.has(type)),
      ['CheckoutRequested'],
    )
  })

  it('speaks of every event type there is', () => {
    deepStrictEqual(
      eventTypes.filter((type) => !consumed.has(type) && !produced.has(type)),
      [],
    )
  })

  it('has one producer for every event type', () => {
    for (const type of produced) {
      deepStrictEqual(services.filter((service) => producedBy(service).has(type)).length, 1, type)
    }
  })

  it('has each service publish to one topic of its own', () => {
    const topicsOf = (service: Service) => new Set([...producedBy(service)].map((type) => topicOf[type]))
    deepStrictEqual(
      services.map((service) => [...topicsOf(service)]),
      [['users'], ['orders'], ['payments'], ['checkouts']],
    )
  })

  it('has a topic for every event type, and an event type for every topic', () => {
    deepStrictEqual(Object.keys(topicOf), eventTypes)
    deepStrictEqual(new Set(Object.values(topicOf)), new Set(topics))
  })

  it('names a pair of event and service once', () => {
    const pairs = flow.flatMap(({ on, by }) => on.map((type) => `${type} by ${by}`))
    deepStrictEqual(pairs, [...new Set(pairs)])
  })
})

describe('subscriptions', () => {
  it('are the topics of what a service reacts to', () => {
    deepStrictEqual(Object.fromEntries(services.map((service) => [service, subscriptionsOf(service)])), {
      users: ['checkouts', 'orders'],
      orders: ['users', 'payments'],
      payments: ['checkouts', 'orders'],
      checkout: ['checkouts', 'users', 'orders'],
    })
  })

  it('do not ask Kafka for deadlines, which are the clock of the checkout service', () => {
    ok(!([...consumed] as string[]).includes('DeadlinePassed'))
  })
})

describe('the keeper of a message that cannot be read', () => {
  it('is the first service that reacts to its type', () => {
    deepStrictEqual(keeperOf('checkouts', 'CheckoutRequested'), 'users')
    deepStrictEqual(keeperOf('checkouts', 'CheckoutExpired'), 'payments')
    deepStrictEqual(keeperOf('orders', 'OrderConfirmed'), 'checkout')
  })

  it('is the first reader of the topic when nobody reacts to its type', () => {
    deepStrictEqual(keeperOf('checkouts', 'CheckoutCompleted'), 'users')
  })

  it('is the first reader of the topic when the type is unknown', () => {
    deepStrictEqual(
      topics.map((topic) => keeperOf(topic, undefined)),
      ['users', 'orders', 'users', 'orders'],
    )
  })

  it('reads the topic, also when the type belongs on another', () => {
    for (const topic of topics) {
      for (const type of [undefined, ...eventTypes]) {
        const keeper = keeperOf(topic, type)
        ok(
          keeper && subscriptionsOf(keeper).includes(topic),
          `${topic} ${type ?? 'unknown'}: ${keeper ?? 'nobody'}`,
        )
      }
    }
  })

  it('is nobody for a topic that nobody reads', () => {
    deepStrictEqual(keeperOf('weather', undefined), undefined)
    deepStrictEqual(keeperOf('weather', 'OrderPlaced'), undefined)
  })
})

describe('concerns', () => {
  const recorded: RecordedEvent = {
    id: 'orders/c1@2/0',
    checkoutId: 'c1',
    time: '2026-11-23T12:00:00Z',
    event: { type: 'OrderConfirmed', data: { orderId: 'order-c1' } },
  }

  it('is true for who reacts to the event, and for nobody else', () => {
    deepStrictEqual(
      services.filter((service) => concerns(service, recorded)),
      ['checkout'],
    )
  })
})
