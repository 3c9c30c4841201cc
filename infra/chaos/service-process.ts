/**
 * A service that is expected to die: started, watched until it ends, and started again, perhaps with another
 * environment. Shared by the runners of this folder: crash-points.ts, whose services kill themselves, and the chaos,
 * which kills and freezes them. (`Services.up` takes every death for a failure.)
 */
import { eventually } from '../verify/eventually.ts'
import type { ChildProcess } from '../native/child-process.ts'
import { startProcess } from '../native/child-process.ts'
import type { ServiceName, Services } from '../native/services.ts'

/** One life of a service, from its start to its end. */
export interface Life extends ChildProcess {
  /** What this life adds to the environment. */
  readonly environment: NodeJS.ProcessEnv
}

export class ServiceProcess {
  readonly name: ServiceName
  readonly #services: Services
  #life: Life | undefined

  constructor(services: Services, name: ServiceName) {
    this.#services = services
    this.name = name
  }

  /** The life that began last, over or not. */
  get life(): Life | undefined {
    return this.#life
  }

  /**
   * Starts it and does not wait: it may die before it is ready.
   * @throws Error when it still runs
   */
  start(environment: NodeJS.ProcessEnv = {}): Life {
    if (this.#life?.running === true) throw new Error(`${this.name} still runs`)
    const child = startProcess(this.#services.command(this.name, environment))
    // A child's `running` changes, so it must stay a getter.
    this.#life = Object.defineProperties({ environment } as Life, Object.getOwnPropertyDescriptors(child))
    return this.#life
  }

  /** @throws NotInTime; Error when it ends before */
  async untilReady(deadlineMillis = 60_000): Promise<void> {
    await eventually(
      `${this.name} is ready`,
      async () => {
        if (this.#life?.running !== true) return 'ended' as const
        return (await this.#services.server(this.name).healthy()) ? ('ready' as const) : undefined
      },
      { deadlineMillis, intervalMillis: 20 },
    ).then(async (state) => {
      if (state === 'ended') throw new Error(`${this.name} ended at start: ${await this.#life?.ended}`)
    })
  }

  /** Drains it; by force when it has not ended by the deadline. */
  async stop(deadlineMillis = 15_000): Promise<void> {
    await this.#life?.stop(deadlineMillis)
  }

  /** Ends it by SIGKILL. */
  async kill(): Promise<void> {
    await this.#life?.kill()
  }
}
