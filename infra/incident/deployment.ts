/** The services of an incident: each can be replaced by another release of it, or by the same one in another place. */
import { startProcess } from '../native/child-process.ts'
import type { ChildProcess } from '../native/child-process.ts'
import type { ServiceName, Services } from '../native/services.ts'
import { eventually } from '../verify/eventually.ts'

export interface Release {
  /** Instead of the service's own main, from the repository's root. */
  readonly main?: string
  readonly environment?: NodeJS.ProcessEnv
}

const stopDeadlineMillis = 15_000

export class Deployment {
  readonly #services: Services
  readonly #running = new Map<ServiceName, ChildProcess>()
  readonly #failure = Promise.withResolvers<Error>()
  /** Resolves, never rejects, with the first service that ended by itself. */
  readonly failed: Promise<Error> = this.#failure.promise

  constructor(services: Services) {
    this.#services = services
  }

  async deployAll(): Promise<void> {
    await Promise.all(this.#services.names.map((name) => this.deploy(name)))
  }

  /**
   * Stops what runs of the service, and starts this release of it.
   * @throws NotInTime when it is not ready within a minute; Error when it ends at its start
   */
  async deploy(name: ServiceName, { main, environment = {} }: Release = {}): Promise<void> {
    await this.#stop(name)
    const command = this.#services.command(name, { OTEL_SERVICE_NAME: name, ...environment })
    const args = main === undefined ? command.args : [...command.args.slice(0, -1), main]
    const started = startProcess({ ...command, args })
    this.#running.set(name, started)
    void started.ended.then((how) => {
      if (this.#running.get(name) !== started) return
      this.#failure.resolve(new Error(`${name} ended by itself: ${how}; its log is ${command.logFile}`))
    })
    await eventually(
      `${name} is ready`,
      async () => {
        if (!started.running) throw new Error(`${name} ended at its start: ${await started.ended}`)
        return (await this.#services.server(name).healthy()) || undefined
      },
      { deadlineMillis: 60_000, intervalMillis: 50 },
    )
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running.keys()].map((name) => this.#stop(name)))
  }

  async #stop(name: ServiceName): Promise<void> {
    const running = this.#running.get(name)
    this.#running.delete(name)
    await running?.stop(stopDeadlineMillis)
  }
}
