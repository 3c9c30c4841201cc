import { deepEqual, ok } from 'node:assert/strict'
import fc from 'fast-check'
import { inCausalOrder } from './causal-order.ts'
import { causesAmong } from './causes.ts'
import type { ChosenMessage } from './chosen.ts'
import { chosenMessage, completedCheckout, sampleEvents } from './messages-for-tests.ts'

const types = (messages: readonly ChosenMessage[]) => messages.map(({ recorded }) => recorded.event.type)
const { requested, registered, placed, expired, declined } = sampleEvents

describe('the cause of an event', () => {
  const causeOf = (effect: ChosenMessage, ...others: ChosenMessage[]) =>
    causesAmong([effect, ...others].map(({ recorded }) => recorded)).get(effect.recorded.id)

  it('follows from the flow table, for every event of a checkout but the first', () => {
    const checkout = completedCheckout()
    const causes = causesAmong(checkout.map(({ recorded }) => recorded))
    deepEqual(
      checkout.map(({ recorded }) => causes.get(recorded.id)),
      [undefined, ...checkout.slice(0, -1).map(({ recorded }) => recorded.id)],
    )
  })

  it('of a declined payment is the order or the expiry, whichever came last before it', () => {
    const order = chosenMessage({ event: placed, at: 1 })
    const expiry = chosenMessage({ event: expired, version: 2, at: 10 })
    const decline = (at: number) => chosenMessage({ event: declined, at })
    deepEqual(causeOf(decline(5), order, expiry), 'orders/c1@1/0')
    deepEqual(causeOf(decline(11), order, expiry), 'checkout/c1@2/0')
  })

  it('is found although its clock was ahead', () => {
    deepEqual(
      causeOf(chosenMessage({ event: registered, at: 1 }), chosenMessage({ event: requested, at: 2 })),
      'checkout/c1@1/0',
    )
  })

  it('is of the same checkout', () => {
    const other = chosenMessage({ event: requested, checkoutId: 'c2' })
    deepEqual(causeOf(chosenMessage({ event: registered, at: 1 }), other), undefined)
  })
})

describe('the order of a replay', () => {
  it('puts the messages of all topics back in line', () => {
    const checkout = completedCheckout()
    const byTopic = [...checkout].sort((a, b) => a.message.topic.localeCompare(b.message.topic))
    deepEqual(types(inCausalOrder(byTopic)), types(checkout))
  })

  it('puts the older checkout first, on whichever partition it is', () => {
    const older = chosenMessage({ event: requested, checkoutId: 'a', at: 1, partition: 2 })
    const younger = chosenMessage({ event: requested, checkoutId: 'b', at: 2, partition: 0 })
    deepEqual(inCausalOrder([younger, older]), [older, younger])
  })

  it('puts a cause before its effect although its clock was ahead', () => {
    const late = chosenMessage({ event: requested, at: 5 })
    deepEqual(types(inCausalOrder([chosenMessage({ event: registered, at: 1 }), late])), [
      'CheckoutRequested',
      'UserRegistered',
    ])
  })

  it('keeps a partition as it is, also where that is the wrong way round', () => {
    const line = [
      chosenMessage({ event: expired, version: 2, at: 9 }),
      chosenMessage({ event: requested, at: 1 }),
      chosenMessage({ event: sampleEvents.completed, version: 3, at: 4 }),
      chosenMessage({ event: requested, checkoutId: 'c2', at: 2 }),
    ]
    deepEqual(inCausalOrder(line), line)
  })

  it('keeps, of any checkouts on any partitions, each partition and each cause before its effect', () => {
    const checkouts = fc.array(
      fc.record({ start: fc.integer({ min: 0, max: 20 }), partition: fc.integer({ min: 0, max: 2 }) }),
      { minLength: 1, maxLength: 6 },
    )
    fc.assert(
      fc.property(checkouts, (all) => {
        const messages = all
          .flatMap(({ start, partition }, index) =>
            completedCheckout(`c${index}`, start).map((each) => ({
              ...each,
              message: { ...each.message, partition },
            })),
          )
          .sort((a, b) => a.message.topic.localeCompare(b.message.topic))
        const ordered = inCausalOrder(messages)
        deepEqual(new Set(ordered), new Set(messages))
        const partitionOf = ({ message }: ChosenMessage) => `${message.topic}/${message.partition}`
        for (const [partition, line] of Map.groupBy(messages, partitionOf)) {
          deepEqual(
            ordered.filter((each) => partitionOf(each) === partition),
            line,
          )
        }
        const places = new Map(ordered.map(({ recorded }, place) => [recorded.id, place]))
        for (const [effect, cause] of causesAmong(ordered.map(({ recorded }) => recorded))) {
          ok((places.get(cause) ?? Infinity) < (places.get(effect) ?? -1))
        }
      }),
    )
  })
})
