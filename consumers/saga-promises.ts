/** What holds for every checkout, at the end of every run of the model. */
import { deepStrictEqual, ok } from 'node:assert/strict'
import fc from 'fast-check'
import type { EventType, Order, SagaEvent } from '../shared/saga/events.ts'
import { topicOf } from '../shared/saga/events.ts'
import { flow, isTerminal, producedBy } from '../shared/saga/flow.ts'
import { commandsOf, settings, unfinished } from './saga-commands.ts'
import type { SagaSettings, Unfinished } from './saga-model.ts'
import { SagaModel } from './saga-model.ts'
import { priceOf } from './saga-outside-world.ts'

type Commands = Iterable<fc.AsyncCommand<SagaModel, SagaModel>>
export type Scenario = [SagaSettings, Unfinished, Commands]

/** @param replayPath of one run that is to be played again */
export const scenarios = (replayPath?: string) => [settings, unfinished, commandsOf(replayPath)] as const

interface Checkout {
  readonly checkoutId: string
  readonly email: string
  readonly order: Order
  readonly events: readonly SagaEvent[]
}

export interface Played {
  readonly model: SagaModel
  readonly checkouts: readonly Checkout[]
  /** When the saga had come to rest for the first time. */
  readonly atRest: Effects
}

interface Effects {
  readonly commits: number
  readonly moneyMoved: number
  readonly claims: number
}

const effectsOf = ({ commits, network, register }: SagaModel): Effects => ({
  commits: commits.length,
  moneyMoved: network.ledger.length,
  claims: register.claims.length,
})

const checkoutsOf = (model: SagaModel): readonly Checkout[] =>
  model.checkouts.map((checkoutId) => {
    const events = model.eventsOf('checkout', checkoutId)
    const [request] = events
    ok(request?.type === 'CheckoutRequested', `${checkoutId} does not begin with its request`)
    return { checkoutId, email: request.data.user.email, order: request.data.order, events }
  })

/** Plays a run, and checks it at rest and again after everything was repeated. */
export async function play(
  [settings, unfinished, commands]: Scenario,
  check: (played: Played) => void,
): Promise<SagaModel> {
  const model = new SagaModel(settings)
  await fc.asyncModelRun(() => ({ model, real: model }), commands)
  await model.rest(unfinished)
  const atRest = effectsOf(model)
  check({ model, checkouts: checkoutsOf(model), atRest })
  await model.repeatEverything()
  check({ model, checkouts: checkoutsOf(model), atRest })
  return model
}

const typesOf = (events: readonly SagaEvent[]): EventType[] => events.map(({ type }) => type)
const completed = ({ events }: Checkout): boolean => typesOf(events).includes('CheckoutCompleted')

export const promises: Readonly<Record<string, (played: Played) => void>> = {
  'comes to rest, with nothing left to handle, to publish or to settle, and meets no fault on its way'({
    model,
  }) {
    deepStrictEqual(model.faults, [])
    deepStrictEqual(model.broker.notHandled, [])
    deepStrictEqual(model.watermarksBehind, [])
  },

  'P1: brings every checkout that was promised to exactly one terminal event, its last'({
    checkouts,
    model,
  }) {
    const promised = [...model.accepted.values()].flat()
    const kept = checkouts.map(({ checkoutId }) => checkoutId)
    deepStrictEqual(
      promised.filter((checkoutId) => !kept.includes(checkoutId)),
      [],
    )
    for (const { checkoutId, events } of checkouts) {
      deepStrictEqual(typesOf(events).filter(isTerminal).length, 1, `${checkoutId} has not one end`)
      ok(typesOf(events).slice(-1).every(isTerminal), `${checkoutId} went on after its end`)
    }
  },

  'P2: captures the total once for a completed checkout, and leaves no money with any other'({
    checkouts,
    model,
  }) {
    for (const checkout of checkouts) {
      const moved = model.network.ledger.filter(({ checkoutId }) => checkoutId === checkout.checkoutId)
      const captures = moved.filter(({ kind }) => kind === 'capture').map(({ amount }) => amount)
      const refunds = moved.filter(({ kind }) => kind === 'refund').map(({ amount }) => amount)
      ok(captures.length <= 1, `${checkout.checkoutId} was captured ${captures.length} times`)
      if (completed(checkout)) {
        deepStrictEqual({ captures, refunds }, { captures: [priceOf(checkout.order)], refunds: [] })
      } else {
        deepStrictEqual(refunds, captures, `${checkout.checkoutId} has not got its money back`)
      }
    }
  },

  'P2: says in its events where the money is'({ checkouts, model }) {
    for (const checkout of checkouts) {
      const { checkoutId } = checkout
      const types = typesOf(model.eventsOf('payments', checkoutId))
      const refunded = model.network.ledger.some(
        (entry) => entry.checkoutId === checkoutId && entry.kind === 'refund',
      )
      deepStrictEqual(types.includes('PaymentRefunded'), refunded, `${checkoutId} tells of no refund`)
      const captured = types.filter((type) => type === 'PaymentCaptured').length
      ok(captured <= 1, `${checkoutId} was captured ${captured} times`)
      if (completed(checkout)) deepStrictEqual(types, ['PaymentCaptured'])
      else ok(types.at(-1) !== 'PaymentCaptured', `${checkoutId} ends as captured`)
    }
  },

  'P3: has every committed event in its topic, and nothing there that was not committed'({ model }) {
    const committed = model.commits.flatMap(({ service, checkoutId, version, events }) =>
      events.map((recorded, index) => ({
        ...recorded,
        id: `${service}/${checkoutId}@${version}/${index}`,
        topic: topicOf[recorded.event.type],
      })),
    )
    const sent = model.broker.firstAppearances.map(({ message, recorded }) => ({
      ...recorded,
      topic: message.topic,
    }))
    const byId = (one: { readonly id: string }, other: { readonly id: string }) =>
      one.id < other.id ? -1 : 1
    deepStrictEqual(sent.sort(byId), committed.sort(byId))
  },

  'P3: commits no offset ahead of the store'({ model }) {
    deepStrictEqual(model.broker.passedOver, [])
  },

  'P4: does nothing new when everything comes once more, late or from the start'({ model, atRest }) {
    deepStrictEqual(effectsOf(model), atRest)
  },

  'P4: does not need the store to tell that a message has been answered'({ model }) {
    deepStrictEqual(model.answeredAgain, [])
  },

  'P5: publishes a stream in the order of its commits'({ model }) {
    deepStrictEqual(model.overtakings, [])
  },

  'P9: tells all requests under one key of one checkout'({ model }) {
    for (const [key, told] of model.accepted) ok(new Set(told).size === 1, `${key} is several checkouts`)
  },

  'P10: never completes a checkout that has expired, but takes it back'({ checkouts }) {
    for (const { checkoutId, events } of checkouts) {
      const types = typesOf(events)
      if (!types.includes('CheckoutExpired')) continue
      ok(types.includes('CheckoutCompensated') || types.includes('CheckoutRejected'), checkoutId)
    }
  },

  'revokes a registration only when no other checkout relies on it'({ model }) {
    for (const { checkoutId, events, claims } of model.commits) {
      for (const { event } of events) {
        if (event.type !== 'RegistrationRevoked') continue
        const relying = claims.filter(({ userId }) => userId === event.data.userId)
        deepStrictEqual(relying, [], `${checkoutId} revoked what others rely on`)
      }
    }
  },

  'revokes a registration exactly once when all that relied on it have been taken back'({
    checkouts,
    model,
  }) {
    const usersWhere = (type: 'UserRegistered' | 'RegistrationRevoked', events: readonly SagaEvent[]) =>
      events.flatMap((event) =>
        event.type === type && event.data.userId !== null ? [event.data.userId] : [],
      )
    const allEvents = model.commits.flatMap(({ events }) => events.map(({ event }) => event))
    const inUse = new Set(
      checkouts
        .filter(completed)
        .flatMap(({ checkoutId }) => usersWhere('UserRegistered', model.eventsOf('users', checkoutId))),
    )
    const revoked = usersWhere('RegistrationRevoked', allEvents)
    for (const userId of new Set(usersWhere('UserRegistered', allEvents))) {
      const times = revoked.filter((revokedId) => revokedId === userId).length
      deepStrictEqual(times, inUse.has(userId) ? 0 : 1, `${userId} was revoked ${times} times`)
    }
  },

  'leaves in the register the completed checkouts and nobody else'({ checkouts, model }) {
    deepStrictEqual(
      model.register.claims.map(({ checkoutId, email }) => `${checkoutId} ${email}`).sort(),
      checkouts
        .filter(completed)
        .map(({ checkoutId, email }) => `${checkoutId} ${email}`)
        .sort(),
    )
  },

  'makes one email one user'({ checkouts, model }) {
    const usersOf = new Map<string, Set<string>>()
    for (const { checkoutId, email } of checkouts.filter(completed)) {
      const users = usersOf.get(email) ?? new Set()
      for (const event of model.eventsOf('users', checkoutId)) {
        if (event.type === 'UserRegistered') users.add(event.data.userId)
      }
      usersOf.set(email, users)
    }
    for (const [email, users] of usersOf) deepStrictEqual(users.size, 1, `${email} is several users`)
  },

  'answers only as the flow table allows'({ model }) {
    for (const { service, on, events } of model.commits) {
      if (!on) continue
      const rows = flow.filter((row) => row.by === service && (row.on as readonly string[]).includes(on))
      const allowed = rows.flatMap<EventType>((row) => row.answers)
      for (const { event } of events) {
        ok(producedBy(service).has(event.type), `${service} does not produce ${event.type}`)
        ok(allowed.includes(event.type), `${service} does not answer ${on} with ${event.type}`)
      }
    }
  },
}

/** What a check throws, in words; undefined when it holds. */
export function messageOf(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
