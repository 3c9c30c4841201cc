import { deepEqual } from 'node:assert/strict'
import type { ChosenMessage } from './chosen.ts'
import { chosenMessage, completedCheckout, sampleEvents, traceparent } from './messages-for-tests.ts'
import { streamsOf } from './streams.ts'

const { requested, registered, expired } = sampleEvents

describe('streams, from the topics alone', () => {
  const causes = (messages: readonly ChosenMessage[]) =>
    [...streamsOf(messages).commits].flatMap(([service, commits]) =>
      commits.map(({ checkoutId, version, causedBy }) => [`${service}/${checkoutId}@${version}`, causedBy]),
    )

  it('are the commits that the services made', () => {
    const { commits, incomplete, strangers } = streamsOf(completedCheckout())
    deepEqual(commits.get('users'), [
      {
        checkoutId: 'c1',
        version: 1,
        causedBy: 'checkout/c1@1/0',
        at: new Date('2026-11-23T12:00:01Z'),
        events: [registered],
        traceHeaders: { traceparent },
      },
    ])
    deepEqual([incomplete, strangers], [[], []])
  })

  it('know what led to each commit, from outside or on the topics', () => {
    const messages = [
      ...completedCheckout().slice(0, 3),
      chosenMessage({ event: expired, version: 2, at: 9 }),
    ]
    deepEqual(causes(messages), [
      ['users/c1@1', 'checkout/c1@1/0'],
      ['orders/c1@1', 'users/c1@1/0'],
      ['checkout/c1@1', 'request/c1'],
      ['checkout/c1@2', 'deadline/c1'],
    ])
  })

  it('believe an event that says what it answers, whatever the clocks and the flow table say', () => {
    const causedBy = 'checkout/c1@1/0'
    const [request, users, ...others] = completedCheckout()
    const told = users && { ...users, recorded: { ...users.recorded, causedBy: 'users/c1@9/0' } }
    const messages = [request, told, ...others].flatMap((each) => each ?? [])
    deepEqual(new Map(causes(messages) as [string, string][]).get('users/c1@1'), 'users/c1@9/0')
    deepEqual(new Map(causes(completedCheckout()) as [string, string][]).get('users/c1@1'), causedBy)
  })

  it('have their versions in order, whatever order the messages came in', () => {
    deepEqual(causes(completedCheckout().reverse()).sort(), causes(completedCheckout()).sort())
  })

  it('keep the events of one commit together, in their order', () => {
    const second = chosenMessage({ event: expired, index: 1 })
    const { commits } = streamsOf([second, chosenMessage({ event: requested })])
    deepEqual(
      commits.get('checkout')?.map(({ events }) => events),
      [[requested, expired]],
    )
  })

  it('have the trace in which they were made, also where only a replay is left', () => {
    const replayed = chosenMessage({
      event: requested,
      headers: {
        traceparent: '00-11111111111111111111111111111111-2222222222222222-01',
        'replay-of': 'checkouts/0/0',
        'replay-origin-traceparent': traceparent,
      },
    })
    deepEqual(streamsOf([replayed]).commits.get('checkout')?.[0]?.traceHeaders, { traceparent })
  })

  const [request, ...others] = completedCheckout()
  for (const [what, left] of [
    ['a commit in between', [request, chosenMessage({ event: sampleEvents.completed, version: 3 })]],
    ['the request', others],
    ['all of the checkout service', [chosenMessage({ event: registered })]],
    ['the first event of a commit', [request, chosenMessage({ event: expired, version: 2, index: 1 })]],
  ] as const) {
    it(`leave out a checkout of which ${what} is missing, and no other`, () => {
      const messages: ChosenMessage[] = left.flatMap((each) => each ?? [])
      const { commits, incomplete } = streamsOf([...messages, ...completedCheckout('c2')])
      deepEqual(incomplete, ['c1'])
      const ids = [...commits.values()].flat().map(({ checkoutId }) => checkoutId)
      deepEqual(new Set(ids), new Set(['c2']))
    })
  }

  it('take nothing from messages that no service has written', () => {
    const forged = chosenMessage({ event: registered, headers: { ce_source: '/elsewhere' } })
    const { commits, strangers } = streamsOf([forged])
    deepEqual([...commits.values()].flat(), [])
    deepEqual(strangers, ['users/c1@1/0'])
  })
})
