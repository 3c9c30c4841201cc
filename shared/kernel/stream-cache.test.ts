import { deepEqual, equal } from 'node:assert/strict'
import type { KnownStream } from './stream-cache.ts'
import { StreamCache } from './stream-cache.ts'

const streamAt = (version: number): KnownStream<string> => ({
  version,
  state: `state ${version}`,
  causes: [],
  unpublished: [],
  openedAt: undefined,
})

describe('the stream cache', () => {
  it('returns a stream as it was kept', () => {
    const cache = new StreamCache<string>()
    const stream = streamAt(1)
    cache.keep('c1', stream)
    equal(cache.find('c1'), stream)
    equal(cache.find('c2'), undefined)
  })

  it('replaces a stream by what is known later', () => {
    const cache = new StreamCache<string>()
    cache.keep('c1', streamAt(1))
    cache.keep('c1', streamAt(2))
    equal(cache.find('c1')?.version, 2)
  })

  it('ignores a shorter stream: a slower message knows less', () => {
    const cache = new StreamCache<string>()
    const longer = streamAt(2)
    cache.keep('c1', longer)
    cache.keep('c1', streamAt(1))
    equal(cache.find('c1'), longer)
  })

  it('evicts the stream that was kept longest ago', () => {
    const cache = new StreamCache<string>(2)
    for (const checkoutId of ['c1', 'c2', 'c1', 'c3']) cache.keep(checkoutId, streamAt(1))
    deepEqual(
      ['c1', 'c2', 'c3'].filter((checkoutId) => cache.find(checkoutId)),
      ['c1', 'c3'],
    )
  })
})
