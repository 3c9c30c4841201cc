/**
 * What holds for every checkout, however its messages are ordered, repeated, lost with a crash and overtaken
 * by the clock. fast-check plays the model in saga-model.ts by the commands in saga-commands.ts; every run is checked
 * for every promise in saga-promises.ts, at rest and again after everything has been repeated.
 *
 * A promise that is broken is tried again on its own, until the smallest run that breaks it is found. It prints the
 * commands, the commits that they led to, and how to play that run again. To look longer:
 *
 *     FC_RUNS=100000 npm run test:unit -- -g 'the saga'
 */
import { deepStrictEqual, fail, ok } from 'node:assert/strict'
import fc from 'fast-check'
import { flow } from '../shared/saga/flow.ts'
import { kinds, points } from './saga-commands.ts'
import { narrate, SagaModel } from './saga-model.ts'
import type { Scenario } from './saga-promises.ts'
import { messageOf, play, promises, scenarios } from './saga-promises.ts'
import type { Run } from './saga-runs.ts'
import { playRuns } from './saga-runs.ts'

const { FC_SEED, FC_PATH, FC_REPLAY_PATH, FC_RUNS } = process.env
const runs = Number(FC_RUNS ?? 10_000)
const seed = FC_SEED === undefined ? Date.now() % 2 ** 31 : Number(FC_SEED)
const scenario = scenarios(FC_REPLAY_PATH)

describe('the saga, with duplicates, delays, crashes, zombies and deadlines, in any order', function () {
  /** By promise, a run that broke it. */
  let brokenIn: ReadonlyMap<string, Run> = new Map()

  before(`${runs} runs`, async function () {
    this.timeout(60_000 + runs * 60)
    // Unless one run is to be played again.
    if (FC_PATH === undefined) brokenIn = await playRuns(seed, runs)
  })

  for (const [title, holds] of Object.entries(promises)) {
    it(title, async function () {
      const run = FC_PATH === undefined ? brokenIn.get(title) : { seed, path: FC_PATH }
      if (run === undefined) return
      this.timeout(120_000)
      const property = fc.asyncProperty(...scenario, async (...scenario) => {
        await play(scenario, (played) => {
          const message = messageOf(() => holds(played))
          if (message !== undefined) throw new Error(`${message}\n\n${narrate(played.model)}`)
        })
      })
      await fc.assert(property, {
        ...run,
        numRuns: 1,
        reporter: (details) => {
          if (details.failed) throw new Error(reportOf(details))
        },
      })
      if (FC_PATH === undefined)
        fail(`it broke in ${JSON.stringify(run)}, and does not when that is played alone`)
    })
  }

  it('publishes what a process commits after it was taken for dead, also when it dies before it shows life', async function () {
    const order = { items: [{ sku: 'SAGA-MUG', quantity: 2 }] }
    const plans = [{ email: 'ada@example.com', order, token: 'tok_visa' }]
    const model = new SagaModel({ plans, partitioning: 'by checkout', members: 1, expiresInRound: undefined })
    await model.request(0, { then: 'stalls', at: 'before insert' })
    await model.goOnThoughDead(0, { then: 'crashes', at: 'after insert' })
    deepStrictEqual([model.commits.length, model.broker.messages.length], [1, 0])
    await model.rest('goes on')
    deepStrictEqual(model.faults, [])
    ok(model.met.has('swept at the last look'))
    deepStrictEqual(
      model.eventsOf('checkout', model.checkouts[0] ?? '').map(({ type }) => type),
      ['CheckoutRequested', 'CheckoutCompleted'],
    )
  })

  it('makes a process that was taken for dead show life before it goes by what it commits', async function () {
    const order = { items: [{ sku: 'SAGA-MUG', quantity: 2 }] }
    const plans = [{ email: 'ada@example.com', order, token: 'tok_visa' }]
    const model = new SagaModel({ plans, partitioning: 'by checkout', members: 1, expiresInRound: undefined })
    await model.request(0, { then: 'stalls', at: 'before insert' })
    await model.goOnThoughDead(0, { then: 'crashes', at: 'before send' })
    deepStrictEqual([model.commits.length, model.broker.messages.length], [1, 0])
    await model.rest('goes on')
    deepStrictEqual(model.faults, [])
    ok(!model.met.has('swept at the last look'))
    deepStrictEqual(model.broker.notHandled, [])
  })

  it('publishes a commit of a process taken for dead that comes after one with a higher number was recovered', async function () {
    const order = { items: [{ sku: 'SAGA-MUG', quantity: 2 }] }
    const plans = ['ada@example.com', 'grace@example.com'].map((email) => ({
      email,
      order,
      token: 'tok_visa',
    }))
    const model = new SagaModel({ plans, partitioning: 'by checkout', members: 1, expiresInRound: undefined })
    await model.request(0, { then: 'stalls', at: 'before insert' })
    await model.request(1, { then: 'stalls', at: 'before send' })
    await model.goOnThoughDead(0, { then: 'crashes', at: 'after insert' })
    deepStrictEqual(model.broker.messages.length, 1)
    await model.rest('goes on')
    deepStrictEqual(model.faults, [])
    const ends = model.checkouts.map((checkoutId) => model.eventsOf('checkout', checkoutId).at(-1)?.type)
    deepStrictEqual(ends, ['CheckoutCompleted', 'CheckoutCompleted'])
  })

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
      ...['settled', 'waits for its lane'],
      ...['remembered', 'remembered and overtaken'],
      ...kinds.map(({ name }) => name),
      ...points.flatMap((point) => [`stalls ${point}`, `crashes ${point}`, `loses its connection ${point}`]),
    ]
    deepStrictEqual(
      expected.filter((name) => !met.has(name)),
      [],
    )
  })
})

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
