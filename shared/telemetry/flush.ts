/** Sends what is left of the telemetry when a process ends, within a bound: NodeSDK handles no signals. */
import { setTimeout as delay } from 'node:timers/promises'

let shutdown: () => Promise<void> = () => Promise.resolve()

export function installTelemetryShutdown(stop: () => Promise<void>): void {
  shutdown = stop
}

/** Flushes and stops telemetry; never throws and never takes longer than the deadline. */
export async function stopTelemetry(deadlineMillis = 3_000): Promise<void> {
  const timer = new AbortController()
  const flushed = Promise.resolve()
    .then(() => shutdown())
    .catch(() => undefined) // telemetry that cannot be sent must not keep a process from ending well
    .finally(() => timer.abort())
  await Promise.race([
    flushed,
    delay(deadlineMillis, undefined, { signal: timer.signal }).catch(() => undefined),
  ])
}
