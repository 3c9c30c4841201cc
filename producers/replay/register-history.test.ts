import { deepEqual } from 'node:assert/strict'
import type { SagaEvent } from '../../shared/saga/events.ts'
import { keyOfEmail } from '../../consumers/users/user-id.ts'
import type { ChosenMessage } from './chosen.ts'
import { chosenMessage, sampleEvents } from './messages-for-tests.ts'
import { registerHistory } from './register-history.ts'

const { requested, registered } = sampleEvents
const key = keyOfEmail('ada@people.example')
const user = (birth: number) => `user-${key}-${birth}`

const claim = (checkoutId: string, at: number, birth: number, existing: boolean) => [
  chosenMessage({ event: requested, checkoutId, at: at - 1 }),
  chosenMessage({
    event: { ...registered, data: { ...registered.data, userId: user(birth), existing } },
    checkoutId,
    at,
  }),
]
const release = (
  type: 'RegistrationRevoked' | 'RegistrationKept',
  checkoutId: string,
  at: number,
  userId: string | null,
) =>
  chosenMessage({
    event: { type, data: { userId, reason: 'card_declined' } } as SagaEvent,
    checkoutId,
    version: 2,
    at,
  })

const steps = (messages: readonly ChosenMessage[]) =>
  registerHistory(messages).map((history) => history.map(({ kind, checkoutId }) => `${kind} ${checkoutId}`))

describe('the email register, from the topics alone', () => {
  it('is claimed and released as the events tell', () => {
    const messages = [...claim('a', 1, 1, false), ...claim('b', 2, 1, true)]
    deepEqual(steps([...messages, release('RegistrationKept', 'a', 3, user(1))]), [
      ['claim a', 'claim b', 'release a'],
    ])
  })

  it('begins another user after the last release', () => {
    const second = claim('b', 9, 3, false)
    const first = [...claim('a', 1, 1, false), release('RegistrationRevoked', 'a', 5, user(1))]
    deepEqual(steps([...second, ...first]), [['claim a', 'release a', 'claim b']])
  })

  it('lets the claim that found nobody come first, although it was answered later', () => {
    deepEqual(steps([...claim('b', 1, 1, true), ...claim('a', 2, 1, false)]), [['claim a', 'claim b']])
  })

  it('lets a release that kept the user wait for the claim that kept it', () => {
    const messages = [
      ...claim('a', 1, 1, false),
      release('RegistrationKept', 'a', 2, user(1)),
      ...claim('b', 3, 1, true),
      release('RegistrationRevoked', 'b', 4, user(1)),
    ]
    deepEqual(steps(messages), [['claim a', 'claim b', 'release a', 'release b']])
  })

  it('has a claim that was taken back before it was answered', () => {
    const messages = [
      chosenMessage({ event: requested, checkoutId: 'a' }),
      release('RegistrationRevoked', 'a', 5, user(1)),
    ]
    deepEqual(steps(messages), [['claim a', 'release a']])
  })

  it('bars what was taken back before it claimed anything', () => {
    const messages = [chosenMessage({ event: requested }), release('RegistrationRevoked', 'c1', 5, null)]
    deepEqual(steps(messages), [['bar c1']])
  })

  it('of several emails is a history each', () => {
    const other = `user-${keyOfEmail('bob@people.example')}-1`
    const bob = chosenMessage({
      event: { ...registered, data: { ...registered.data, userId: other } },
      checkoutId: 'b',
      at: 2,
    })
    const asked = chosenMessage({ event: requested, checkoutId: 'b' })
    deepEqual(steps([...claim('a', 1, 1, false), asked, bob]), [['claim a'], ['claim b']])
  })
})
