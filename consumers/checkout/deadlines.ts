/**
 * The clock of the saga: remembers by when each checkout should have ended, and asks when it has not.
 *
 * A deadline is only a reminder; the checkout's stream decides. So an entry met twice, or by two processes at once,
 * does no harm: the answer is nothing, or given once. An entry stays until it is due, also when its checkout has
 * ended long before: taking it out at the end would cost every checkout a delete, to save a look at its stream.
 */
import type { Collection, Db } from 'mongodb'
import { isDuplicateKey } from '../../shared/kernel/duplicate-key.ts'
import type { TraceHeaders } from '../../shared/kernel/event-store.ts'

export interface Deadline {
  /** The checkout's id. */
  readonly _id: string
  readonly dueAt: Date
  readonly traceHeaders: TraceHeaders
}

/** How many are looked at together. */
export const dueLimit = 100

export class Deadlines {
  readonly #deadlines: Collection<Deadline>

  constructor(database: Db) {
    this.#deadlines = database.collection<Deadline>('deadlines')
  }

  async prepare(): Promise<void> {
    await this.#deadlines.createIndex({ dueAt: 1 })
  }

  async set(checkoutId: string, dueAt: Date, traceHeaders: TraceHeaders): Promise<void> {
    try {
      await this.#deadlines.insertOne({ _id: checkoutId, dueAt, traceHeaders })
    } catch (error) {
      if (!isDuplicateKey(error)) throw error
    }
  }

  /** Forgets what has been dealt with. */
  async clear(checkoutIds: readonly string[]): Promise<void> {
    await this.#deadlines.deleteMany({ _id: { $in: [...checkoutIds] } })
  }

  /** At most a hundred deadlines that have passed, the oldest first. */
  due(now: Date): Promise<Deadline[]> {
    return this.#deadlines
      .find({ dueAt: { $lte: now } })
      .sort({ dueAt: 1 })
      .limit(dueLimit)
      .toArray()
  }
}
