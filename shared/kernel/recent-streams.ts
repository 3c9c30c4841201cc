/**
 * Streams as this process knows them from what it has done itself, so that most messages are answered by one insert and
 * no read: of a partition's checkouts one process writes nearly all that is written.
 *
 * A stream only grows, so what is remembered is wrong in no other way than that others have gone on since. The insert
 * finds out, because its version is taken then; see answer.ts.
 */
import type { Commit, Stream } from './event-store.ts'

export const emptyStream: Stream = { version: 0, commits: [], events: [] }

interface RecentStreamsOptions {
  /** Whether all that could be needed of a stream is on its topic: of others nothing is remembered. */
  readonly isPublished: (stream: Stream) => boolean
  /** How many streams are kept; those that were kept last. */
  readonly limit?: number
}

export class RecentStreams {
  readonly #isPublished: (stream: Stream) => boolean
  readonly #limit: number
  /** By checkout, the one that was kept last at the end. */
  readonly #streams = new Map<string, Stream>()

  constructor({ isPublished, limit = 500 }: RecentStreamsOptions) {
    this.#isPublished = isPublished
    this.#limit = limit
  }

  find(checkoutId: string): Stream | undefined {
    return this.#streams.get(checkoutId)
  }

  /** Keeps a stream as it was read. */
  keep(checkoutId: string, stream: Stream): void {
    if (stream.version < (this.find(checkoutId)?.version ?? 1) || !this.#isPublished(stream)) return
    this.#streams.delete(checkoutId)
    this.#streams.set(checkoutId, stream)
    if (this.#streams.size <= this.#limit) return
    const [oldest] = this.#streams.keys().take(1)
    if (oldest !== undefined) this.#streams.delete(oldest)
  }

  /** Keeps a stream with the commit that was appended to it, all of it published since. */
  keepPublished(stream: Stream, commit: Commit): void {
    this.keep(commit.checkoutId, {
      version: commit.version,
      commits: [...stream.commits, commit].map((each) => ({ ...each, published: true })),
      events: [...stream.events, ...commit.events],
    })
  }
}
