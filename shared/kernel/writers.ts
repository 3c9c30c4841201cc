/**
 * Who wrote a commit, and how far a writer's commits are on their topics.
 *
 * A writer is one life of one process. It numbers its commits, and keeps one small document: up to which number all of
 * them are published (its watermark), and a count that it raises as a sign of life. So no commit needs a mark of its
 * own, and what a process leaves behind when it dies lies above its watermark: see producers/outbox.
 */
import { randomUUID } from 'node:crypto'
import type { Collection, Db } from 'mongodb'

export interface WriterDocument {
  readonly _id: string
  /** The process, for people. */
  readonly process: string
  /** All commits up to this number are on their topics, or will never be in the store. */
  readonly publishedTo: number
  /** Grows with each sign of life. */
  readonly beat: number
  readonly at: Date
  /** The first deadline document of this writer that may still be needed; see consumers/checkout/deadlines.ts. */
  readonly deadlinesFrom?: number
  /** The beat after which somebody has published all that this writer had left. */
  readonly recoveredAtBeat?: number
  /** Set by whoever has dealt with the deadlines that it had left. */
  readonly deadlinesAreDone?: boolean
}

/** One life of one process, as far as its own memory goes. */
export class Writer {
  readonly id: string
  readonly process: string
  #last = 0
  /** In the order of their numbers. */
  readonly #pending = new Set<number>()
  #confirm: () => Promise<void> = () => Promise.resolve()

  constructor(process = 'unnamed', id: string = randomUUID()) {
    this.process = process
    this.id = id
  }

  /** The number of the next commit, pending from now on. */
  begin(): number {
    this.#last += 1
    this.#pending.add(this.#last)
    return this.#last
  }

  /** It is published, or will never be in the store. */
  settle(seq: number): void {
    this.#pending.delete(seq)
  }

  isSettled(seq: number): boolean {
    return seq <= this.#last && !this.#pending.has(seq)
  }

  get hasNothingPending(): boolean {
    return this.#pending.size === 0
  }

  get publishedTo(): number {
    const [oldest] = this.#pending
    return oldest === undefined ? this.#last : oldest - 1
  }

  /** @param confirm resolves when the writer is known to be alive to others */
  keptAliveBy(confirm: () => Promise<void>): void {
    this.#confirm = confirm
  }

  /**
   * After an insert: a process that stood still may have been taken for dead, and what it inserts then is looked for by
   * nobody. So it shows life before anybody is told of the commit.
   */
  confirm(): Promise<void> {
    return this.#confirm()
  }
}

/** The documents of a service's writers. Few: one for each life of each process, and forgotten after a while. */
export class Writers {
  readonly #writers: Collection<WriterDocument>

  constructor(database: Db) {
    this.#writers = database.collection<WriterDocument>('writers')
  }

  /** Only the writer itself writes its watermark while it lives, so nothing can be lost between a read and a write. */
  async renew(document: WriterDocument): Promise<void> {
    const { _id, ...fields } = document
    await this.#writers.replaceOne({ _id }, fields, { upsert: true })
  }

  all(): Promise<WriterDocument[]> {
    return this.#writers.find({}).toArray()
  }

  /**
   * All that was found of a dead writer is published. Nothing happens when it has shown life since. Its watermark stays:
   * should it only stand still, an insert that it has begun may yet come, below the last that was found.
   */
  async markRecovered({ _id, beat }: WriterDocument): Promise<void> {
    await this.#writers.updateOne({ _id, beat }, { $set: { recoveredAtBeat: beat } })
  }

  async markDeadlinesDone({ _id, beat }: WriterDocument): Promise<void> {
    await this.#writers.updateOne({ _id, beat }, { $set: { deadlinesAreDone: true } })
  }

  async forget({ _id, beat }: WriterDocument): Promise<void> {
    await this.#writers.deleteOne({ _id, beat })
  }
}
