import { deepEqual, equal, rejects } from 'node:assert/strict'
import type { EventOf } from '../../shared/saga/events.ts'
import { consultRegister } from './consult.ts'
import type { UsersState } from './decider.ts'

const checkoutId = 'checkout-1'
const userId = 'user-1'

function requested(email = 'ada@people.example'): EventOf<'CheckoutRequested'> {
  return {
    type: 'CheckoutRequested',
    data: {
      user: { email, name: 'Ada Example' },
      order: { items: [{ sku: 'SAGA-MUG', quantity: 1 }] },
      payment: { token: 'tok_visa' },
      deadline: '2026-11-23T12:00:00Z',
    },
  }
}
const rejected: EventOf<'OrderRejected'> = {
  type: 'OrderRejected',
  data: { reason: 'out_of_stock', sku: 'SAGA-POSTER' },
}
const cancelled: EventOf<'OrderCancelled'> = {
  type: 'OrderCancelled',
  data: { orderId: 'order-1', reason: 'card_declined' },
}

const unknown: UsersState = { status: 'unknown' }
const registered: UsersState = { status: 'registered', userId }
const settled: readonly UsersState[] = [{ status: 'rejected' }, { status: 'released' }]

/** A register that answers and notes what it was asked. */
function notingRegister() {
  const asked: unknown[][] = []
  const consult = consultRegister({
    claim: (...question) => {
      asked.push(['claim', ...question])
      return Promise.resolve({ kind: 'claimed', userId, existing: false })
    },
    release: (...question) => {
      asked.push(['release', ...question])
      return Promise.resolve({ kind: 'released', userId, lastClaim: true })
    },
  })
  const ask = (event: Parameters<typeof consult>[0]['event'], state: UsersState) =>
    consult({ checkoutId, event, answer: undefined }, state)
  return { asked, ask }
}

describe('what users asks the email register', () => {
  it('is to claim the user of a checkout that is new', async () => {
    const { asked, ask } = notingRegister()
    const event = requested()
    deepEqual(await ask(event, unknown), { kind: 'claimed', userId, existing: false })
    deepEqual(asked, [['claim', checkoutId, event.data.user]])
  })

  it('is nothing for an email from where nobody may register', async () => {
    const { asked, ask } = notingRegister()
    for (const email of ['eve@blocked.example', 'eve@BLOCKED.Example', '"a@b"@blocked.example']) {
      deepEqual(await ask(requested(email), unknown), { kind: 'refused', reason: 'email_domain_blocked' })
    }
    deepEqual(asked, [])
  })

  it('is to claim an email whose domain only looks like a blocked one', async () => {
    const { ask } = notingRegister()
    for (const email of [
      'eve@not-blocked.example',
      'eve@blocked.example.org',
      'blocked.example@people.example',
    ]) {
      equal((await ask(requested(email), unknown))?.kind, 'claimed', email)
    }
  })

  it('is nothing for a checkout that is registered, rejected or released', async () => {
    const { asked, ask } = notingRegister()
    for (const state of [registered, ...settled]) equal(await ask(requested(), state), undefined)
    deepEqual(asked, [])
  })

  for (const event of [rejected, cancelled]) {
    it(`is to release the user on ${event.type}`, async () => {
      const { asked, ask } = notingRegister()
      deepEqual(await ask(event, registered), { kind: 'released', userId, lastClaim: true })
      deepEqual(asked, [['release', checkoutId, userId]])
    })

    it(`is to release whatever was or will be claimed on ${event.type} that overtook its checkout`, async () => {
      const { asked, ask } = notingRegister()
      deepEqual(await ask(event, unknown), { kind: 'released', userId, lastClaim: true })
      deepEqual(asked, [['release', checkoutId]])
    })

    it(`is nothing on ${event.type} once rejected or released`, async () => {
      const { asked, ask } = notingRegister()
      for (const state of settled) equal(await ask(event, state), undefined)
      deepEqual(asked, [])
    })
  }

  it('is answered that the claim was barred', async () => {
    const barred = { kind: 'released', userId: null, lastClaim: false } as const
    const answerBarred = () => Promise.resolve(barred)
    const consult = consultRegister({ claim: answerBarred, release: answerBarred })
    deepEqual(await consult({ checkoutId, event: requested(), answer: undefined }, unknown), barred)
  })

  it('fails with the register, so that the message is tried again', async () => {
    const away = () => Promise.reject(new Error('store away'))
    const consult = consultRegister({ claim: away, release: away })
    await rejects(consult({ checkoutId, event: requested(), answer: undefined }, unknown), /store away/)
  })
})
