import { setTimeout as delay } from 'node:timers/promises'

/** One after the other, at most so many a second. @param signal ends it before the next */
export async function* paced<Item>(
  items: Iterable<Item>,
  ratePerSecond: number,
  signal?: AbortSignal,
): AsyncGenerator<Item> {
  const startedAt = performance.now()
  let index = 0
  for (const item of items) {
    const waitMillis = startedAt + (index * 1_000) / ratePerSecond - performance.now()
    if (waitMillis > 0) await delay(waitMillis, undefined, { signal }).catch(() => undefined)
    if (signal?.aborted) return
    yield item
    index += 1
  }
}
