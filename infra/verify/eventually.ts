/** Polls until something is there; the only way that tests and tools wait. */
import { setTimeout as delay } from 'node:timers/promises'

export interface EventuallyOptions {
  readonly deadlineMillis?: number
  readonly intervalMillis?: number
}

export class NotInTime extends Error {
  readonly code = 'not_in_time'
}

/**
 * Asks again and again until the probe gives a value other than undefined.
 * @param label what is waited for, in the error's words
 * @throws NotInTime with what the probe threw last, if anything
 */
export async function eventually<T>(
  label: string,
  probe: () => Promise<T | undefined>,
  { deadlineMillis = 30_000, intervalMillis = 100 }: EventuallyOptions = {},
): Promise<T> {
  const deadline = Date.now() + deadlineMillis
  let lastError: unknown
  for (;;) {
    try {
      const value = await probe()
      if (value !== undefined) return value
      lastError = undefined
    } catch (error) {
      lastError = error
    }
    if (Date.now() >= deadline) {
      const because = lastError instanceof Error ? `: ${lastError.message}` : ''
      throw new NotInTime(`${label}: not within ${deadlineMillis} ms${because}`, { cause: lastError })
    }
    await delay(intervalMillis)
  }
}
