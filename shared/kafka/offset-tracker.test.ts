import { deepEqual } from 'node:assert/strict'
import fc from 'fast-check'
import { OffsetTracker } from './offset-tracker.ts'

describe('the offset tracker', () => {
  it('has nothing to commit before anything was handled', () => {
    deepEqual(new OffsetTracker().take(), [])
  })

  it('commits the offset of the next message to read, for each partition', () => {
    const tracker = new OffsetTracker()
    tracker.handled('orders', 0, '41')
    tracker.handled('orders', 1, '7')
    tracker.handled('users', 0, '99')
    tracker.handled('orders', 0, '42')
    deepEqual(tracker.take(), [
      { topic: 'orders', partition: 0, offset: '43' },
      { topic: 'orders', partition: 1, offset: '8' },
      { topic: 'users', partition: 0, offset: '100' },
    ])
  })

  it('commits nothing twice', () => {
    const tracker = new OffsetTracker()
    tracker.handled('orders', 0, '41')
    tracker.take()
    deepEqual(tracker.take(), [])
  })

  it('forgets what a rebalance took away', () => {
    const tracker = new OffsetTracker()
    tracker.handled('orders', 0, '41')
    tracker.clear()
    deepEqual(tracker.take(), [])
  })

  it('counts beyond what a number holds exactly', () => {
    fc.assert(
      fc.property(fc.bigInt({ min: 0n, max: 2n ** 63n - 2n }), (offset) => {
        const tracker = new OffsetTracker()
        tracker.handled('orders', 0, offset.toString())
        deepEqual(tracker.take(), [{ topic: 'orders', partition: 0, offset: (offset + 1n).toString() }])
      }),
    )
  })
})
