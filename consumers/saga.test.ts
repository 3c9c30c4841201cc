/**
 * What holds for every checkout, however its messages are ordered, repeated, lost with a crash and overtaken
 * by the clock. fast-check plays the model in saga-model.ts.
 *
 * A failure prints its seed, its path and the commits that led to it. To play it again:
 *
 *     FC_SEED=1234 FC_PATH=5:6:7 npm test -- -g 'the title of the test'
 *
 * and to look longer: FC_RUNS=100000 npm test -- -g 'the saga'.
 */
import { deepStrictEqual, ok } from 'node:assert/strict'
import fc from 'fast-check'
import type { EventType, SagaEvent } from '../shared/contracts/events.ts'
import { flow, isTerminal, producedBy } from '../shared/contracts/flow.ts'
import type { CheckoutPlan } from './saga-model.ts'
import { narrate, priceOf, SagaModel } from './saga-model.ts'

const runs = Number(process.env.FC_RUNS ?? 2_000)
const replayed = {
  ...(process.env.FC_SEED !== undefined && { seed: Number(process.env.FC_SEED) }),
  ...(process.env.FC_PATH !== undefined && { path: process.env.FC_PATH }),
}

/** A checkout, and after how many steps of the run its deadline passes, if it does. */
interface Planned extends Omit<CheckoutPlan, 'checkoutId'> {
  readonly expiresAfter: number | undefined
}

interface Choice {
  readonly act: 'receive' | 'proceed' | 'redeliver' | 'crash'
  readonly which: number
}

interface Scenario {
  readonly looksFirst: boolean
  /** What becomes of the handlings that are under way after the last choice. */
  readonly unfinished: 'go on' | 'stall' | 'stall, then die half-way'
  readonly planned: readonly Planned[]
  readonly choices: readonly Choice[]
}

// As many emails as will often be shared; more that can be bought and paid than not, to get far.
const planned: fc.Arbitrary<Planned> = fc.record({
  email: fc.oneof(
    { weight: 7, arbitrary: fc.constantFrom('ada@example.com', 'grace@example.com') },
    { weight: 1, arbitrary: fc.constant('mallory@blocked.example') },
  ),
  order: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(orderOf({ 'SAGA-MUG': 2 }), orderOf({ 'SAGA-BOOK': 1, 'SAGA-TEE': 3 })),
    },
    { weight: 1, arbitrary: fc.constantFrom(orderOf({ 'SAGA-BOAT': 1 }), orderOf({ 'SAGA-POSTER': 1 })) },
  ),
  token: fc.oneof(
    { weight: 3, arbitrary: fc.constant('tok_visa') },
    { weight: 1, arbitrary: fc.constantFrom('tok_declined', 'tok_insufficient_funds') },
  ),
  expiresAfter: fc.option(fc.nat({ max: 120 }), { nil: undefined }),
})

const choice: fc.Arbitrary<Choice> = fc.record({
  act: fc.oneof(
    { weight: 5, arbitrary: fc.constant('receive') },
    { weight: 9, arbitrary: fc.constant('proceed') },
    { weight: 2, arbitrary: fc.constant('redeliver') },
    { weight: 1, arbitrary: fc.constant('crash') },
  ),
  which: fc.nat({ max: 99 }),
})

const scenario: fc.Arbitrary<Scenario> = fc.record({
  looksFirst: fc.boolean(),
  unfinished: fc.constantFrom('go on', 'stall', 'stall, then die half-way'),
  planned: fc.array(planned, { minLength: 1, maxLength: 3 }),
  choices: fc.array(choice, { maxLength: 150, size: 'max' }),
})

function orderOf(quantities: Readonly<Record<string, number>>): CheckoutPlan['order'] {
  return { items: Object.entries(quantities).map(([sku, quantity]) => ({ sku, quantity })) }
}

interface Played {
  readonly model: SagaModel
  readonly checkouts: readonly (CheckoutPlan & { readonly events: readonly SagaEvent[] })[]
}

/** Plays a scenario, and brings it to rest: everything has been handled to its end at least once. */
async function play({ looksFirst, unfinished, planned, choices }: Scenario): Promise<SagaModel> {
  const model = new SagaModel({ looksFirst })
  const plans = plansOf(planned)
  plans.forEach((plan) => model.request(plan))

  let steps = 0
  const passDeadlines = () => {
    plans.forEach(({ checkoutId, expiresAfter }) => {
      if (expiresAfter === steps) model.passDeadline(checkoutId)
    })
    steps += 1
  }
  for (const { act, which } of choices) {
    passDeadlines()
    await model[act](which)
  }
  const stalled = unfinished === 'go on' ? 0 : model.handlingsUnderWay
  await bringToRest(model, {
    stalled,
    beforeEachStep: passDeadlines,
    lastOnesDie: unfinished.endsWith('half-way'),
  })
  return model
}

/** Everything once more, every deadline included: what has ended must hold against the slowest clock too. */
async function repeatEverything(model: SagaModel, planned: readonly Planned[]): Promise<void> {
  model.redeliverEverything()
  plansOf(planned).forEach(({ checkoutId }) => model.passDeadline(checkoutId))
  await bringToRest(model)
}

async function bringToRest(
  model: SagaModel,
  { stalled = 0, beforeEachStep = () => {}, lastOnesDie = false } = {},
): Promise<void> {
  while (model.isBusy) {
    beforeEachStep()
    if (lastOnesDie && model.onlyStalledLeft(stalled)) {
      // One step further, which may be a question to the outside world, and no more.
      for (let each = 0; each < stalled; each++) await model.proceed(0)
      while (model.handlingsUnderWay > 0) model.crash(0)
      stalled = 0
    } else {
      await model.step(stalled)
    }
  }
}

const plansOf = (planned: readonly Planned[]) =>
  planned.map((plan, index) => ({ ...plan, checkoutId: `c${index + 1}` }))

/** Checks every run, at rest and again after everything was repeated; a failure tells its story. */
function always(holds: (played: Played) => void): Promise<void> {
  return fc.assert(
    fc.asyncProperty(scenario, async (scenario) => {
      const model = await play(scenario)
      const check = () => {
        const checkouts = plansOf(scenario.planned).map((plan) => ({
          ...plan,
          events: model.eventsOf('checkout', plan.checkoutId),
        }))
        holds({ model, checkouts })
      }
      try {
        check()
        await repeatEverything(model, scenario.planned)
        check()
      } catch (cause) {
        const message = cause instanceof Error ? cause.message : String(cause)
        throw new Error(`${message}\n\n${narrate(model)}\n`, { cause })
      }
    }),
    { numRuns: runs, ...replayed },
  )
}

const typesOf = (events: readonly SagaEvent[]): EventType[] => events.map(({ type }) => type)
const completed = ({ events }: Played['checkouts'][number]): boolean =>
  typesOf(events).includes('CheckoutCompleted')

describe('the saga, in any order, with duplicates, crashes and deadlines', function () {
  this.timeout(runs * 40)

  it('brings every checkout to exactly one terminal event, its last', async () => {
    await always(({ checkouts }) => {
      for (const { checkoutId, events } of checkouts) {
        deepStrictEqual(typesOf(events).filter(isTerminal).length, 1, `${checkoutId} has not one end`)
        ok(typesOf(events).slice(-1).every(isTerminal), `${checkoutId} went on after its end`)
      }
    })
  })

  it('never completes a checkout that has expired', async () => {
    await always(({ checkouts }) => {
      for (const { checkoutId, events } of checkouts) {
        const types = typesOf(events)
        ok(!types.includes('CheckoutExpired') || !types.includes('CheckoutCompleted'), checkoutId)
      }
    })
  })

  it('captures the total once for a completed checkout, and leaves no money with any other', async () => {
    await always(({ checkouts, model }) => {
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
    })
  })

  it('says in its events where the money is', async () => {
    await always(({ checkouts, model }) => {
      for (const checkout of checkouts) {
        const { ledger } = model.network
        const types = typesOf(model.eventsOf('payments', checkout.checkoutId))
        const refunded = ledger.some(
          ({ checkoutId, kind }) => checkoutId === checkout.checkoutId && kind === 'refund',
        )
        deepStrictEqual(
          types.includes('PaymentRefunded'),
          refunded,
          `${checkout.checkoutId} tells of no refund`,
        )
        const captured = types.filter((type) => type === 'PaymentCaptured').length
        ok(captured <= 1, `${checkout.checkoutId} was captured ${captured} times`)
        if (completed(checkout)) deepStrictEqual(types, ['PaymentCaptured'])
        else ok(types.at(-1) !== 'PaymentCaptured', `${checkout.checkoutId} ends as captured`)
      }
    })
  })

  it('revokes a registration only when no other checkout relies on it', async () => {
    await always(({ model }) => {
      for (const { checkoutId, events, claims } of model.commits) {
        for (const event of events) {
          if (event.type !== 'RegistrationRevoked') continue
          const relying = claims.filter(({ userId }) => userId === event.data.userId)
          deepStrictEqual(relying, [], `${checkoutId} revoked what others rely on`)
        }
      }
    })
  })

  it('revokes a registration exactly once when all that relied on it have been taken back', async () => {
    await always(({ checkouts, model }) => {
      const usersWhere = (type: 'UserRegistered' | 'RegistrationRevoked', events: readonly SagaEvent[]) =>
        events.flatMap((event) =>
          event.type === type && event.data.userId !== null ? [event.data.userId] : [],
        )
      const allEvents = model.commits.flatMap((commit) => commit.events)
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
    })
  })

  it('leaves in the register the completed checkouts and nobody else', async () => {
    await always(({ checkouts, model }) => {
      deepStrictEqual(
        model.register.claims.map(({ checkoutId, email }) => `${checkoutId} ${email}`).sort(),
        checkouts.filter(completed).map(({ checkoutId, email }) => `${checkoutId} ${email}`),
      )
    })
  })

  it('makes one email one user', async () => {
    await always(({ checkouts, model }) => {
      const usersOf = new Map<string, Set<string>>()
      for (const { checkoutId, email } of checkouts.filter(completed)) {
        const users = usersOf.get(email) ?? new Set()
        for (const event of model.eventsOf('users', checkoutId)) {
          if (event.type === 'UserRegistered') users.add(event.data.userId)
        }
        usersOf.set(email, users)
      }
      for (const [email, users] of usersOf) deepStrictEqual(users.size, 1, `${email} is several users`)
    })
  })

  it('answers nothing when everything comes once more after the end', async () => {
    const commitsAtRest = new WeakMap<SagaModel, number>()
    await always(({ model }) => {
      const atRest = commitsAtRest.get(model) ?? model.commits.length
      commitsAtRest.set(model, atRest)
      deepStrictEqual(model.commits.slice(atRest), [])
    })
  })

  it('does not need the store to tell that a message has been answered', async () => {
    await always(({ model }) => {
      deepStrictEqual(model.answeredAgain, [])
    })
  })

  it('answers only as the flow table allows', async () => {
    await always(({ model }) => {
      for (const { service, cause, events } of model.commits) {
        if (!cause) continue
        const rows = flow.filter(
          (row) => row.by === service && (row.on as readonly string[]).includes(cause.event.type),
        )
        const allowed = rows.flatMap<EventType>((row) => row.answers)
        for (const { type } of events) {
          ok(producedBy(service).has(type), `${service} does not produce ${type}`)
          ok(allowed.includes(type), `${service} does not answer ${cause.event.type} with ${type}`)
        }
      }
    })
  })

  it('is played far enough to meet every answer of the table, conflicts and duplicates', async () => {
    const met = new Set<string>()
    // Its own seed, because this looks at the scenarios and not at the saga.
    for (const sample of fc.sample(scenario, { numRuns: 500, seed: 1 })) {
      const model = await play(sample)
      for (const { service, cause, events } of model.commits) {
        for (const { type } of events) met.add(`${service}: ${cause?.event.type ?? 'the gateway'} -> ${type}`)
      }
      for (const [outcome, times] of Object.entries(model.outcomes)) if (times > 0) met.add(outcome)
    }
    const inTheTable = flow.flatMap(({ on, by, answers }) =>
      on.flatMap((type) => answers.map((answer) => `${by}: ${type} -> ${answer}`)),
    )
    const expected = [...inTheTable, 'appended', 'conflict', 'duplicate']
    deepStrictEqual(
      expected.filter((name) => !met.has(name)),
      [],
    )
  })
})
