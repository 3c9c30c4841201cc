import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import type { Collection } from 'mongodb'
import { commandsOf } from '../../infra/verify/mongodb-counting-relay.ts'
import { countedStoreForTests, storeForTests } from '../../infra/verify/store-for-tests.ts'
import { paymentTokens } from '../../shared/saga/payment-tokens.ts'
import type { StoreConnection } from '../../shared/kernel/mongo.ts'
import type { LedgerEntry } from './fake-payment-network.ts'
import {
  FakePaymentNetwork,
  PaymentNetworkUnavailable,
  UnreadableNetworkAnswer,
} from './fake-payment-network.ts'

const total = { amount: 2_500, currency: 'EUR' } as const

describe('the payment network, on the real store', function () {
  this.timeout(180_000)

  let connection: StoreConnection
  let network: FakePaymentNetwork
  let ledger: Collection<LedgerEntry>

  before(async () => {
    connection = await storeForTests()
    const database = connection.databaseOf('payment-network')
    network = new FakePaymentNetwork(database)
    ledger = database.collection<LedgerEntry>('ledger')
  })
  after(() => connection.close())

  /** What happened to the money of a checkout, oldest first. */
  const entered = async (checkoutId: string) =>
    (await ledger.find({ checkoutId }).sort({ _id: 1 }).toArray()).map(({ kind }) => kind)

  const capturedBy = (checkoutId: string) => ({
    kind: 'captured',
    paymentId: `payment-${checkoutId}`,
    total,
  })
  const refundedTo = (checkoutId: string) => ({ ...capturedBy(checkoutId), kind: 'refunded' })

  it('captures once, however often and however many ask at the same time', async () => {
    const checkoutId = randomUUID()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => network.capture(checkoutId, 'tok_visa', total)),
    )
    deepEqual(answers, Array(20).fill(capturedBy(checkoutId)))
    deepEqual(await entered(checkoutId), ['captured'])
    const [entry] = await ledger.find({ checkoutId }).toArray()
    deepEqual(entry?.kind === 'captured' && entry.total, total)
  })

  it('answers what it answered first, whatever is asked later', async () => {
    const checkoutId = randomUUID()
    await network.capture(checkoutId, 'tok_visa', total)
    const more = { ...total, amount: 1_000_000 }
    deepEqual(await network.capture(checkoutId, 'tok_declined', more), capturedBy(checkoutId))
  })

  it('remembers across our crashes', async () => {
    const checkoutId = randomUUID()
    await network.capture(checkoutId, 'tok_visa', total)
    const afterwards = new FakePaymentNetwork(connection.databaseOf('payment-network'))
    deepEqual(await afterwards.capture(checkoutId, 'tok_visa', total), capturedBy(checkoutId))
    deepEqual(await afterwards.cancel(checkoutId), refundedTo(checkoutId))
  })

  it('bars a capture that was cancelled before', async () => {
    const checkoutId = randomUUID()
    deepEqual(await network.cancel(checkoutId), { kind: 'barred' })
    deepEqual(await network.capture(checkoutId, 'tok_visa', total), { kind: 'barred' })
    deepEqual(await network.cancel(checkoutId), { kind: 'barred' })
    deepEqual(await entered(checkoutId), ['barred'])
  })

  it('refunds a capture that is cancelled after, once, however many ask at the same time', async () => {
    const checkoutId = randomUUID()
    await network.capture(checkoutId, 'tok_visa', total)
    const answers = await Promise.all(Array.from({ length: 10 }, () => network.cancel(checkoutId)))
    deepEqual(answers, Array(10).fill(refundedTo(checkoutId)))
    deepEqual(await entered(checkoutId), ['captured', 'refunded'])
  })

  it('has nothing to refund of what was declined', async () => {
    const checkoutId = randomUUID()
    await network.capture(checkoutId, 'tok_declined', total)
    deepEqual(await network.cancel(checkoutId), { kind: 'declined', reason: 'card_declined' })
    deepEqual(await entered(checkoutId), ['declined'])
  })

  it('leaves no money moved when capture and cancel race, and tells both the truth', async () => {
    const races = Array.from({ length: 50 }, async (_, index) => {
      const checkoutId = randomUUID()
      const capture = () => network.capture(checkoutId, 'tok_visa', total)
      const cancel = () => network.cancel(checkoutId)
      // Both orders of asking, so that both outcomes have a chance.
      const [captured, cancelled] =
        index % 2 === 0
          ? await Promise.all([capture(), cancel()])
          : await Promise.all([cancel(), capture()]).then(([late, early]) => [early, late])
      const story = [captured?.kind, cancelled?.kind, ...(await entered(checkoutId))].join(' ')
      ok(['captured refunded captured refunded', 'barred barred barred'].includes(story), story)
      return story
    })
    const stories = new Set(await Promise.all(races))
    equal(stories.size, 2, 'both outcomes were seen')
  })

  describe('asks the store', () => {
    let counted: Awaited<ReturnType<typeof countedStoreForTests>>
    let own: FakePaymentNetwork

    before(async () => {
      counted = await countedStoreForTests()
      own = new FakePaymentNetwork(counted.databaseOf('payment-network'))
    })
    after(() => counted.close())

    const costOf = async (work: () => Promise<unknown>) => {
      const from = counted.relay.operations.length
      await work()
      return commandsOf(counted.relay.operations.slice(from).filter(({ collection }) => collection !== ''))
    }

    it('for one insert and no read when a payment is captured or declined', async () => {
      for (const token of ['tok_visa', 'tok_declined'])
        deepEqual(await costOf(() => own.capture(randomUUID(), token, total)), { 'insert ledger': 1 })
    })

    it('for one insert when a capture that never came is barred', async () => {
      deepEqual(await costOf(() => own.cancel(randomUUID())), { 'insert ledger': 1 })
    })

    it('for the first entry only when the place is taken', async () => {
      const checkoutId = randomUUID()
      await own.capture(checkoutId, 'tok_visa', total)
      deepEqual(await costOf(() => own.capture(checkoutId, 'tok_visa', total)), {
        'insert ledger': 1,
        'find ledger': 1,
      })
    })
  })

  describe('does what the table of tokens says', () => {
    for (const [token, { declines, failures = 0, breaks, what }] of Object.entries(paymentTokens)) {
      it(`${token} ${what}`, async () => {
        const checkoutId = randomUUID()
        const capture = () => network.capture(checkoutId, token, total)
        for (let failure = 0; failure < failures; failure++) {
          await rejects(capture(), (error) => {
            ok(error instanceof PaymentNetworkUnavailable)
            return error.retriable
          })
        }
        if (breaks) {
          await rejects(capture(), UnreadableNetworkAnswer)
          await rejects(capture(), UnreadableNetworkAnswer)
          deepEqual(await network.cancel(checkoutId), { kind: 'barred' })
          return
        }
        deepEqual(
          await capture(),
          declines === undefined ? capturedBy(checkoutId) : { kind: 'declined', reason: declines },
        )
      })
    }

    for (const token of ['tok_of_nobody', 'toString', '__proto__', '']) {
      it(`${token || 'an empty token'} is unknown and declined`, async () => {
        const answer = await network.capture(randomUUID(), token, total)
        deepEqual(answer, { kind: 'declined', reason: 'unknown_token' })
      })
    }
  })
})
