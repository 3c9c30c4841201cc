/**
 * Streams as this process knows them from what it has done itself, so that most messages cost one insert and no read:
 * of a partition's checkouts one process writes nearly all that is written.
 *
 * A stream only grows, so what is remembered is wrong in no other way than that others have gone on since. The insert
 * finds out, because its version is taken then; see react.ts. What is kept is the folded state and not the events:
 * behind a backlog there are tens of thousands of streams between their first message and their second.
 */
import type { Commit } from './event-store.ts'

export interface KnownStream<State> {
  readonly version: number
  readonly state: State
  /** Ids of the messages that the stream is known to have answered. */
  readonly causes: readonly string[]
  /** Commits that were not known to be on their topic when the stream was read, oldest first. */
  readonly unpublished: readonly Commit[]
  /** When the stream's first event was committed, RFC 3339; undefined while it has none. */
  readonly openedAt: string | undefined
}

const defaultLimit = 50_000

export class StreamCache<State> {
  readonly #limit: number
  /** By checkout, the one that was kept last at the end. */
  readonly #streams = new Map<string, KnownStream<State>>()

  /** @param limit of streams; beyond it the one that was kept longest ago is forgotten */
  constructor(limit = defaultLimit) {
    this.#limit = limit
  }

  find(checkoutId: string): KnownStream<State> | undefined {
    return this.#streams.get(checkoutId)
  }

  /** Keeps a stream, unless more of it is known already. */
  keep(checkoutId: string, stream: KnownStream<State>): void {
    if (stream.version < (this.find(checkoutId)?.version ?? 0)) return
    this.#streams.delete(checkoutId)
    this.#streams.set(checkoutId, stream)
    if (this.#streams.size <= this.#limit) return
    const [oldest] = this.#streams.keys()
    if (oldest !== undefined) this.#streams.delete(oldest)
  }
}
