import type { Logger } from '../telemetry/logger.ts'
import { isRetriable } from './failure.ts'

export interface Patience {
  readonly log: Logger
  /** Aborted when the process drains: then the last failure is passed on. */
  readonly signal: AbortSignal
}

/**
 * Does what a process cannot begin without, and tries for as long as it takes: services may be started before
 * Kafka is, and ending them would bring it no sooner. What says `retriable` of itself is waited for, no other failure.
 * @param attempt takes its time before it gives up, so that there is no pause between two
 */
export async function retryUntilAvailable<T>(
  { log, signal }: Patience,
  attempt: () => Promise<T>,
): Promise<T> {
  const beganAt = performance.now()
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (isRetriable(error) !== true || signal.aborted) throw error
      const waitedSeconds = Math.round((performance.now() - beganAt) / 1_000)
      log.warn(
        { 'event.name': 'kafka.awaited', err: error, waitedSeconds },
        'waiting for Kafka to start with',
      )
    }
  }
}
