import { deepEqual, equal, rejects } from 'node:assert/strict'
import type { CoalescerOptions } from './coalescer.ts'
import { Coalescer, NotSent } from './coalescer.ts'

/** Records its batches; each is under way until `finish` is called. */
function recordingWriter(options: Partial<CoalescerOptions<string>> = {}) {
  const batches: (readonly string[])[] = []
  const finishes: (() => void)[] = []
  const coalescer = new Coalescer<string, string>({ width: 1, maxItems: 100, ...options }, async (items) => {
    batches.push(items)
    await new Promise<void>((resolve) => finishes.push(resolve))
    return items.map((item) => ({ status: 'fulfilled', value: `${item} written` }))
  })
  return { coalescer, batches, finish: () => finishes.shift()?.() }
}

/** All that a turn of the event loop starts has started after it. */
const nextTurn = () => new Promise((resolve) => setImmediate(resolve))

const written = (items: readonly string[]) =>
  Promise.resolve(items.map((item) => ({ status: 'fulfilled', value: item }) as const))

describe('a coalescer', () => {
  it('writes a lone item in the same turn of the event loop: there is no linger', async () => {
    const { coalescer, batches, finish } = recordingWriter()
    const result = coalescer.add('a')
    await nextTurn()
    deepEqual(batches, [['a']])
    finish()
    equal(await result, 'a written')
  })

  it('writes what is added in one turn together, promise jobs included', async () => {
    const { coalescer, batches } = recordingWriter()
    void coalescer.add('a')
    void Promise.resolve()
      .then(() => undefined)
      .then(() => coalescer.add('b'))
    await nextTurn()
    deepEqual(batches, [['a', 'b']])
  })

  it('has as many batches under way as its width, and collects the next meanwhile', async () => {
    const { coalescer, batches, finish } = recordingWriter({ width: 2 })
    for (const item of ['a', 'b', 'c', 'd']) {
      void coalescer.add(item)
      await nextTurn()
    }
    deepEqual(batches, [['a'], ['b']])
    finish()
    await nextTurn()
    deepEqual(batches, [['a'], ['b'], ['c', 'd']])
  })

  it('limits a batch by its items', async () => {
    const { coalescer, batches } = recordingWriter({ width: 3, maxItems: 2 })
    for (const item of ['a', 'b', 'c', 'd', 'e']) void coalescer.add(item)
    await nextTurn()
    deepEqual(batches, [['a', 'b'], ['c', 'd'], ['e']])
  })

  it('limits a batch by its bytes; an item above the limit goes by itself', async () => {
    const { coalescer, batches } = recordingWriter({ width: 9, maxBytes: 4, bytesOf: ({ length }) => length })
    for (const item of ['aa', 'bb', 'c', 'dddddd', 'e']) void coalescer.add(item)
    await nextTurn()
    deepEqual(batches, [['aa', 'bb'], ['c'], ['dddddd'], ['e']])
  })

  it('never puts items of different groups into one batch, and keeps their order', async () => {
    const { coalescer, batches } = recordingWriter({ width: 9, groupOf: (item) => item.slice(0, 1) })
    for (const item of ['a1', 'a2', 'b1', 'a3']) void coalescer.add(item)
    await nextTurn()
    deepEqual(batches, [['a1', 'a2'], ['b1'], ['a3']])
  })

  it('settles each item by its own result', async () => {
    const coalescer = new Coalescer<string, string>({ width: 1, maxItems: 9 }, (items) =>
      Promise.resolve(
        items.map((item) =>
          item === 'bad'
            ? { status: 'rejected', reason: new Error('bad') }
            : { status: 'fulfilled', value: item },
        ),
      ),
    )
    const [good, bad] = await Promise.allSettled([coalescer.add('good'), coalescer.add('bad')])
    deepEqual(good, { status: 'fulfilled', value: 'good' })
    deepEqual(bad, { status: 'rejected', reason: new Error('bad') })
  })

  it('rejects every item of a batch that fails, and writes the next', async () => {
    let attempts = 0
    const coalescer = new Coalescer<string, string>({ width: 1, maxItems: 2 }, (items) =>
      attempts++ === 0 ? Promise.reject(new Error('away')) : written(items),
    )
    const results = await Promise.allSettled(['a', 'b', 'c'].map((item) => coalescer.add(item)))
    deepEqual(
      results.map(({ status }) => status),
      ['rejected', 'rejected', 'fulfilled'],
    )
  })

  it('rejects an item that the write settles nothing of', async () => {
    const coalescer = new Coalescer<string, string>({ width: 1, maxItems: 9 }, () => Promise.resolve([]))
    await rejects(coalescer.add('a'), /settled fewer items/)
  })

  describe('withdraws an item by its signal', () => {
    it('that waits: it is never written', async () => {
      const { coalescer, batches, finish } = recordingWriter()
      void coalescer.add('a')
      await nextTurn()
      const aborting = new AbortController()
      const withdrawn = coalescer.add('b', aborting.signal)
      void coalescer.add('c')
      aborting.abort()
      await rejects(withdrawn, NotSent)
      finish()
      await nextTurn()
      deepEqual(batches, [['a'], ['c']])
    })

    it('that comes with a signal aborted before', async () => {
      const { coalescer, batches } = recordingWriter()
      await rejects(coalescer.add('a', AbortSignal.abort()), { code: 'not_sent', retriable: true })
      await nextTurn()
      deepEqual(batches, [])
    })

    it('but not one that has left: it is settled by its write', async () => {
      const { coalescer, finish } = recordingWriter()
      const aborting = new AbortController()
      const result = coalescer.add('a', aborting.signal)
      await nextTurn()
      aborting.abort()
      finish()
      equal(await result, 'a written')
    })
  })
})
