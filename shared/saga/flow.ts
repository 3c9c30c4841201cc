/**
 * The whole saga, as data: who reacts to what, and with what it may answer.
 *
 * A choreography: data runs forward from service to service, only compensation runs back. Subscriptions,
 * the deciders' types, the AsyncAPI document, the README's diagram and the contract tests come from this
 * table or are checked against it.
 */
import type { EventOf, EventType, RecordedEvent, SagaEvent, Service, Topic } from './events.ts'
import { services, topicOf, topics } from './events.ts'

interface Reaction {
  readonly on: readonly (EventType | 'DeadlinePassed')[]
  readonly by: Service
  readonly answers: readonly EventType[]
}

export const flow = [
  { on: ['CheckoutRequested'], by: 'users', answers: ['UserRegistered', 'RegistrationRejected'] },
  { on: ['UserRegistered'], by: 'orders', answers: ['OrderPlaced', 'OrderRejected'] },
  { on: ['OrderPlaced'], by: 'payments', answers: ['PaymentCaptured', 'PaymentDeclined'] },
  { on: ['PaymentCaptured'], by: 'orders', answers: ['OrderConfirmed'] },
  { on: ['OrderConfirmed'], by: 'checkout', answers: ['CheckoutCompleted'] },
  // Compensation runs back.
  { on: ['PaymentDeclined', 'PaymentRefunded'], by: 'orders', answers: ['OrderCancelled'] },
  {
    on: ['OrderRejected', 'OrderCancelled'],
    by: 'users',
    answers: ['RegistrationRevoked', 'RegistrationKept'],
  },
  { on: ['RegistrationRevoked', 'RegistrationKept'], by: 'checkout', answers: ['CheckoutCompensated'] },
  { on: ['RegistrationRejected'], by: 'checkout', answers: ['CheckoutRejected'] },
  // A checkout that is not terminal by its deadline is taken back, however far it got.
  { on: ['CheckoutRequested'], by: 'checkout', answers: [] }, // starts the clock
  { on: ['DeadlinePassed'], by: 'checkout', answers: ['CheckoutExpired'] },
  { on: ['CheckoutExpired'], by: 'payments', answers: ['PaymentRefunded', 'PaymentDeclined'] },
] as const satisfies readonly Reaction[]

export const terminalTypes = [
  'CheckoutCompleted',
  'CheckoutCompensated',
  'CheckoutRejected',
] as const satisfies readonly EventType[]

type Row = (typeof flow)[number]
type RowsOf<S extends Service> = Extract<Row, { by: S }>

/** What a service reacts to, and what it may answer with. */
export type Consumed<S extends Service> = EventOf<Extract<RowsOf<S>['on'][number], EventType>>
export type Produced<S extends Service> = EventOf<RowsOf<S>['answers'][number]>

const rows: readonly Reaction[] = flow

export const isTerminal = (type: EventType): boolean => (terminalTypes as readonly EventType[]).includes(type)

// Asked for every message, so worked out once.
const consumed: ReadonlyMap<Service, ReadonlySet<EventType>> = new Map(
  services.map((service) => [
    service,
    new Set(
      rows
        .filter((row) => row.by === service)
        .flatMap((row) => row.on.filter((type) => type !== 'DeadlinePassed')),
    ),
  ]),
)

/** The event types that a service reacts to. */
export const consumedBy = (service: Service): ReadonlySet<EventType> => consumed.get(service) ?? new Set()

/** The event types that a service answers with. */
export function producedBy(service: Service): ReadonlySet<EventType> {
  return new Set(rows.filter((row) => row.by === service).flatMap((row) => row.answers))
}

/** The topics that a service subscribes to. */
export function subscriptionsOf(service: Service): readonly Topic[] {
  const types = consumedBy(service)
  return topics.filter((topic) => [...types].some((type) => topicOf[type] === topic))
}

/**
 * The one service that dead-letters a message that cannot be read, so that a topic with several readers
 * gives one dead letter and not one from each: the first that reacts to its type, or, for a message whose
 * type is unknown or that nobody reacts to, the first that reads its topic.
 */
export function keeperOf(topic: string, type: EventType | undefined): Service | undefined {
  // A type on a topic that is not its own is read by nobody who reacts to it.
  const atHome = type !== undefined && topicOf[type] === topic
  const byType = rows.find((row) => atHome && row.on.includes(type))
  return (
    byType?.by ?? services.find((service) => (subscriptionsOf(service) as readonly string[]).includes(topic))
  )
}

/** False for what a service only takes note of: whatever the state, it has no answer to it. */
export const isAnswered = (service: Service, type: EventType): boolean =>
  rows.some((row) => row.by === service && row.on.includes(type) && row.answers.length > 0)

/** True when a service reacts to this event; narrows it to what its decider accepts. */
export function concerns<S extends Service>(
  service: S,
  message: RecordedEvent,
): message is RecordedEvent<Consumed<S> & SagaEvent> {
  return consumedBy(service).has(message.event.type)
}
