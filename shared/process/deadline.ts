/** Waiting with an end: for what may hang, and must not take the process with it. */
export class DeadlineExceeded extends Error {
  readonly code = 'deadline_exceeded'
  /** Whoever did not answer may answer the next time. */
  readonly retriable = true
  constructor(what: string, millis: number) {
    super(`${what}: not within ${millis} ms`)
    this.name = 'DeadlineExceeded'
  }
}

/**
 * What the work gives, unless it takes too long; then it goes on unheard.
 * @param what for the error's words
 * @throws DeadlineExceeded
 */
export async function within<T>(millis: number, what: string, work: PromiseLike<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const deadline = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(new DeadlineExceeded(what, millis)), millis)
  })
  try {
    return await Promise.race([work, deadline])
  } finally {
    clearTimeout(timer)
  }
}
