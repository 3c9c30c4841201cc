import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import type { Decider, Input } from '../saga/decider.ts'
import type { EventOf } from '../saga/events.ts'
import type { Commit, Stream } from './event-store.ts'
import { EventStore } from './event-store.ts'
import type { StoreConnection } from './mongo.ts'
import { connectStore } from './mongo.ts'
import type { Question, Reaction } from './react.ts'
import { emptyStream, react } from './react.ts'
import { StreamCache } from './stream-cache.ts'

type Event = EventOf<'CheckoutExpired'>
interface Asked {
  readonly type: 'Count'
}

/** Answers every question with one event, at most `limit` times a stream. */
const counting = (limit: number): Decider<number, Input<Asked>, Event> => ({
  initialState: 0,
  decide: (_input, soFar) =>
    soFar < limit ? [{ type: 'CheckoutExpired', data: { reason: 'checkout_expired' } }] : [],
  evolve: (soFar) => soFar + 1,
})
const asksNobody = () => Promise.resolve(undefined)
const commitOf = (reaction: Reaction): Commit | undefined =>
  reaction.kind === 'committed' ? reaction.commit : undefined

describe('the kernel, on the real store', function () {
  this.timeout(180_000)

  let connection: StoreConnection
  let store: EventStore

  before(async () => {
    const stack = await stackForTests()
    await stack.ready('mongodb')
    connection = await connectStore({
      mongodbUrl: stack.urls.mongodbUrl,
      databasePrefix: `kernel-${Date.now()}`,
    })
    store = new EventStore(connection.databaseOf('checkout'), 'checkout')
    await store.prepare()
  })
  after(() => connection.close())

  const ask = async (checkoutId: string, causedBy: string, limit = Infinity): Promise<Commit | undefined> => {
    const reaction = await react(
      store,
      { decider: counting(limit), consult: asksNobody },
      { checkoutId, causedBy, event: { type: 'Count' } },
    )
    return commitOf(reaction)
  }

  it('answers nothing on a stream with an event of a release to come, and leaves it as it is', async () => {
    const checkoutId = randomUUID()
    await store.append({
      checkoutId,
      version: 1,
      causedBy: `${checkoutId}/1`,
      at: new Date(),
      events: [{ type: 'CheckoutPaused', data: {} } as unknown as Event],
      traceHeaders: {},
    })
    await rejects(ask(checkoutId, `${checkoutId}/2`), { code: 'unknown_event_in_stream', retriable: false })
    equal((await store.read(checkoutId)).version, 1)
  })

  it('commits what was decided as one document, with its cause and the ids of its events', async () => {
    const checkoutId = randomUUID()
    const commit = await ask(checkoutId, `${checkoutId}/1`)
    equal(commit?.id, `checkout/${checkoutId}@1`)
    const stream = await store.read(checkoutId)
    deepEqual(stream.commits, [commit])
    deepEqual(
      stream.events.map((event) => event.id),
      [`checkout/${checkoutId}@1/0`],
    )
    equal(stream.commits[0]?.causedBy, `${checkoutId}/1`)
  })

  it('does nothing when nothing is decided', async () => {
    const checkoutId = randomUUID()
    equal(await ask(checkoutId, `${checkoutId}/1`, 0), undefined)
    equal((await store.read(checkoutId)).version, 0)
  })

  it('answers a message once, however often it is delivered', async () => {
    const checkoutId = randomUUID()
    ok(await ask(checkoutId, `${checkoutId}/1`))
    equal(await ask(checkoutId, `${checkoutId}/1`), undefined)
    equal((await store.read(checkoutId)).version, 1)
  })

  it('answers a message once when it is delivered to many at the same time', async () => {
    const checkoutId = randomUUID()
    const answers = await Promise.all(Array.from({ length: 20 }, () => ask(checkoutId, `${checkoutId}/1`)))
    equal(answers.filter((commit) => commit !== undefined).length, 1)
    equal((await store.read(checkoutId)).version, 1)
  })

  it('gives concurrent messages of one checkout one version each, and loses none', async () => {
    const checkoutId = randomUUID()
    const causes = Array.from({ length: 8 }, (_, index) => `${checkoutId}/${index}`)
    const answers = await Promise.all(causes.map((cause) => ask(checkoutId, cause)))
    ok(answers.every((commit) => commit !== undefined))
    const stream = await store.read(checkoutId)
    deepEqual(stream.commits.map((commit) => commit.causedBy).sort(), causes)
  })

  it('lets concurrent messages see each other: a rule over the stream holds', async () => {
    const checkoutId = randomUUID()
    const causes = Array.from({ length: 8 }, (_, index) => `${checkoutId}/${index}`)
    const answers = await Promise.all(causes.map((cause) => ask(checkoutId, cause, 3)))
    equal(answers.filter((commit) => commit !== undefined).length, 3)
    equal((await store.read(checkoutId)).version, 3)
  })

  it('asks the outside world again when somebody was faster', async () => {
    const checkoutId = randomUUID()
    const seen: number[] = []
    const reaction = await react(
      store,
      {
        decider: counting(Infinity),
        consult: async (_question, soFar) => {
          seen.push(soFar)
          if (soFar === 0) await ask(checkoutId, `${checkoutId}/faster`)
          return undefined
        },
      },
      { checkoutId, causedBy: `${checkoutId}/slower`, event: { type: 'Count' } },
    )
    deepEqual(seen, [0, 1])
    equal(commitOf(reaction)?.version, 2)
  })

  it('tells a taken version from a taken cause', async () => {
    const checkoutId = randomUUID()
    const commit = await ask(checkoutId, `${checkoutId}/1`)
    ok(commit)
    const next = { checkoutId, at: new Date(), events: [], traceHeaders: {} }
    deepEqual(await store.append({ ...next, version: 1, causedBy: `${checkoutId}/2` }), {
      outcome: 'conflict',
    })
    deepEqual(await store.append({ ...next, version: 1, causedBy: `${checkoutId}/1` }), {
      outcome: 'duplicate',
      commit,
    })
    deepEqual(await store.append({ ...next, version: 2, causedBy: `${checkoutId}/1` }), {
      outcome: 'duplicate',
    })
  })

  describe('with streams that the process remembers', () => {
    /** Counts what is read. */
    class CountingStore extends EventStore {
      reads = 0
      override read(checkoutId: string, after?: number): Promise<Stream> {
        this.reads += 1
        return super.read(checkoutId, after)
      }
    }

    interface ProcessOptions {
      readonly limit?: number
      readonly expectsEmpty?: boolean
      readonly isPublished?: (commit: Commit) => boolean
    }
    const startProcess = ({
      limit = Infinity,
      expectsEmpty = false,
      isPublished = () => true,
    }: ProcessOptions = {}) => {
      const own = new CountingStore(connection.databaseOf('checkout'), 'checkout')
      const cache = new StreamCache<number>()
      const logic = {
        decider: counting(limit),
        consult: asksNobody,
        expects: () => (expectsEmpty ? emptyStream(0) : undefined),
      }
      const handle = (checkoutId: string, causedBy: string): Promise<Reaction> => {
        const question: Question<Asked> = { checkoutId, causedBy, event: { type: 'Count' } }
        return react(own, logic, question, { cache, isPublished })
      }
      const versionAfter = async (checkoutId: string, causedBy: string): Promise<number | undefined> =>
        commitOf(await handle(checkoutId, causedBy))?.version
      return { handle, versionAfter, store: own, cache }
    }

    it('reads a stream once, and then knows it', async () => {
      const process = startProcess()
      const checkoutId = randomUUID()
      equal(await process.versionAfter(checkoutId, `${checkoutId}/1`), 1)
      equal(await process.versionAfter(checkoutId, `${checkoutId}/2`), 2)
      deepEqual(await process.handle(checkoutId, `${checkoutId}/2`), { kind: 'duplicate', earlier: [] })
      equal(process.store.reads, 1)
    })

    it('does not read a stream that it knows what to expect of', async () => {
      const process = startProcess({ expectsEmpty: true })
      const checkoutId = randomUUID()
      equal(await process.versionAfter(checkoutId, `${checkoutId}/1`), 1)
      equal(await process.versionAfter(checkoutId, `${checkoutId}/2`), 2)
      equal(process.store.reads, 0)
    })

    it('keeps the folded state, the causes and when the stream began', async () => {
      const process = startProcess({ expectsEmpty: true })
      const checkoutId = randomUUID()
      const first = await process.handle(checkoutId, `${checkoutId}/1`)
      const second = await process.handle(checkoutId, `${checkoutId}/2`)
      const openedAt = commitOf(first)?.events[0]?.time
      deepEqual(process.cache.find(checkoutId), {
        version: 2,
        state: 2,
        causes: [`${checkoutId}/1`, `${checkoutId}/2`],
        unpublished: [],
        openedAt,
      })
      equal(second.kind === 'committed' && second.openedAt, openedAt)
    })

    it('learns from the insert that others have gone on, and reads', async () => {
      const [process, other] = [startProcess(), startProcess()]
      const checkoutId = randomUUID()
      equal(await process.versionAfter(checkoutId, `${checkoutId}/1`), 1)
      equal(await other.versionAfter(checkoutId, `${checkoutId}/2`), 2)
      equal(await process.versionAfter(checkoutId, `${checkoutId}/3`), 3)
      equal(process.store.reads, 2)
    })

    it('reacts once to a message that comes again to a process that remembers nothing', async () => {
      const checkoutId = randomUUID()
      const first = commitOf(await startProcess().handle(checkoutId, `${checkoutId}/1`))
      for (const expectsEmpty of [false, true]) {
        const again = await startProcess({ expectsEmpty }).handle(checkoutId, `${checkoutId}/1`)
        deepEqual(again, { kind: 'duplicate', earlier: [] })
        const unsure = startProcess({ expectsEmpty, isPublished: () => false })
        for (let time = 1; time <= 2; time++) {
          // Also from memory: it may not be on its topic yet.
          deepEqual(await unsure.handle(checkoutId, `${checkoutId}/1`), {
            kind: 'duplicate',
            commit: first,
            earlier: [],
          })
        }
      }
      equal((await store.read(checkoutId)).version, 1)
    })

    it('returns what was committed before and may not be on its topic', async () => {
      const checkoutId = randomUUID()
      const earlier = startProcess()
      const first = commitOf(await earlier.handle(checkoutId, `${checkoutId}/1`))
      const second = commitOf(await earlier.handle(checkoutId, `${checkoutId}/2`))
      const unsure = startProcess({ isPublished: () => false })
      const third = await unsure.handle(checkoutId, `${checkoutId}/3`)
      deepEqual(third.kind === 'committed' && third.earlier, [first, second])
      const again = await startProcess({ isPublished: () => false }).handle(checkoutId, `${checkoutId}/2`)
      deepEqual(again, { kind: 'duplicate', commit: second, earlier: [first] })
      const sure = await startProcess({ isPublished: ({ version }) => version < 3 }).handle(
        checkoutId,
        `${checkoutId}/4`,
      )
      deepEqual(sure.kind === 'committed' && sure.earlier, [commitOf(third)])
    })

    it('does not believe that there is nothing to do before it has read', async () => {
      const checkoutId = randomUUID()
      // Reacts only on a stream that has something.
      const late: Decider<number, Input<Asked>, Event> = {
        ...counting(Infinity),
        decide: (input, soFar) => (soFar === 0 ? [] : counting(Infinity).decide(input, soFar)),
      }
      ok(await ask(checkoutId, `${checkoutId}/1`))
      const reaction = await react(
        store,
        { decider: late, consult: asksNobody, expects: () => emptyStream(0) },
        { checkoutId, causedBy: `${checkoutId}/2`, event: { type: 'Count' } },
        { cache: new StreamCache<number>() },
      )
      equal(commitOf(reaction)?.version, 2)
    })
  })

  it('commits nothing when the outside world fails, so that the message can be tried again', async () => {
    const checkoutId = randomUUID()
    const failing = { decider: counting(1), consult: () => Promise.reject(new Error('no answer')) }
    const question = { checkoutId, causedBy: `${checkoutId}/1`, event: { type: 'Count' } } as const
    await rejects(react(store, failing, question), /no answer/)
    equal((await store.read(checkoutId)).version, 0)
    ok(await ask(checkoutId, `${checkoutId}/1`))
  })
})
