/** Keeps the services running, as an orchestrator would: what has ended is started again, what hangs is ended. */
import { setTimeout as delay } from 'node:timers/promises'
import type { ServiceName, Services } from '../native/services.ts'
import { ServiceProcess } from './service-process.ts'

export interface SupervisorOptions {
  /** Before a start that follows an end; doubled each time that one follows another at once. */
  readonly restartDelayMillis?: number
  /**
   * A service that answers no liveness probe for so long is ended. One that answers and is not ready is left alone: it
   * waits for a server, or is to find out by itself that it hangs.
   */
  readonly livenessMillis?: number
  /** A service ended although nobody had killed it, or had to be ended because it hung. */
  readonly onEnd: (name: ServiceName, how: string) => void
}

/** One that lived for less is started again later. */
const soundMillis = 10_000
const longestDelayMillis = 8_000
const pollMillis = 200
/** From one liveness probe to the next. */
const longestLookMillis = 1_000

export class Supervisor {
  readonly #services: Services
  readonly #options: SupervisorOptions
  readonly #processes: ReadonlyMap<ServiceName, ServiceProcess>
  readonly #frozen = new Set<ServiceName>()
  readonly #killed = new Set<ServiceName>()
  readonly #stopping = new AbortController()
  readonly #running: Promise<void>[] = []

  constructor(services: Services, options: SupervisorOptions) {
    this.#services = services
    this.#options = options
    this.#processes = new Map(services.names.map((name) => [name, new ServiceProcess(services, name)]))
  }

  /** Starts everything. @throws NotInTime */
  async start(): Promise<void> {
    for (const process of this.#processes.values())
      this.#running.push(this.#keep(process), this.#watch(process))
    await Promise.all(this.#services.names.map((name) => this.untilReady(name)))
  }

  /** SIGKILL; nothing where it has just ended by itself. */
  async kill(name: ServiceName): Promise<void> {
    const { life } = this.#process(name)
    if (life?.running !== true) return
    this.#killed.add(name)
    await life.kill()
  }

  freeze(name: ServiceName): void {
    this.#frozen.add(name)
    this.#process(name).life?.freeze()
  }

  thaw(name: ServiceName): void {
    this.#process(name).life?.thaw()
    this.#frozen.delete(name)
  }

  /** Waits for it, through as many lives as it takes; gives up silently when everything is being stopped. */
  async untilReady(name: ServiceName): Promise<void> {
    while (!this.#isStopping() && !(await this.#isReady(name))) await this.#pause(pollMillis)
  }

  /** Drains all. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all([...this.#processes.values()].map((process) => process.stop()))
    await Promise.all(this.#running)
  }

  async #keep(process: ServiceProcess): Promise<void> {
    const { restartDelayMillis = 500, onEnd } = this.#options
    let waitMillis = restartDelayMillis
    while (!this.#isStopping()) {
      const startedAt = performance.now()
      const how = await process.start().ended
      if (this.#isStopping()) return
      if (!this.#killed.delete(process.name)) onEnd(process.name, how)
      const lived = performance.now() - startedAt
      waitMillis = lived > soundMillis ? restartDelayMillis : Math.min(longestDelayMillis, waitMillis * 2)
      await this.#pause(waitMillis)
    }
  }

  async #watch(process: ServiceProcess): Promise<void> {
    const { livenessMillis = 60_000, onEnd } = this.#options
    let aliveAt = performance.now()
    while (!this.#isStopping()) {
      await this.#pause(Math.min(longestLookMillis, livenessMillis / 4))
      if (this.#frozen.has(process.name) || (await this.#services.isAlive(process.name)))
        aliveAt = performance.now()
      if (performance.now() - aliveAt < livenessMillis) continue
      onEnd(process.name, `no answer for ${livenessMillis / 1_000} s`)
      aliveAt = performance.now()
      await this.kill(process.name)
    }
  }

  // A call, because a property would be taken for unchanged after an await.
  #isStopping(): boolean {
    return this.#stopping.signal.aborted
  }

  async #isReady(name: ServiceName): Promise<boolean> {
    return this.#process(name).life?.running === true && (await this.#services.server(name).healthy())
  }

  #process(name: ServiceName): ServiceProcess {
    const process = this.#processes.get(name)
    if (!process) throw new Error(`there is no service ${name}`)
    return process
  }

  async #pause(millis: number): Promise<void> {
    await delay(millis, undefined, { signal: this.#stopping.signal }).catch(() => undefined)
  }
}
