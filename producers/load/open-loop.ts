/**
 * Arrivals at their times, whatever becomes of them: nobody waits for an answer before the next one is sent, and
 * latency counts from when an arrival was due. A closed loop would slow down with the system that it measures.
 */
import { setImmediate as yieldToOthers, setTimeout as delay } from 'node:timers/promises'

export interface OpenLoopOptions {
  readonly ratePerSecond: number
  readonly total: number
  /** Ends the arrivals early; those under way are waited for. */
  readonly signal?: AbortSignal
}

/** `dueAt` is by `performance.now()`; where the process was late it lies in the past. */
export type Arrival = (index: number, dueAt: number) => Promise<void>

/**
 * Arrivals at a steady rate.
 * @returns how many arrived, after the last of them has settled
 * @throws what the first failed arrival threw; the others are waited for all the same
 */
export const openLoop = ({ ratePerSecond, total, signal }: OpenLoopOptions, arrival: Arrival) =>
  arriveAt(steady(ratePerSecond, total), arrival, { ...(signal && { signal }) })

function* steady(ratePerSecond: number, total: number): Generator<number> {
  for (let index = 0; index < total; index++) yield (index * 1_000) / ratePerSecond
}

/** Who is behind sends what is overdue, but answers have to be read meanwhile. */
const longestBurstMillis = 5

export interface ArriveOptions {
  /** By `performance.now()`; now unless told. */
  readonly startedAt?: number
  /** Ends the arrivals early; those under way are waited for. */
  readonly signal?: AbortSignal
}

/**
 * Arrivals at given times.
 * @param dueTimes milliseconds since the start, ascending
 * @returns how many arrived, after the last of them has settled
 * @throws what the first failed arrival threw; the others are waited for all the same
 */
export async function arriveAt(
  dueTimes: Iterable<number>,
  arrival: Arrival,
  { startedAt = performance.now(), signal }: ArriveOptions = {},
): Promise<number> {
  const underWay = new Set<Promise<void>>()
  const failures: unknown[] = []
  let arrived = 0
  let yieldedAt = startedAt
  for (const dueMillis of dueTimes) {
    const dueAt = startedAt + dueMillis
    let waitMillis = dueAt - performance.now()
    if (waitMillis <= 0 && performance.now() - yieldedAt > longestBurstMillis) {
      await yieldToOthers()
      yieldedAt = performance.now()
    }
    for (; waitMillis > 0 && !signal?.aborted; waitMillis = dueAt - performance.now()) {
      // A timer counts whole milliseconds, and may be early by a part of one.
      await delay(Math.ceil(waitMillis), undefined, { signal }).catch(() => undefined)
      yieldedAt = performance.now()
    }
    if (signal?.aborted) break
    const arriving = arrival(arrived, dueAt)
      .catch((error: unknown) => void failures.push(error))
      .finally(() => underWay.delete(arriving))
    underWay.add(arriving)
    arrived += 1
  }
  await Promise.all(underWay)
  if (failures.length > 0) throw failures[0]
  return arrived
}
