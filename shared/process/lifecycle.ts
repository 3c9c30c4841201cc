/** How a process ends: drained on SIGTERM and SIGINT, within a bound; at once on a second signal. */
import { stopTelemetry } from '../telemetry/flush.ts'
import type { Logger } from '../telemetry/logger.ts'
import { createLogger } from '../telemetry/logger.ts'
import type { Config } from './config.ts'
import { BadConfiguration, readConfig } from './config.ts'
import { within } from './deadline.ts'

export interface Lifecycle {
  /** Aborted when the process starts to drain. */
  readonly signal: AbortSignal
  /**
   * What to do before the process ends; the last added is done first.
   * @param deadlineMillis after which the next step is taken all the same
   */
  onStop(step: () => Promise<void> | void, deadlineMillis?: number): void
  /** Ends the process with exit code 1, drained as far as it goes; an orchestrator starts a new one. */
  fail(error: unknown): void
}

/** For all steps together. Kubernetes kills after 30 s, Docker after 10 s unless told otherwise. */
const drainDeadlineMillis = 20_000
/** Short enough that all steps of a service, its consumer's and the flush of telemetry included, end before that. */
const stepDeadlineMillis = 2_500

export interface Process {
  readonly name: string
  readonly config: Config
  readonly log: Logger
  readonly lifecycle: Lifecycle
}

/** Reads the configuration and starts; what fails on the way is logged and ends the process. */
export async function startProcess(name: string, start: (process: Process) => Promise<void>): Promise<void> {
  const config = configOrExit(name)
  const log = createLogger(name, config.LOG_LEVEL)
  const lifecycle = startLifecycle(log)
  try {
    await start({ name, config, log, lifecycle })
    log.info({ 'event.name': 'process.started' }, 'started')
  } catch (error) {
    if (!lifecycle.signal.aborted) lifecycle.fail(error)
  }
}

function configOrExit(name: string): Config {
  try {
    return readConfig()
  } catch (error) {
    if (!(error instanceof BadConfiguration)) throw error
    console.error(`${name} does not start:\n${error.message}`)
    process.exit(1)
  }
}

function startLifecycle(log: Logger): Lifecycle {
  const steps: (() => Promise<void>)[] = []
  const stopping = new AbortController()

  const stop = async (exitCode: number, why: string): Promise<void> => {
    if (stopping.signal.aborted) return
    log.info({ 'event.name': 'process.stopping' }, `stopping: ${why}`)
    stopping.abort()
    setTimeout(() => {
      log.error({ 'event.name': 'process.stop_timed_out' }, `not drained after ${drainDeadlineMillis} ms`)
      process.exit(1)
    }, drainDeadlineMillis).unref()
    for (const step of steps.reverse()) {
      try {
        await step()
      } catch (error) {
        log.warn({ 'event.name': 'process.stop_step_failed', err: error }, 'a step of stopping failed')
      }
    }
    log.info({ 'event.name': 'process.stopped' }, 'stopped')
    await stopTelemetry()
    process.exit(exitCode)
  }

  for (const name of ['SIGTERM', 'SIGINT'] as const) {
    process.on(name, () => {
      if (stopping.signal.aborted) process.exit(130)
      void stop(0, name)
    })
  }
  const fail = (error: unknown): void => {
    log.fatal({ 'event.name': 'process.failed', err: error }, 'failed')
    void stop(1, 'after a failure')
  }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)

  const onStop: Lifecycle['onStop'] = (step, deadlineMillis = stepDeadlineMillis) => {
    steps.push(() => within(deadlineMillis, 'a step of stopping', Promise.resolve().then(step)))
  }

  return { signal: stopping.signal, onStop, fail }
}
