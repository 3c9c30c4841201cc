import { deepEqual, equal, ok } from 'node:assert/strict'
import { Lanes } from './lanes.ts'

const limits = { messages: 3, bytes: 100 }

/** Work that ends when it is told to, and notes when it begins. */
function noted() {
  const begun: string[] = []
  const ends = new Map<string, () => void>()
  const work = (name: string) => () => {
    begun.push(name)
    return new Promise<void>((resolve) => ends.set(name, resolve))
  }
  return { begun, work, end: (name: string) => ends.get(name)?.() }
}

describe('lanes', () => {
  it('have the messages of one key handled in their order, one at a time', async () => {
    const lanes = new Lanes(limits)
    const { begun, work, end } = noted()
    const first = lanes.enter('a', 1, work('a1'))
    const second = lanes.enter('a', 1, work('a2'))
    const third = lanes.enter('a', 1, work('a3'))
    deepEqual(begun, ['a1'])
    end('a1')
    await first
    deepEqual(begun, ['a1', 'a2'])
    end('a2')
    await second
    end('a3')
    await third
    deepEqual(begun, ['a1', 'a2', 'a3'])
  })

  it('have different keys handled side by side, and messages without a key each by itself', () => {
    const lanes = new Lanes({ messages: 10, bytes: 100 })
    const { begun, work } = noted()
    for (const [key, name] of [
      ['a', 'a1'],
      ['b', 'b1'],
      ['a', 'a2'],
      [undefined, 'none1'],
      [undefined, 'none2'],
    ] as const) {
      void lanes.enter(key, 1, work(name))
    }
    deepEqual(begun, ['a1', 'b1', 'none1', 'none2'])
  })

  it('begin a key anew once its lane has emptied', async () => {
    const lanes = new Lanes(limits)
    const { begun, work, end } = noted()
    const first = lanes.enter('a', 1, work('a1'))
    end('a1')
    await first
    void lanes.enter('a', 1, work('a2'))
    deepEqual(begun, ['a1', 'a2'])
  })

  it('have room for so many messages, those that wait for their lane included', async () => {
    const lanes = new Lanes(limits)
    const { work, end } = noted()
    const first = lanes.enter('a', 1, work('a1'))
    void lanes.enter('a', 1, work('a2'))
    ok(lanes.hasRoomFor(1))
    void lanes.enter('b', 1, work('b1'))
    ok(!lanes.hasRoomFor(1))
    end('a1')
    await first
    ok(lanes.hasRoomFor(1))
  })

  it('have room for so many bytes', async () => {
    const lanes = new Lanes(limits)
    const { work, end } = noted()
    const first = lanes.enter('a', 60, work('a1'))
    ok(lanes.hasRoomFor(40) && !lanes.hasRoomFor(41))
    void lanes.enter('b', 40, work('b1'))
    ok(lanes.isFull)
    end('a1')
    await first
    ok(lanes.hasRoomFor(60))
  })

  it('have room for a message larger than all when nothing else is there', async () => {
    const lanes = new Lanes(limits)
    const { work, end } = noted()
    const small = lanes.enter('a', 1, work('a1'))
    ok(!lanes.hasRoomFor(1_000))
    end('a1')
    await small
    ok(lanes.hasRoomFor(1_000))
    const large = lanes.enter('b', 1_000, work('b1'))
    ok(!lanes.hasRoomFor(0), 'and for nothing beside it')
    end('b1')
    await large
    ok(lanes.hasRoomFor(1))
  })

  it('tell all who wait when something has ended, and when they are woken', async () => {
    const lanes = new Lanes(limits)
    const { work, end } = noted()
    void lanes.enter('a', 1, work('a1'))
    let told = 0
    const waiting = [lanes.changed().then(() => told++), lanes.changed().then(() => told++)]
    end('a1')
    await Promise.all(waiting)
    equal(told, 2)
    const woken = lanes.changed()
    lanes.wakeUp()
    await woken
  })
})
