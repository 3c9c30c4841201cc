import { writeSync } from 'node:fs'
import { inspect } from 'node:util'
import { killAllChildren } from './child-process.ts'

/** What `main` hands back: how to stop what it started. */
export type Stop = () => Promise<void>

const signalNumbers = { SIGHUP: 1, SIGINT: 2, SIGTERM: 15 } as const

/**
 * Runs a program that starts servers, and makes sure that they end with it: on a signal, on a failure, on
 * an error that nobody caught. A second signal ends them by force. Exits with 128 + the signal's number, as
 * shells expect, or with 1 after a failure.
 *
 * @param main does its work, and rejects when it fails; it registers by `onStop`, as early as it can, what
 *   has to be stopped. When it resolves, the program ends.
 */
export async function runUntilStopped(main: (onStop: (stop: Stop) => void) => Promise<void>): Promise<never> {
  const stops: Stop[] = []
  let stopping = false
  const isStopping = () => stopping // for after an await, when a signal may have come

  const stopAndExit = async (exitCode: number): Promise<never> => {
    if (stopping) {
      killAllChildren()
      process.exit(exitCode)
    }
    stopping = true
    for (const stop of stops.reverse()) {
      await stop().catch((error: unknown) => say(inspect(error)))
    }
    process.exit(exitCode)
  }

  for (const [signal, number] of Object.entries(signalNumbers)) {
    process.on(signal, () => {
      say(stopping ? 'Ending by force.' : `${signal}: stopping. Once more ends by force.`)
      void stopAndExit(128 + number)
    })
  }
  const onCrash = (error: unknown) => {
    say(inspect(error))
    void stopAndExit(1)
  }
  process.on('uncaughtException', onCrash)
  process.on('unhandledRejection', onCrash)

  try {
    await main((stop) => stops.push(stop))
  } catch (error) {
    // After a signal, what was interrupted fails; that is no news.
    if (isStopping()) return await new Promise<never>(() => undefined)
    say(error instanceof Error ? error.message : inspect(error))
    return await stopAndExit(1)
  }
  return await stopAndExit(0)
}

/** Writes past the live task list, which holds back what goes through the streams, and shows the cursor again. */
function say(text: string): void {
  const showCursor = process.stderr.isTTY ? '\u001b[?25h' : ''
  writeSync(process.stderr.fd, `${showCursor}${text}\n`)
}
