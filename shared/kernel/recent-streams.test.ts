import { deepEqual, equal } from 'node:assert/strict'
import type { Commit, Stream } from './event-store.ts'
import { RecentStreams } from './recent-streams.ts'

const commitOf = (checkoutId: string, version: number, published = true): Commit => {
  const id = `orders/${checkoutId}@${version}`
  return {
    id,
    checkoutId,
    version,
    causedBy: `${checkoutId}/${version}`,
    events: [
      {
        id: `${id}/0`,
        checkoutId,
        time: '2026-11-27T06:00:00.000Z',
        event: { type: 'OrderConfirmed', data: { orderId: `order-${checkoutId}` } },
      },
    ],
    traceHeaders: {},
    published,
  }
}

const streamOf = (...commits: readonly Commit[]): Stream => ({
  version: commits.length,
  commits,
  events: commits.flatMap(({ events }) => events),
})

const areAllPublished = ({ commits }: Stream): boolean => commits.every(({ published }) => published)

describe('recent streams', () => {
  it('are kept as they were read', () => {
    const recent = new RecentStreams({ isPublished: areAllPublished })
    const stream = streamOf(commitOf('c1', 1))
    recent.keep('c1', stream)
    equal(recent.find('c1'), stream)
    equal(recent.find('c2'), undefined)
  })

  it('grow by what was appended and published, and all before it is published as well', () => {
    const recent = new RecentStreams({ isPublished: areAllPublished })
    recent.keepPublished(streamOf(commitOf('c1', 1, false)), commitOf('c1', 2, false))
    deepEqual(recent.find('c1'), streamOf(commitOf('c1', 1), commitOf('c1', 2)))
  })

  it('are not kept where something may have to be published yet: it would be done again each time', () => {
    const recent = new RecentStreams({ isPublished: areAllPublished })
    recent.keep('c1', streamOf(commitOf('c1', 1, false)))
    equal(recent.find('c1'), undefined)
  })

  it('do not shrink: a slower message knows less', () => {
    const recent = new RecentStreams({ isPublished: areAllPublished })
    const longer = streamOf(commitOf('c1', 1), commitOf('c1', 2))
    recent.keep('c1', longer)
    recent.keep('c1', streamOf(commitOf('c1', 1)))
    equal(recent.find('c1'), longer)
  })

  it('are never empty: that nobody has written yet is no knowledge that lasts', () => {
    const recent = new RecentStreams({ isPublished: areAllPublished })
    recent.keep('c1', streamOf())
    equal(recent.find('c1'), undefined)
  })

  it('are so many at most, those that were kept last', () => {
    const recent = new RecentStreams({ isPublished: areAllPublished, limit: 2 })
    for (const checkoutId of ['c1', 'c2', 'c1', 'c3'])
      recent.keep(checkoutId, streamOf(commitOf(checkoutId, 1)))
    deepEqual(
      ['c1', 'c2', 'c3'].filter((checkoutId) => recent.find(checkoutId)),
      ['c1', 'c3'],
    )
  })
})
