/**
 * Messages handled side by side: those with one key one after the other, different keys concurrently, up to a number
 * of messages and bytes. After Confluent's parallel consumer, https://github.com/confluentinc/parallel-consumer
 */

export interface LaneLimits {
  /** Messages begun or waiting for their lane, at most ... */
  readonly messages: number
  /** ... and their bytes. A larger message goes when nothing else is there. */
  readonly bytes: number
}

export class Lanes {
  readonly #limits: LaneLimits
  /** By key, what was entered last. */
  readonly #tails = new Map<string, Promise<void>>()
  readonly #waiting: (() => void)[] = []
  #messages = 0
  #bytes = 0

  constructor(limits: LaneLimits) {
    this.#limits = limits
  }

  /** Nothing more is taken in: what is there has to be handled first. */
  get isFull(): boolean {
    return this.#messages >= this.#limits.messages || this.#bytes >= this.#limits.bytes
  }

  /** One message always has room. */
  hasRoomFor(bytes: number): boolean {
    return this.#messages === 0 || (!this.isFull && this.#bytes + bytes <= this.#limits.bytes)
  }

  /** Resolves when something has ended, or at `wakeUp`. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve))
  }

  /**
   * Starts work in its key's lane, whether there is room or not.
   * @param key undefined: a lane of its own
   * @param work never rejects
   * @returns when it is done
   */
  enter(key: string | undefined, bytes: number, work: () => Promise<void>): Promise<void> {
    this.#messages++
    this.#bytes += bytes
    const before = key === undefined ? undefined : this.#tails.get(key)
    const done = (before ? before.then(work) : work()).finally(() => {
      this.#messages--
      this.#bytes -= bytes
      if (key !== undefined && this.#tails.get(key) === done) this.#tails.delete(key)
      this.wakeUp()
    })
    if (key !== undefined) this.#tails.set(key, done)
    return done
  }

  /** Lets those who wait for a change look again. */
  wakeUp(): void {
    for (const resume of this.#waiting.splice(0)) resume()
  }
}
