import type { EventOf } from '../../shared/saga/events.ts'
import { specify } from '../../shared/saga/decider-spec.ts'
import type { CheckoutInput, CheckoutEvent } from './decider.ts'
import { checkout } from './decider.ts'

const given = specify(checkout, 'c1')

const checkoutRequested: EventOf<'CheckoutRequested'> = {
  type: 'CheckoutRequested',
  data: {
    user: { email: 'ada@example.com', name: 'Ada' },
    order: { items: [{ sku: 'SAGA-MUG', quantity: 2 }] },
    payment: { token: 'tok_visa' },
    deadline: '2026-11-23T12:00:00Z',
  },
}
const orderConfirmed: EventOf<'OrderConfirmed'> = { type: 'OrderConfirmed', data: { orderId: 'order-c1' } }
const registrationRevoked: EventOf<'RegistrationRevoked'> = {
  type: 'RegistrationRevoked',
  data: { userId: 'user-c1', reason: 'card_declined' },
}
const registrationKept: EventOf<'RegistrationKept'> = {
  type: 'RegistrationKept',
  data: { userId: 'user-c1', reason: 'card_declined' },
}
const registrationRejected: EventOf<'RegistrationRejected'> = {
  type: 'RegistrationRejected',
  data: { reason: 'email_domain_blocked' },
}
const deadlinePassed = { type: 'DeadlinePassed' } as const

const checkoutCompleted: EventOf<'CheckoutCompleted'> = {
  type: 'CheckoutCompleted',
  data: { orderId: 'order-c1' },
}
const checkoutCompensated: EventOf<'CheckoutCompensated'> = {
  type: 'CheckoutCompensated',
  data: { reason: 'card_declined' },
}
const checkoutRejected: EventOf<'CheckoutRejected'> = {
  type: 'CheckoutRejected',
  data: { reason: 'email_domain_blocked' },
}
const checkoutExpired: EventOf<'CheckoutExpired'> = {
  type: 'CheckoutExpired',
  data: { reason: 'checkout_expired' },
}

const everyInput: readonly CheckoutInput['event'][] = [
  checkoutRequested,
  orderConfirmed,
  registrationRevoked,
  registrationKept,
  registrationRejected,
  deadlinePassed,
]
const everyEnd: readonly CheckoutEvent[] = [checkoutCompleted, checkoutCompensated, checkoutRejected]

describe('checkout, while it is open', () => {
  it('completes when its order is confirmed', () => {
    given([checkoutRequested]).when(orderConfirmed).then([checkoutCompleted])
  })

  it('is compensated when its registration was revoked, for the reason that travelled back', () => {
    given([checkoutRequested]).when(registrationRevoked).then([checkoutCompensated])
  })

  it('is compensated when its registration was kept for another checkout', () => {
    given([checkoutRequested]).when(registrationKept).then([checkoutCompensated])
  })

  it('is rejected when its registration was rejected', () => {
    given([checkoutRequested]).when(registrationRejected).then([checkoutRejected])
  })

  it('expires when its deadline passes', () => {
    given([checkoutRequested]).when(deadlinePassed).then([checkoutExpired])
  })

  it('answers nothing to its own request, which only starts the clock', () => {
    given([checkoutRequested]).when(checkoutRequested).then([])
  })
})

describe('checkout, once it has expired', () => {
  const history = [checkoutRequested, checkoutExpired]

  it('does not complete, because its order is on its way back', () => {
    given(history).when(orderConfirmed).then([])
  })

  it('is compensated when its registration was revoked', () => {
    given(history).when(registrationRevoked).then([checkoutCompensated])
  })

  it('is compensated when its registration was kept', () => {
    given(history).when(registrationKept).then([checkoutCompensated])
  })

  it('is rejected when its registration was rejected', () => {
    given(history).when(registrationRejected).then([checkoutRejected])
  })

  it('does not expire twice', () => {
    given(history).when(deadlinePassed).then([])
  })

  it('answers nothing to its own request', () => {
    given(history).when(checkoutRequested).then([])
  })
})

for (const end of everyEnd) {
  describe(`checkout, after ${end.type}`, () => {
    for (const input of everyInput) {
      it(`answers nothing to ${input.type}`, () => {
        given([checkoutRequested, end]).when(input).then([])
        given([checkoutRequested, checkoutExpired, end]).when(input).then([])
      })
    }
  })
}
