import { existsSync, readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { startProcess, type ChildProcess, type Command } from './child-process.ts'
import { lastLines } from './last-lines.ts'

/** A server as a resource. */
export interface Server {
  readonly name: string
  /** Starts it and waits until it is healthy. Rejects with a {@link ServerFailure}. Idempotent. */
  up(): Promise<void>
  /** Stops it; data and port stay, so that `up` goes on where it was. Idempotent. */
  down(): Promise<void>
  /** Ends it as a crash would. Data and port stay. */
  kill(): Promise<void>
  /** Stops it where it is, by SIGSTOP: its port still takes connections, and nothing is answered. */
  freeze(): void
  /** Lets it go on. */
  thaw(): void
  /** Whether it answers right now. Never rejects. */
  healthy(): Promise<boolean>
}

/** What has to be known to run one server. */
export interface ServerDefinition {
  name: string
  /** Writes configuration and data folders. Called before the first start only. */
  prepare?(): Promise<void>
  command(): Command
  /** Asks the server; may reject, which counts as no. */
  isHealthy(): Promise<boolean>
  /** Runs after every start, once healthy and before `up` resolves. */
  afterStart?(): Promise<void>
}

/** A server did not come up, or ended although nobody asked it to. The message ends with its log's last lines. */
export class ServerFailure extends Error {
  override name = 'ServerFailure'
  readonly server: string

  constructor(server: string, what: string, logFile: string) {
    const log = existsSync(logFile) ? lastLines(readFileSync(logFile, 'utf8')) : ''
    super(`${server} ${what}. Its log, ${logFile}, ends with:\n${log}`)
    this.server = server
  }
}

const startDeadlineMillis = 90_000
const stopDeadlineMillis = 15_000
const pollMillis = 50

/** @param onDeath called when the server ends by itself after it was up */
export function createServer(
  definition: ServerDefinition,
  onDeath: (failure: ServerFailure) => void,
): Server {
  const { name } = definition
  let prepared: Promise<void> | undefined
  let child: ChildProcess | undefined
  let wanted = false
  let logFile = ''

  const healthy = () => definition.isHealthy().catch(() => false)

  const waitUntilHealthy = async (started: ChildProcess) => {
    const deadline = Date.now() + startDeadlineMillis
    while (!(await healthy())) {
      if (!started.running) throw new ServerFailure(name, `ended at start (${await started.ended})`, logFile)
      if (Date.now() > deadline) {
        throw new ServerFailure(name, `was not healthy within ${startDeadlineMillis / 1_000} s`, logFile)
      }
      await delay(pollMillis)
    }
    // Something answers; it must be the process that was started and not another one on its port.
    if (!started.running) throw new ServerFailure(name, `ended at start (${await started.ended})`, logFile)
  }

  // Asked through a function because `down` may have changed it during an await.
  const isWanted = () => wanted

  const take = () => {
    wanted = false
    const taken = child
    child = undefined
    return taken
  }

  return {
    name,
    healthy,
    async up() {
      if (wanted) return
      wanted = true
      prepared ??= definition.prepare?.() ?? Promise.resolve()
      await prepared
      if (!isWanted()) return
      const command = definition.command()
      logFile = command.logFile
      const started = startProcess(command)
      child = started
      try {
        await waitUntilHealthy(started)
        await definition.afterStart?.()
      } catch (error) {
        if (child === started) take()
        await started.kill()
        throw error
      }
      void started.ended.then((outcome) => {
        if (child === started) onDeath(new ServerFailure(name, `ended by itself (${outcome})`, logFile))
      })
    },
    async down() {
      await take()?.stop(stopDeadlineMillis)
    },
    async kill() {
      await take()?.kill()
    },
    freeze: () => child?.freeze(),
    thaw: () => child?.thaw(),
  }
}
