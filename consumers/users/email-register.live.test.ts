import { deepEqual, equal, fail, notEqual, ok, rejects } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import fc from 'fast-check'
import type { Collection } from 'mongodb'
import { commandsOf } from '../../infra/verify/mongodb-counting-relay.ts'
import { countedStoreForTests, storeForTests } from '../../infra/verify/store-for-tests.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import { InMemoryEmailRegister } from '../saga-outside-world.ts'
import type { Claimed, RegisterAnswer } from './decider.ts'
import type { Person } from './email-register.ts'
import { EmailRegister, NotInTheRegister } from './email-register.ts'
import { keyOfEmail, userIdOf } from './user-id.ts'

interface Entered {
  readonly _id: string
  readonly version: number
  readonly receipt: string
  readonly userId: string | null
  readonly claims: number
}

const barred = { kind: 'released', userId: null, lastClaim: false } as const

const somebody = (): Person => ({ email: `${randomUUID()}@people.example`, name: 'Ada Example' })
const someCheckouts = (count: number) => Array.from({ length: count }, () => randomUUID())
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index + 1)

describe('the email register, on the real store', function () {
  this.timeout(180_000)

  let connection: StoreConnection
  let register: EmailRegister
  let entries: Collection<Entered>

  before(async () => {
    connection = await storeForTests()
    const database = connection.databaseOf('users')
    register = new EmailRegister(database)
    await register.prepare()
    entries = database.collection('email_register')
  })
  after(() => connection.close())

  const firstUserOf = ({ email }: Person) => userIdOf(keyOfEmail(email), 1)
  const history = ({ email }: Person) =>
    entries
      .find({ _id: { $regex: `^${keyOfEmail(email)}@` } })
      .sort({ version: 1 })
      .toArray()

  async function claimed(checkoutId: string, person: Person): Promise<Claimed> {
    const answer = await register.claim(checkoutId, person)
    return answer.kind === 'claimed' ? answer : fail(`${checkoutId} was barred`)
  }

  it('has a new user for the first claim of an email and the existing one for the next', async () => {
    const person = somebody()
    const userId = firstUserOf(person)
    deepEqual(await register.claim(randomUUID(), person), { kind: 'claimed', userId, existing: false })
    deepEqual(await register.claim(randomUUID(), person), { kind: 'claimed', userId, existing: true })
  })

  it('has one user for an email, however it is written', async () => {
    const { email, name } = somebody()
    const { userId } = await claimed(randomUUID(), { email, name })
    const differently = { email: ` ${email.toUpperCase()} `, name }
    deepEqual(await register.claim(randomUUID(), differently), { kind: 'claimed', userId, existing: true })
    notEqual((await claimed(randomUUID(), somebody())).userId, userId)
  })

  it('has one new user and one existing when two checkouts claim an email at the same time', async () => {
    const person = somebody()
    const claims = await Promise.all(someCheckouts(2).map((checkoutId) => claimed(checkoutId, person)))
    deepEqual(claims.map(({ existing }) => existing).sort(), [false, true])
  })

  it('enters a claim once and answers the same again, one after the other or at the same time', async () => {
    const person = somebody()
    const [first = '', second = ''] = someCheckouts(2)
    const answer = await register.claim(first, person)
    await register.claim(second, person)
    deepEqual(await register.claim(first, person), answer)
    const again = await Promise.all(upTo(5).map(() => register.claim(first, person)))
    deepEqual(again, Array(5).fill(answer))
    equal((await history(person)).length, 2)
  })

  it('gives many claims of one email at the same time versions without a gap and one new user', async () => {
    const person = somebody()
    const claims = await Promise.all(someCheckouts(30).map((checkoutId) => claimed(checkoutId, person)))
    equal(claims.filter(({ existing }) => !existing).length, 1)
    const entered = await history(person)
    deepEqual(
      entered.map(({ version, claims: soFar, userId }) => ({ version, soFar, userId })),
      upTo(30).map((count) => ({ version: count, soFar: count, userId: firstUserOf(person) })),
    )
  })

  it('finds the last of any number of entries', async () => {
    const person = somebody()
    for (let count = 1; count <= 34; count++) {
      await register.claim(randomUUID(), person)
      const last = (await history(person)).at(-1)
      deepEqual([last?.version, last?.claims], [count, count])
    }
  })

  it('says that a release is the last only when nobody else relies on the user', async () => {
    const person = somebody()
    const userId = firstUserOf(person)
    const [first = '', second = ''] = someCheckouts(2)
    await register.claim(first, person)
    await register.claim(second, person)
    // What it said first it says for ever: the answer may have been lost in a crash.
    for (let time = 1; time <= 2; time++) {
      deepEqual(await register.release(first, userId), { kind: 'released', userId, lastClaim: false })
      deepEqual(await register.release(second, userId), { kind: 'released', userId, lastClaim: true })
    }
    equal((await history(person)).length, 4)
  })

  it('says to exactly one of many releases at the same time that it is the last', async () => {
    const person = somebody()
    const userId = firstUserOf(person)
    const checkouts = someCheckouts(8)
    for (const checkoutId of checkouts) await register.claim(checkoutId, person)
    const twice = [...checkouts, ...checkouts]
    const releases = await Promise.all(twice.map((checkoutId) => register.release(checkoutId, userId)))
    deepEqual(releases.slice(8), releases.slice(0, 8))
    equal(releases.slice(8).filter(({ lastClaim }) => lastClaim).length, 1)
    equal((await history(person)).length, 16)
  })

  it('has another user for an email once all have released the one before', async () => {
    const person = somebody()
    const [first = '', second = ''] = someCheckouts(2)
    const { userId } = await claimed(first, person)
    await register.release(first, userId)
    const next = await claimed(second, person)
    equal(next.existing, false)
    notEqual(next.userId, userId)
    equal((await claimed(randomUUID(), person)).userId, next.userId)
  })

  it('touches nobody later when it is asked again about a user whom all have released', async () => {
    const person = somebody()
    const [early = '', late = ''] = someCheckouts(2)
    const first = await claimed(early, person)
    const released = await register.release(early, first.userId)
    const next = await claimed(late, person)
    deepEqual(await register.release(early, first.userId), released)
    deepEqual(await register.release(early), released)
    deepEqual(await register.claim(early, person), first)
    deepEqual(
      (await history(person)).map(({ userId, claims }) => [userId, claims]),
      [
        [first.userId, 1],
        [first.userId, 0],
        [next.userId, 1],
      ],
    )
  })

  it('refuses to release what was not claimed, and enters nothing', async () => {
    const person = somebody()
    const checkoutId = randomUUID()
    await rejects(register.release(checkoutId, firstUserOf(person)), NotInTheRegister)
    const { userId } = await claimed(checkoutId, person)
    await register.release(checkoutId, userId)
    await rejects(register.release(randomUUID(), userId), NotInTheRegister)
    equal((await history(person)).length, 2)
  })

  describe('asked for a release that does not know of a user', () => {
    it('bars the claim when there is none, for good', async () => {
      const person = somebody()
      const checkoutId = randomUUID()
      deepEqual(await register.release(checkoutId), barred)
      deepEqual(await register.claim(checkoutId, person), barred)
      deepEqual(await register.release(checkoutId), barred)
      deepEqual(await history(person), [])
      equal((await claimed(randomUUID(), person)).existing, false)
    })

    it('releases the claim that was made, once, also for whoever knows the user', async () => {
      const person = somebody()
      const [first = '', second = ''] = someCheckouts(2)
      const { userId } = await claimed(first, person)
      await register.claim(second, person)
      const kept = { kind: 'released', userId, lastClaim: false }
      const revoked = { kind: 'released', userId, lastClaim: true }
      deepEqual(await register.release(first), kept)
      deepEqual(await register.release(first), kept)
      deepEqual(await register.release(first, userId), kept)
      deepEqual(await register.release(second), revoked)
      deepEqual(await register.release(second, userId), revoked)
      deepEqual(
        (await history(person)).map(({ claims }) => claims),
        [1, 2, 1, 0],
      )
    })

    it('has it released or never claimed when both are asked for at the same time', async () => {
      const person = somebody()
      const race = async (checkoutId: string, headStart: number) => {
        const claim = register.claim(checkoutId, person)
        // In round trips, so that both outcomes have a chance.
        for (let trip = 0; trip < headStart; trip++) await entries.findOne({ _id: 'nobody' })
        return { checkoutId, answers: await Promise.all([claim, register.release(checkoutId)]) }
      }
      const raced: Awaited<ReturnType<typeof race>>[] = []
      // Three at a time, so that the races meet each other and the email has several users in turn.
      for (let headStart = 0; headStart < 10; headStart++) {
        const three = someCheckouts(3).map((checkoutId) => race(checkoutId, headStart))
        raced.push(...(await Promise.all(three)))
      }

      const usersClaimed = new Set<string>()
      const usersRevoked: string[] = []
      for (const { checkoutId, answers } of raced) {
        const [claim, release] = answers
        if (claim.kind === 'claimed') {
          equal(release.userId, claim.userId, `${checkoutId} released somebody else`)
          usersClaimed.add(claim.userId)
          if (release.lastClaim) usersRevoked.push(claim.userId)
        } else {
          deepEqual(answers, [barred, barred])
        }
      }
      deepEqual(usersRevoked.sort(), [...usersClaimed].sort(), 'each user has one last release')

      const entered = await history(person)
      let claims = 0
      for (const [index, entry] of entered.entries()) {
        claims += entry.receipt.endsWith('/claim') ? 1 : -1
        deepEqual([entry.version, entry.claims], [index + 1, claims])
      }
      equal(claims, 0)
      const barredOnes = raced.filter(({ answers }) => answers[0].kind === 'released').length
      equal(entered.length, 2 * (30 - barredOnes))
      ok(barredOnes > 0 && barredOnes < 30, 'both outcomes were seen')
    })
  })

  describe('asks the store', () => {
    let counted: Awaited<ReturnType<typeof countedStoreForTests>>
    let own: EmailRegister

    before(async () => {
      counted = await countedStoreForTests()
      own = new EmailRegister(counted.databaseOf('users'))
      await own.prepare()
    })
    after(() => counted.close())

    const costOf = async (work: () => Promise<unknown>) => {
      const from = counted.relay.operations.length
      await work()
      return commandsOf(counted.relay.operations.slice(from).filter(({ collection }) => collection !== ''))
    }

    it('for one insert and no read when an email is new', async () => {
      deepEqual(await costOf(() => own.claim(randomUUID(), somebody())), { 'insert email_register': 1 })
    })

    it('for one insert when many new emails are claimed at once', async () => {
      const claims = () =>
        Promise.all(someCheckouts(20).map((checkoutId) => own.claim(checkoutId, somebody())))
      deepEqual(await costOf(claims), { 'insert email_register': 1 })
    })

    it('for one look and one insert when the only claim is released', async () => {
      const checkoutId = randomUUID()
      const answer = await own.claim(checkoutId, somebody())
      const userId = answer.kind === 'claimed' ? answer.userId : fail('barred')
      deepEqual(await costOf(() => own.release(checkoutId, userId)), {
        'find email_register': 1,
        'insert email_register': 1,
      })
    })

    it('for one insert when a claim that never came is barred', async () => {
      deepEqual(await costOf(() => own.release(randomUUID())), { 'insert email_register': 1 })
    })
  })

  it('answers exactly as the register of the saga model does, whatever it is asked', async () => {
    const emails = 2
    const checkouts = 4
    const question = fc.record({
      ask: fc.constantFrom('claim', 'release', 'release knowing the user'),
      checkout: fc.nat({ max: checkouts - 1 }),
      email: fc.nat({ max: emails - 1 }),
    })
    const questions = fc.array(question, { minLength: 5, maxLength: 24, size: 'max' })

    await fc.assert(
      fc.asyncProperty(questions, async (asked) => {
        const run = randomUUID()
        const answersOf = async (answering: Pick<EmailRegister, 'claim' | 'release'>) => {
          const users = new Map<string, string>()
          const answers: RegisterAnswer[] = []
          for (const { ask, checkout, email } of asked) {
            const checkoutId = `${run}/${checkout}`
            const known = ask === 'release knowing the user' ? users.get(checkoutId) : undefined
            const answer =
              ask === 'claim'
                ? await answering.claim(checkoutId, { email: `${email}.${run}@people.example`, name: 'Ada' })
                : await answering.release(checkoutId, known)
            if (answer.kind === 'claimed') users.set(checkoutId, answer.userId)
            answers.push(answer)
          }
          return answers
        }
        deepEqual(await answersOf(register), await answersOf(new InMemoryEmailRegister()))
      }),
      { numRuns: 30 },
    )
  })
})
