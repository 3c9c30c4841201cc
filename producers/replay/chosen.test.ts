import { deepEqual } from 'node:assert/strict'
import { Chosen } from './chosen.ts'
import { message, sampleEvents } from './messages-for-tests.ts'

const { requested, registered } = sampleEvents

describe('what is chosen to be replayed', () => {
  const choose = (messages: readonly Parameters<Chosen['add']>[0][], checkoutId?: string) => {
    const chosen = new Chosen(checkoutId)
    for (const each of messages) chosen.add(each)
    return chosen
  }
  const ids = (chosen: Chosen) => chosen.messages.map(({ recorded }) => recorded.id)

  it('is each event once, however often it was sent', () => {
    const copy = message({ event: requested, offset: 9, headers: { 'replay-of': 'checkouts/0/0' } })
    const chosen = choose([message({ event: requested }), message({ event: registered }), copy])
    deepEqual(ids(chosen), ['checkout/c1@1/0', 'users/c1@1/0'])
    deepEqual(chosen.leftOut, { copies: 1, unreadable: [], conflicting: [] })
  })

  it('is only of the checkout that was asked for', () => {
    const messages = [message({ event: requested }), message({ event: requested, checkoutId: 'c2' })]
    deepEqual(ids(choose(messages, 'c2')), ['checkout/c2@1/0'])
  })

  it('leaves out what no service can read, and says where it lies', () => {
    const good = message({ event: requested })
    const poison = { ...good, value: Buffer.from('{'), partition: 3, offset: '8' }
    const ofNobody = { ...good, headers: {}, key: undefined, offset: '9' }
    const all = choose([poison, ofNobody, good])
    deepEqual(ids(all), ['checkout/c1@1/0'])
    deepEqual(all.leftOut.unreadable, ['checkouts/3/8', 'checkouts/0/9'])
    deepEqual(choose([poison, ofNobody, good], 'c1').leftOut.unreadable, ['checkouts/3/8'])
  })

  it('leaves out what has the id of another and other content', () => {
    const other = message({
      event: { ...registered, data: { ...registered.data, existing: true } },
      offset: 5,
    })
    const chosen = choose([message({ event: registered }), other])
    deepEqual(chosen.messages.length, 1)
    deepEqual(chosen.leftOut.conflicting, ['users/0/5'])
  })
})
