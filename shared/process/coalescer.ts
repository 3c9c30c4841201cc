/**
 * Batching without linger: whatever waits goes together, and the next batch forms while at most `width` are under way.
 * A lone item waits for nothing; under load batches grow to what arrives in one round trip.
 */

export interface CoalescerOptions<Item> {
  /** Batches under way at most. */
  readonly width: number
  /** Items in a batch at most ... */
  readonly maxItems: number
  /** ... and bytes, by `bytesOf`; a larger item goes by itself. No limit where left out. */
  readonly maxBytes?: number
  readonly bytesOf?: (item: Item) => number
  /** Items with different keys never share a batch. */
  readonly groupOf?: (item: Item) => string
}

/** Rejects what was withdrawn before it left the process. */
export class NotSent extends Error {
  readonly code = 'not_sent'
  readonly retriable = true
  constructor(cause?: unknown) {
    super('given up before it was sent', { cause })
    this.name = 'NotSent'
  }
}

interface Waiting<Item, Result> {
  readonly item: Item
  readonly resolve: (result: Result) => void
  readonly reject: (error: unknown) => void
}

export class Coalescer<Item, Result> {
  readonly #options: CoalescerOptions<Item>
  readonly #write: (items: readonly Item[]) => Promise<readonly PromiseSettledResult<Result>[]>
  #queue: Waiting<Item, Result>[] = []
  #underWay = 0
  #isScheduled = false

  /** @param write settles each item of a batch, in its order; a rejection is every item's */
  constructor(
    options: CoalescerOptions<Item>,
    write: (items: readonly Item[]) => Promise<readonly PromiseSettledResult<Result>[]>,
  ) {
    this.#options = options
    this.#write = write
  }

  /**
   * @param signal withdraws the item for as long as it waits
   * @throws NotSent when it was withdrawn, and what `write` says of it
   */
  add(item: Item, signal?: AbortSignal): Promise<Result> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(new NotSent(signal.reason))
        return
      }
      const waiting = { item, resolve, reject }
      this.#queue.push(waiting)
      signal?.addEventListener('abort', () => this.#withdraw(waiting, signal.reason), { once: true })
      if (this.#isScheduled || this.#underWay >= this.#options.width) return
      this.#isScheduled = true
      // After the promise jobs of this turn: all that is handled side by side has been added by then.
      setImmediate(() => {
        this.#isScheduled = false
        this.#pump()
      })
    })
  }

  #withdraw(waiting: Waiting<Item, Result>, reason: unknown): void {
    const index = this.#queue.indexOf(waiting)
    if (index < 0) return
    this.#queue.splice(index, 1)
    waiting.reject(new NotSent(reason))
  }

  #pump(): void {
    while (this.#queue.length > 0 && this.#underWay < this.#options.width) {
      const batch = this.#takeBatch()
      this.#underWay++
      this.#write(batch.map(({ item }) => item))
        .then(
          (results) => {
            for (const [index, { resolve, reject }] of batch.entries()) {
              const result = results[index]
              if (result?.status === 'fulfilled') resolve(result.value)
              else reject(result?.reason ?? new Error('a batch settled fewer items than it had'))
            }
          },
          (error: unknown) => {
            for (const { reject } of batch) reject(error)
          },
        )
        .finally(() => {
          this.#underWay--
          this.#pump()
        })
    }
  }

  #takeBatch(): Waiting<Item, Result>[] {
    const { maxItems, maxBytes = Infinity, bytesOf = () => 0, groupOf = () => '' } = this.#options
    const queue = this.#queue
    const group = queue[0] && groupOf(queue[0].item)
    let length = 0
    for (let bytes = 0; length < queue.length && length < maxItems; length++) {
      const { item } = queue[length] as Waiting<Item, Result>
      bytes += bytesOf(item)
      if (length > 0 && (bytes > maxBytes || groupOf(item) !== group)) break
    }
    this.#queue = queue.slice(length)
    return queue.slice(0, length)
  }
}
