import { deepEqual, doesNotMatch, equal } from 'node:assert/strict'
import type { ChosenMessage } from './chosen.ts'
import { completedCheckout, traceId } from './messages-for-tests.ts'
import { describeLeftOut, describePlan, messageJson, planJson, planOf } from './plan.ts'

const nothing = { copies: 0, unreadable: [], conflicting: [] }
/** As they are read: one topic after the other. */
const byTopic = (messages: readonly ChosenMessage[]) =>
  [...messages].sort((a, b) => b.message.topic.localeCompare(a.message.topic))
const plan = (...checkouts: readonly string[]) =>
  planOf({ messages: checkouts.flatMap((id) => byTopic(completedCheckout(id))), leftOut: nothing })

describe('what would be replayed', () => {
  it('is counted, timed and listed in the order in which it would be sent', () => {
    deepEqual(describePlan(plan('c1')), [
      '6 messages of 1 checkout, from 2026-11-23T12:00:00.001Z to 2026-11-23T12:00:05.001Z (5 s)',
      '',
      'TOPIC      EVENT              MESSAGES',
      'checkouts  CheckoutRequested  1',
      'users      UserRegistered     1',
      'orders     OrderPlaced        1',
      'payments   PaymentCaptured    1',
      'orders     OrderConfirmed     1',
      'checkouts  CheckoutCompleted  1',
      '',
      'TIME                      EVENT              CHECKOUT  REPLAY OF      TRACE',
      `2026-11-23T12:00:00.000Z  CheckoutRequested  c1        checkouts/0/0  ${traceId}`,
      `2026-11-23T12:00:01.000Z  UserRegistered     c1        users/0/1      ${traceId}`,
      `2026-11-23T12:00:02.000Z  OrderPlaced        c1        orders/0/2     ${traceId}`,
      `2026-11-23T12:00:03.000Z  PaymentCaptured    c1        payments/0/3   ${traceId}`,
      `2026-11-23T12:00:04.000Z  OrderConfirmed     c1        orders/0/4     ${traceId}`,
      `2026-11-23T12:00:05.000Z  CheckoutCompleted  c1        checkouts/0/5  ${traceId}`,
      '',
    ])
  })

  it('is listed up to a length', () => {
    equal(describePlan(plan('a', 'b', 'c', 'd')).at(-2), '... and 4 more')
  })

  it('tells nothing of what the messages hold', () => {
    const all = plan('c1')
    const shown = [...describePlan(all), JSON.stringify([planJson(all), all.messages.map(messageJson)])]
    doesNotMatch(shown.join('\n'), /ada@|"Ada"|tok_visa/)
  })

  it('says what is left out', () => {
    deepEqual(describeLeftOut(nothing), [])
    deepEqual(
      describeLeftOut({
        copies: 2,
        unreadable: ['a/0/1', 'a/0/2', 'a/0/3', 'a/0/4'],
        conflicting: ['b/0/1'],
      }),
      [
        'Left out: 2 copies of these, sent later.',
        'Left out: 4 messages that no service can read, at a/0/1, a/0/2, a/0/3, ....',
        'Left out: 1 message with the id of another and other content, at b/0/1.',
      ],
    )
  })
})
