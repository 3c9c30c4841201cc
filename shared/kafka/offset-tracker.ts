/**
 * How far each partition has been handled, where its messages are handled side by side: up to the first that is not
 * done. A commit of offsets takes this low watermark, so none is ever ahead of what is done.
 */

export interface NextOffset {
  readonly topic: string
  readonly partition: number
  /** Of the next message to read. */
  readonly offset: string
}

interface Progress {
  readonly topic: string
  readonly partition: number
  /** In the order in which they came, which is that of their offsets. */
  readonly inHand: Set<bigint>
  /** All before this one has come. */
  next: bigint
  /** What was taken last; to begin with, the first that came. */
  taken: bigint
}

export class OffsetTracker {
  readonly #partitions = new Map<string, Progress>()

  /** A message has come. @returns what to call when it is done; after `clear` it does nothing */
  began(topic: string, partition: number, offset: string): () => void {
    const position = BigInt(offset)
    const progress = this.#progressOf(topic, partition, position)
    progress.inHand.add(position)
    if (position >= progress.next) progress.next = position + 1n
    return () => progress.inHand.delete(position)
  }

  /** All up to this offset has come, also what no handler sees: marks of transactions, what was compacted away. */
  passed(topic: string, partition: number, offset: string): void {
    const next = BigInt(offset) + 1n
    const progress = this.#progressOf(topic, partition, next - 1n)
    if (next > progress.next) progress.next = next
  }

  /** What has to be committed: the partitions that have got further since it was asked last. */
  take(): NextOffset[] {
    const batch: NextOffset[] = []
    for (const progress of this.#partitions.values()) {
      const [oldest] = progress.inHand
      const offset = oldest ?? progress.next
      if (offset <= progress.taken) continue
      progress.taken = offset
      batch.push({ topic: progress.topic, partition: progress.partition, offset: offset.toString() })
    }
    return batch
  }

  /** What `take` gave could not be committed: it is given again. */
  notCommitted(batch: readonly NextOffset[]): void {
    for (const { topic, partition, offset } of batch) {
      const progress = this.#partitions.get(`${topic}/${partition}`)
      // Not where the partitions have been divided anew meanwhile, or another commit is ahead.
      if (progress?.taken === BigInt(offset)) progress.taken -= 1n
    }
  }

  /** The partitions are divided anew: what is in hand counts no more. */
  clear(): void {
    this.#partitions.clear()
  }

  #progressOf(topic: string, partition: number, first: bigint): Progress {
    const key = `${topic}/${partition}`
    const known = this.#partitions.get(key)
    if (known) return known
    const progress: Progress = { topic, partition, inHand: new Set(), next: first, taken: first }
    this.#partitions.set(key, progress)
    return progress
  }
}
