/**
 * The clock of the saga: remembers by when each checkout should have ended, and says when it has not.
 *
 * The process that hears of a checkout keeps its deadline in memory until the checkout has ended, so that most
 * deadlines cost nothing when they pass. What it would forget by dying is in the store: one document for all deadlines
 * that were entered in one interval, `_id = "<writer>/<n>"`, n counting from 1 without a gap. Whoever finds the writer
 * dead reads its documents by their ids, from the first that may still be needed, and takes the deadlines over.
 *
 * A deadline is only a reminder; the checkout's stream decides. So one met twice, or by two processes at once,
 * does no harm.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Collection, Db } from 'mongodb'
import type { TraceHeaders } from '../../shared/kernel/event-store.ts'
import { isDuplicateKey } from '../../shared/kernel/store-errors.ts'
import { untraced } from '../../shared/telemetry/untraced.ts'

export interface Deadline {
  readonly checkoutId: string
  readonly dueAt: Date
  readonly traceHeaders: TraceHeaders
}

interface DeadlineDocument {
  /** `<writer>/<n>` */
  readonly _id: string
  readonly deadlines: readonly Deadline[]
}

/** A document, and the checkouts in it that are still to be dealt with. */
interface Bucket {
  readonly number: number
  readonly open: Set<string>
  /** Until then more may come into it, and there is nothing to clear. */
  isWritten: boolean
}

/** Deadlines that are written together. */
interface Gathered {
  readonly deadlines: Deadline[]
  readonly bucket: Bucket
  readonly written: Promise<void>
}

interface Pending extends Deadline {
  readonly bucket: Bucket
}

export interface DeadlinesOptions {
  /** How long deadlines are gathered before they are written. */
  readonly intervalMillis?: number
  readonly onFailure?: (error: unknown) => void
}

const retryPauseMillis = 500

export class Deadlines {
  readonly #documents: Collection<DeadlineDocument>
  readonly #writer: string
  readonly #options: DeadlinesOptions
  /** By checkout. */
  readonly #pending = new Map<string, Pending>()
  /** Of this writer: those that are written, or about to be, and not all dealt with; the first first. */
  #buckets: Bucket[] = []
  readonly #adopted = new Map<string, Bucket[]>()
  #nextNumber = 1
  /** What is written next. */
  #gathered: Gathered | undefined
  #writing: Promise<unknown> = Promise.resolve()
  readonly #stopping = new AbortController()

  /** @param writer whose documents are written here */
  constructor(database: Db, writer: string, options: DeadlinesOptions = {}) {
    this.#documents = database.collection<DeadlineDocument>('deadlines')
    this.#writer = writer
    this.#options = options
  }

  /** The number of the first document of this writer that is still needed. */
  get from(): number {
    this.#buckets = this.#buckets.filter(({ open, isWritten }) => open.size > 0 || !isWritten)
    return this.#buckets[0]?.number ?? this.#nextNumber
  }

  /** @returns when it is in the store, an interval later; rejects only when the process stops before that */
  enter(deadline: Deadline): Promise<void> {
    const { checkoutId } = deadline
    this.#gathered ??= this.#startGathering()
    const { deadlines, bucket, written } = this.#gathered
    if (!this.#pending.has(checkoutId)) {
      deadlines.push(deadline)
      bucket.open.add(checkoutId)
      this.#pending.set(checkoutId, { ...deadline, bucket })
    }
    return written
  }

  /** The checkout has ended, or is dealt with: nothing of it needs to be remembered. */
  settle(checkoutId: string): void {
    this.#pending.get(checkoutId)?.bucket.open.delete(checkoutId)
    this.#pending.delete(checkoutId)
  }

  /** Those that have passed and are not settled. */
  due(now: Date): readonly Deadline[] {
    return [...this.#pending.values()].filter(({ dueAt }) => dueAt <= now)
  }

  /** Writes what was gathered. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await this.#gathered?.written.catch(() => undefined)
    await this.#writing
  }

  #startGathering(): Gathered {
    const bucket: Bucket = { number: this.#nextNumber++, open: new Set(), isWritten: false }
    this.#buckets.push(bucket)
    const deadlines: Deadline[] = []
    const { intervalMillis = 1_000 } = this.#options
    const { signal } = this.#stopping
    const written = delay(intervalMillis, undefined, { signal })
      .catch(() => undefined)
      .then(async () => {
        const before = this.#writing
        this.#gathered = undefined
        const writing = before.then(() =>
          this.#insert({ _id: `${this.#writer}/${bucket.number}`, deadlines }),
        )
        this.#writing = writing.catch(() => undefined)
        await writing
        bucket.isWritten = true
      })
    written.catch(() => undefined) // those who wait hear of it
    return { deadlines, bucket, written }
  }

  /** Until it is in the store: a gap would hide what comes after it. */
  async #insert(document: DeadlineDocument): Promise<void> {
    for (;;) {
      try {
        await untraced(() => this.#documents.insertOne(document))
        return
      } catch (error) {
        if (isDuplicateKey(error)) return // it got there at an attempt that said otherwise
        this.#options.onFailure?.(error)
        if (this.#stopping.signal.aborted) throw error
        await delay(retryPauseMillis, undefined, { ref: false })
      }
    }
  }

  /**
   * Takes over what a dead writer has left.
   * @param from the number of its first document that may be needed
   */
  async adopt(writer: string, from: number): Promise<void> {
    const buckets: Bucket[] = []
    for (let number = from; ; number++) {
      const document = await untraced(() => this.#documents.findOne({ _id: `${writer}/${number}` }))
      if (!document) break
      const bucket: Bucket = { number, open: new Set(), isWritten: true }
      buckets.push(bucket)
      for (const deadline of document.deadlines) {
        const { checkoutId } = deadline
        if (this.#pending.has(checkoutId)) continue
        bucket.open.add(checkoutId)
        this.#pending.set(checkoutId, { ...deadline, bucket })
      }
    }
    this.#adopted.set(writer, buckets)
  }

  /** True when nothing is left of what was taken over from a writer. */
  isDone(writer: string): boolean {
    return (this.#adopted.get(writer) ?? []).every(({ open }) => open.size === 0)
  }

  async clearAdopted(writer: string): Promise<void> {
    for (const { number } of this.#adopted.get(writer) ?? []) await this.clear(writer, number, number + 1)
    this.#adopted.delete(writer)
  }

  /** Deletes documents of a writer that nobody needs any more, from one number to before another. */
  async clear(writer: string, from: number, before: number): Promise<void> {
    for (let number = from; number < before; number++) {
      await untraced(() => this.#documents.deleteOne({ _id: `${writer}/${number}` }))
    }
  }
}
