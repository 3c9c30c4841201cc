/**
 * What holds for every checkout, however its messages are ordered, repeated, lost with a crash and overtaken
 * by the clock. fast-check plays the model in saga-model.ts by the commands in saga-commands.ts; every run is checked
 * for every promise, at rest and again after everything has been repeated.
 *
 * A promise that is broken is tried again on its own, until the smallest run that breaks it is found. It prints the
 * commands, the commits that they led to, and how to play that run again. To look longer:
 *
 *     FC_RUNS=100000 npm run test:unit -- -g 'the saga'
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import fc from 'fast-check'
import type { EventType, Order, SagaEvent } from '../shared/contracts/events.ts'
import { topicOf } from '../shared/contracts/events.ts'
import { flow, isTerminal, producedBy } from '../shared/contracts/flow.ts'
import { commandsOf, kinds, points, settings, unfinished } from './saga-commands.ts'
import type { SagaSettings, Unfinished } from './saga-model.ts'
import { narrate, SagaModel } from './saga-model.ts'
import { priceOf } from './saga-outside-world.ts'

const { FC_SEED, FC_PATH, FC_REPLAY_PATH, FC_RUNS } = process.env
const runs = Number(FC_RUNS ?? 10_000)
const seed = FC_SEED === undefined ? Date.now() % 2 ** 31 : Number(FC_SEED)

type Commands = Iterable<fc.AsyncCommand<SagaModel, SagaModel>>
type Scenario = [SagaSettings, Unfinished, Commands]

const scenario = [settings, unfinished, commandsOf(FC_REPLAY_PATH)] as const

interface Checkout {
  readonly checkoutId: string
  readonly email: string
  readonly order: Order
  readonly events: readonly SagaEvent[]
}

interface Played {
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
async function play(
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

const promises: Readonly<Record<string, (played: Played) => void>> = {
  'comes to rest, with nothing left to handle, to publish or to mark, and meets no fault on its way'({
    model,
  }) {
    deepStrictEqual(model.faults, [])
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

describe('the saga, with duplicates, delays, crashes, zombies and deadlines, in any order', function () {
  /** By promise, the first run that broke it. */
  const brokenIn = new Map<string, number>()

  before(`${runs} runs`, async function () {
    this.timeout(60_000 + runs * 60)
    if (FC_PATH !== undefined) return // one run is to be played again
    let run = 0
    const checkAll = (played: Played) => {
      for (const [title, holds] of Object.entries(promises)) {
        if (!brokenIn.has(title) && messageOf(() => holds(played)) !== undefined) brokenIn.set(title, run)
      }
    }
    await fc.assert(
      fc.asyncProperty(...scenario, async (...scenario) => {
        await play(scenario, checkAll)
        run += 1
      }),
      { seed, numRuns: runs },
    )
  })

  for (const [title, holds] of Object.entries(promises)) {
    it(title, async function () {
      const path = FC_PATH ?? brokenIn.get(title)?.toString()
      if (path === undefined) return
      this.timeout(120_000)
      const property = fc.asyncProperty(...scenario, async (...scenario) => {
        await play(scenario, (played) => {
          const message = messageOf(() => holds(played))
          if (message !== undefined) throw new Error(`${message}\n\n${narrate(played.model)}`)
        })
      })
      await fc.assert(property, {
        seed,
        path,
        numRuns: 1,
        reporter: (details) => {
          if (details.failed) throw new Error(reportOf(details))
        },
      })
    })
  }

  it('is played far enough to meet every answer of the table, every command and every point', async function () {
    if (FC_PATH !== undefined) this.skip()
    this.timeout(180_000)
    const met = new Set<string>()
    // Its own seed, because this looks at the scenarios and not at the saga.
    for (const sample of fc.sample(fc.tuple(...scenario), { numRuns: 1_000, seed: 1 })) {
      const model = await play(sample, () => undefined)
      for (const { service, on, events } of model.commits) {
        for (const { event } of events) met.add(`${service}: ${on ?? 'a request'} -> ${event.type}`)
      }
      for (const each of model.met) met.add(each)
    }
    const expected = [
      ...flow.flatMap(({ on, by, answers }) =>
        on.flatMap((type) => answers.map((answer) => `${by}: ${type} -> ${answer}`)),
      ),
      ...['appended', 'conflict', 'duplicate', 'a redelivery', 'a zombie', 'swept'],
      ...kinds.map(({ name }) => name),
      ...points.flatMap((point) => [`stalls ${point}`, `crashes ${point}`]),
    ]
    deepStrictEqual(
      expected.filter((name) => !met.has(name)),
      [],
    )
  })
})

/** What a check throws, in words; undefined when it holds. */
function messageOf(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** What went wrong, in which run, and the one command that plays it again. */
function reportOf({
  seed,
  counterexamplePath,
  counterexample,
  errorInstance,
}: fc.RunDetails<Scenario>): string {
  const [settings, unfinished, commands] = counterexample ?? []
  const played = fc.stringify(commands)
  const [, replayPath] = /replayPath="([^"]*)"/.exec(played) ?? []
  const variables = { FC_SEED: seed, FC_PATH: counterexamplePath, FC_REPLAY_PATH: replayPath }
  const given = Object.entries(variables).map(([name, value]) => `${name}=${value}`)
  return [
    errorInstance instanceof Error ? errorInstance.message : String(errorInstance),
    `Settings: ${fc.stringify(settings)}`,
    `Commands: ${played}\n  rest; what has stalled ${unfinished}; repeat everything`,
    `To play it again:\n\n    ${given.join(' ')} npm run test:unit -- -g 'the saga'\n`,
  ].join('\n\n')
}
