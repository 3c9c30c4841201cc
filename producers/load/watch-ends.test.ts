import { deepEqual, equal } from 'node:assert/strict'
import type { EventType } from '../../shared/saga/events.ts'
import type { IncomingMessage } from '../../shared/kafka/cloud-events.ts'
import { cloudEventType } from '../../shared/kafka/cloud-events.ts'
import type { EndSeen } from './gateway-client.ts'
import { EndWatch } from './watch-ends.ts'

const atMillis = Date.parse('2026-11-23T10:00:00.123Z')

const message = (type: EventType, checkoutId: string): IncomingMessage => ({
  topic: 'checkouts',
  partition: 0,
  offset: '0',
  producedAtMillis: 0,
  key: checkoutId,
  value: null,
  headers: {
    ce_type: cloudEventType(type),
    ce_subject: checkoutId,
    ce_time: new Date(atMillis).toISOString(),
  },
})

/** A gateway that knows these ends, and fails for `broken`. */
const gateway = (ends: ReadonlyMap<string, EndSeen> = new Map()) => {
  const asked: string[] = []
  return {
    asked,
    readEnd: (checkoutId: string) => {
      asked.push(checkoutId)
      return checkoutId === 'broken'
        ? Promise.reject(new Error('503'))
        : Promise.resolve(ends.get(checkoutId))
    },
  }
}

describe('a watch for the ends of checkouts', () => {
  it('sees a terminal event, with its own time', () => {
    const watch = new EndWatch(gateway(), 1_000)
    const seen: EndSeen[] = []
    watch.watch('c1', (end) => seen.push(end))
    for (const type of ['CheckoutRequested', 'CheckoutExpired', 'OrderPlaced'] as const)
      watch.see(message(type, 'c1'))
    deepEqual(seen, [])
    watch.see(message('CheckoutCompensated', 'c1'))
    watch.see(message('CheckoutCompensated', 'c1')) // Kafka may deliver it twice
    deepEqual(seen, [{ end: 'compensated', atMillis }])
  })

  it('knows of an end that came before anybody asked for it', () => {
    const watch = new EndWatch(gateway(), 1_000)
    const seen: EndSeen[] = []
    watch.see(message('CheckoutCompleted', 'c1'))
    watch.watch('c1', (end) => seen.push(end))
    deepEqual(seen, [{ end: 'completed', atMillis }])
  })

  it('forgets ends that nobody asks for', () => {
    const watch = new EndWatch(gateway(), -1)
    watch.see(message('CheckoutCompleted', 'strange'))
    watch.forgetStrangers()
    let seen = 0
    watch.watch('strange', () => (seen += 1))
    equal(seen, 0)
  })

  it('is not moved by what is no event', () => {
    const watch = new EndWatch(gateway(), 1_000)
    const ended = message('CheckoutCompleted', 'c1')
    watch.watch('c1', () => {
      throw new Error('it has not ended')
    })
    watch.see({ ...ended, headers: {} })
    watch.see({ ...ended, headers: { ...ended.headers, ce_time: 'now' } })
    watch.see({ ...ended, key: undefined, headers: { ...ended.headers, ce_subject: 'a b' } })
  })

  it('asks the gateway for those that are left at the deadline, each once more, and counts what has no answer', async () => {
    const asked = gateway(new Map([['c2', { end: 'completed', atMillis }]]))
    const watch = new EndWatch(asked, 1_000)
    const ended: string[] = []
    for (const id of ['c1', 'c2', 'broken', 'c3']) watch.watch(id, () => ended.push(id))
    watch.see(message('CheckoutCompleted', 'c1'))
    await watch.settle(performance.now())
    deepEqual(
      [ended, asked.asked.sort()],
      [
        ['c1', 'c2'],
        ['broken', 'c2', 'c3'],
      ],
    )
    deepEqual(await watch.stop(), { missedByKafka: 0, gatewayReads: 3, unanswered: 1, lostKafka: undefined })
  })

  it('does not settle when it is told not to', async () => {
    const asked = gateway()
    const watch = new EndWatch(asked, 1_000)
    watch.watch('c1', () => undefined)
    await watch.settle(Infinity, AbortSignal.abort())
    deepEqual(asked.asked, [])
  })
})
