import { deepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { OffsetTracker } from './offset-tracker.ts'

const handled = (tracker: OffsetTracker, topic: string, partition: number, offset: string): void =>
  tracker.began(topic, partition, offset)()

describe('the offset tracker', () => {
  it('has nothing to commit before anything has come', () => {
    deepEqual(new OffsetTracker().take(), [])
  })

  it('has nothing to commit before anything is done', () => {
    const tracker = new OffsetTracker()
    tracker.began('orders', 0, '41')
    tracker.began('orders', 0, '42')
    deepEqual(tracker.take(), [])
  })

  it('commits the offset of the next message to read, for each partition', () => {
    const tracker = new OffsetTracker()
    handled(tracker, 'orders', 0, '41')
    handled(tracker, 'orders', 1, '7')
    handled(tracker, 'users', 0, '99')
    handled(tracker, 'orders', 0, '42')
    deepEqual(tracker.take(), [
      { topic: 'orders', partition: 0, offset: '43' },
      { topic: 'orders', partition: 1, offset: '8' },
      { topic: 'users', partition: 0, offset: '100' },
    ])
  })

  it('commits nothing beyond the first message that is not done', () => {
    const tracker = new OffsetTracker()
    const [first, second, third] = ['41', '42', '43'].map((offset) => tracker.began('orders', 0, offset))
    third?.()
    deepEqual(tracker.take(), [])
    first?.()
    deepEqual(tracker.take(), [{ topic: 'orders', partition: 0, offset: '42' }])
    second?.()
    deepEqual(tracker.take(), [{ topic: 'orders', partition: 0, offset: '44' }])
  })

  it('commits nothing twice', () => {
    const tracker = new OffsetTracker()
    handled(tracker, 'orders', 0, '41')
    tracker.take()
    deepEqual(tracker.take(), [])
  })

  it('commits what no handler sees as well, once all before it is done', () => {
    const tracker = new OffsetTracker()
    const done = tracker.began('orders', 0, '41')
    tracker.passed('orders', 0, '49')
    deepEqual(tracker.take(), [])
    done()
    deepEqual(tracker.take(), [{ topic: 'orders', partition: 0, offset: '50' }])
    tracker.passed('users', 0, '7')
    deepEqual(tracker.take(), [{ topic: 'users', partition: 0, offset: '8' }])
  })

  it('goes back for nothing that has passed already', () => {
    const tracker = new OffsetTracker()
    tracker.passed('orders', 0, '49')
    tracker.passed('orders', 0, '41')
    deepEqual(tracker.take(), [{ topic: 'orders', partition: 0, offset: '50' }])
  })

  it('gives again what could not be committed', () => {
    const tracker = new OffsetTracker()
    handled(tracker, 'orders', 0, '41')
    tracker.notCommitted(tracker.take())
    deepEqual(tracker.take(), [{ topic: 'orders', partition: 0, offset: '42' }])
    deepEqual(tracker.take(), [])
  })

  it('does not give again what a later commit is ahead of, or a rebalance took away', () => {
    const tracker = new OffsetTracker()
    handled(tracker, 'orders', 0, '41')
    const earlier = tracker.take()
    handled(tracker, 'orders', 0, '42')
    const later = tracker.take()
    tracker.notCommitted(earlier)
    deepEqual(tracker.take(), [])
    tracker.clear()
    tracker.notCommitted(later)
    deepEqual(tracker.take(), [])
  })

  it('forgets what a rebalance took away, and what was in hand then', () => {
    const tracker = new OffsetTracker()
    handled(tracker, 'orders', 0, '41')
    const done = tracker.began('orders', 0, '42')
    tracker.clear()
    done()
    deepEqual(tracker.take(), [])
    const again = tracker.began('orders', 0, '42')
    done()
    deepEqual(tracker.take(), [], 'the one that was in hand before says nothing of the one that is now')
    again()
    deepEqual(tracker.take(), [{ topic: 'orders', partition: 0, offset: '43' }])
  })

  it('is never ahead of what is done, in whatever order that happens', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 8 }), (order) => {
        const tracker = new OffsetTracker()
        const ends = order.map((_, offset) => tracker.began('orders', 0, String(offset)))
        const isDone = new Set<number>()
        let committed = 0
        for (const offset of order) {
          ends[offset]?.()
          isDone.add(offset)
          committed = Number(tracker.take()[0]?.offset ?? committed)
          const mark = order.findIndex((_, index) => !isDone.has(index))
          deepEqual(committed, mark < 0 ? order.length : mark)
        }
      }),
    )
  })

  it('counts beyond what a number holds exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 2n }), (offset) => {
        const tracker = new OffsetTracker()
        handled(tracker, 'orders', 0, offset.toString())
        deepEqual(tracker.take(), [{ topic: 'orders', partition: 0, offset: (offset + 1n).toString() }])
      }),
    )
  })
})
