/**
 * Arrivals at a steady rate, whatever becomes of them: nobody waits for an answer before the next one is sent, and
 * latency counts from when an arrival was due. A closed loop would slow down with the system that it measures.
 */
import { setTimeout as delay } from 'node:timers/promises'

export interface OpenLoopOptions {
  readonly ratePerSecond: number
  readonly total: number
  /** Ends the arrivals early; those under way are waited for. */
  readonly signal?: AbortSignal
}

/** `dueAt` is by `performance.now()`; where the process was late it lies in the past. */
export type Arrival = (index: number, dueAt: number) => Promise<void>

/**
 * @returns how many arrived, after the last of them has settled
 * @throws what the first failed arrival threw; the others are waited for all the same
 */
export async function openLoop(options: OpenLoopOptions, arrival: Arrival): Promise<number> {
  const { ratePerSecond, total, signal } = options
  const startedAt = performance.now()
  const underWay: Promise<void>[] = []
  for (let index = 0; index < total && !signal?.aborted; index++) {
    const dueAt = startedAt + (index * 1_000) / ratePerSecond
    const waitMillis = dueAt - performance.now()
    if (waitMillis > 0) await delay(waitMillis, undefined, { signal }).catch(() => undefined)
    if (signal?.aborted) break
    const arriving = arrival(index, dueAt)
    arriving.catch(() => undefined) // looked at below, when all have arrived
    underWay.push(arriving)
  }
  await Promise.allSettled(underWay)
  await Promise.all(underWay)
  return underWay.length
}
