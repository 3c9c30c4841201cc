import type { EventOf } from '../../shared/saga/events.ts'
import { specify } from '../../shared/saga/decider-spec.ts'
import { users } from './decider.ts'

const given = specify(users, 'c1')

const order = { items: [{ sku: 'SAGA-MUG', quantity: 2 }] }
const payment = { token: 'tok_visa' }

const checkoutRequested: EventOf<'CheckoutRequested'> = {
  type: 'CheckoutRequested',
  data: {
    user: { email: 'ada@example.com', name: 'Ada' },
    order,
    payment,
    deadline: '2026-11-23T12:00:00Z',
  },
}
const orderRejected: EventOf<'OrderRejected'> = {
  type: 'OrderRejected',
  data: { reason: 'out_of_stock', sku: 'SAGA-POSTER' },
}
const orderCancelled: EventOf<'OrderCancelled'> = {
  type: 'OrderCancelled',
  data: { orderId: 'order-c1', reason: 'card_declined' },
}

const userRegistered: EventOf<'UserRegistered'> = {
  type: 'UserRegistered',
  data: { userId: 'user-c1', existing: false, order, payment },
}
const registrationRejected: EventOf<'RegistrationRejected'> = {
  type: 'RegistrationRejected',
  data: { reason: 'email_domain_blocked' },
}
const registrationRevoked: EventOf<'RegistrationRevoked'> = {
  type: 'RegistrationRevoked',
  data: { userId: 'user-c1', reason: 'card_declined' },
}
const registrationKept: EventOf<'RegistrationKept'> = {
  type: 'RegistrationKept',
  data: { userId: 'user-c1', reason: 'card_declined' },
}
const revokedBeforeItsCheckoutArrived: EventOf<'RegistrationRevoked'> = {
  type: 'RegistrationRevoked',
  data: { userId: null, reason: 'checkout_expired' },
}

const claimed = { kind: 'claimed', userId: 'user-c1', existing: false } as const
const refused = { kind: 'refused', reason: 'email_domain_blocked' } as const
const releasedAsLast = { kind: 'released', userId: 'user-c1', lastClaim: true } as const
const releasedAmongOthers = { kind: 'released', userId: 'user-c1', lastClaim: false } as const
const barred = { kind: 'released', userId: null, lastClaim: false } as const

describe('users, on CheckoutRequested', () => {
  it('registers the user under the id the register gave, and hands on the order and the payment', () => {
    given([]).when(checkoutRequested, claimed).then([userRegistered])
  })

  it('says so when the user existed before this checkout', () => {
    given([])
      .when(checkoutRequested, { kind: 'claimed', userId: 'user-c0', existing: true })
      .then([{ type: 'UserRegistered', data: { userId: 'user-c0', existing: true, order, payment } }])
  })

  it('rejects the registration with the reason of the register', () => {
    given([]).when(checkoutRequested, refused).then([registrationRejected])
  })

  it('registers nobody without the word of the register', () => {
    given([]).when(checkoutRequested).then([])
  })

  it('registers nobody when the claim was released or barred before', () => {
    for (const answer of [releasedAsLast, releasedAmongOthers, barred]) {
      given([]).when(checkoutRequested, answer).then([])
    }
  })

  it('does not register twice', () => {
    given([userRegistered]).when(checkoutRequested, claimed).then([])
  })

  it('does not register after a rejection, whatever the register says now', () => {
    given([registrationRejected]).when(checkoutRequested, claimed).then([])
  })

  it('does not reject a user who is registered', () => {
    given([userRegistered]).when(checkoutRequested, refused).then([])
  })

  for (const released of [registrationRevoked, registrationKept, revokedBeforeItsCheckoutArrived]) {
    it(`does not register after ${released.type} for ${released.data.userId ?? 'nobody'}`, () => {
      given([released]).when(checkoutRequested, claimed).then([])
    })
  }
})

for (const event of [orderRejected, orderCancelled]) {
  const { reason } = event.data

  describe(`users, on ${event.type}`, () => {
    it('revokes the registration when no other checkout relies on it', () => {
      given([userRegistered])
        .when(event, releasedAsLast)
        .then([{ type: 'RegistrationRevoked', data: { userId: 'user-c1', reason } }])
    })

    it('keeps the registration when another checkout relies on it', () => {
      given([userRegistered])
        .when(event, releasedAmongOthers)
        .then([{ type: 'RegistrationKept', data: { userId: 'user-c1', reason } }])
    })

    it('neither revokes nor keeps without the word of the register', () => {
      for (const history of [[], [userRegistered]]) given(history).when(event).then([])
    })

    it('neither revokes nor keeps on an answer to another question', () => {
      for (const history of [[], [userRegistered]]) given(history).when(event, claimed).then([])
    })

    it('revokes for nobody when the checkout has claimed nobody and is barred from it', () => {
      given([])
        .when(event, barred)
        .then([{ type: 'RegistrationRevoked', data: { userId: null, reason } }])
    })

    it('revokes or keeps the user who was claimed by a handling that did not come to register it', () => {
      given([])
        .when(event, releasedAsLast)
        .then([{ type: 'RegistrationRevoked', data: { userId: 'user-c1', reason } }])
      given([])
        .when(event, releasedAmongOthers)
        .then([{ type: 'RegistrationKept', data: { userId: 'user-c1', reason } }])
    })

    it('has nothing to take back after a rejection', () => {
      given([registrationRejected]).when(event).then([])
    })

    for (const released of [registrationRevoked, registrationKept, revokedBeforeItsCheckoutArrived]) {
      it(`does not release twice after ${released.type} for ${released.data.userId ?? 'nobody'}`, () => {
        given([userRegistered, released]).when(event, releasedAsLast).then([])
      })
    }
  })
}
