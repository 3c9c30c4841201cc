/** Remembers how far each partition has been handled, until the next commit of offsets takes it. */
export class OffsetTracker {
  readonly #next = new Map<string, { topic: string; partition: number; offset: string }>()

  /** A partition's messages are handled one after the other, so the last one handled says it all. */
  handled(topic: string, partition: number, offset: string): void {
    this.#next.set(`${topic}/${partition}`, { topic, partition, offset: (BigInt(offset) + 1n).toString() })
  }

  /** What to commit: per partition, the offset of the next message to read. */
  take(): { topic: string; partition: number; offset: string }[] {
    const batch = [...this.#next.values()]
    this.#next.clear()
    return batch
  }

  clear(): void {
    this.#next.clear()
  }
}
