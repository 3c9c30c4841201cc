/** Breaks what the schedule says, and mends it again. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Server } from '../native/server.ts'
import type { FaultProxy, NetworkFault } from './fault-proxy.ts'
import type { Fault, Link, ScheduledFault, ServerTarget } from './fault-schedule.ts'
import type { Supervisor } from './supervisor.ts'

export interface FaultInjectorOptions {
  readonly supervisor: Supervisor
  readonly server: (name: ServerTarget) => Server
  readonly proxies: Readonly<Record<Link, FaultProxy>>
  /** Ends the waiting for a fault's end; everything is mended at once. */
  readonly signal: AbortSignal
}

/** A fault that was injected; times in milliseconds since the epoch. */
export interface InjectedFault {
  readonly fault: Fault
  readonly atMillis: number
  /** When what was broken was whole again: thawed, started and ready, or its network mended. */
  readonly mendedAtMillis: number
}

export class FaultInjector {
  readonly #options: FaultInjectorOptions
  /** One fault at a time for each target; the next waits. */
  readonly #underWay = new Map<string, Promise<unknown>>()

  constructor(options: FaultInjectorOptions) {
    this.#options = options
  }

  /** @param onStart called when the fault begins, which is later than now where the target is still broken */
  async inject(fault: ScheduledFault, onStart: (fault: Fault) => void): Promise<InjectedFault> {
    const part = isOfNetwork(fault) ? `network of ${fault.target}` : fault.target
    const before = this.#underWay.get(part) ?? Promise.resolve()
    const injected = before.then(async () => {
      const atMillis = Date.now()
      onStart(fault)
      await this.#breakAndMend(fault)
      return { fault, atMillis, mendedAtMillis: Date.now() }
    })
    this.#underWay.set(
      part,
      injected.catch(() => undefined),
    )
    return injected
  }

  async #breakAndMend(fault: Fault): Promise<void> {
    const { supervisor, server, proxies } = this.#options
    switch (fault.kind) {
      case 'kill':
        await supervisor.kill(fault.target)
        await supervisor.untilReady(fault.target)
        return
      case 'freeze':
        supervisor.freeze(fault.target)
        await this.#wait(fault.forMillis)
        supervisor.thaw(fault.target)
        await supervisor.untilReady(fault.target)
        return
      case 'restart':
        await server(fault.target).down()
        await server(fault.target).up()
        return
      case 'crash':
        await server(fault.target).kill()
        await server(fault.target).up()
        return
      case 'latency':
        await this.#disturb(fault.target, { kind: 'latency', millis: fault.latencyMillis }, fault.forMillis)
        return
      case 'black-hole':
        await this.#disturb(fault.target, { kind: 'black-hole', of: ['responses'] }, fault.forMillis)
        return
      case 'reset':
        proxies[fault.target].reset()
        return
      default:
        fault satisfies never
    }
  }

  async #disturb(link: Link, fault: NetworkFault, forMillis: number): Promise<void> {
    const proxy = this.#options.proxies[link]
    proxy.inject(fault)
    await this.#wait(forMillis)
    proxy.inject({ kind: 'none' })
  }

  async #wait(millis: number): Promise<void> {
    await delay(millis, undefined, { signal: this.#options.signal }).catch(() => undefined)
  }
}

const isOfNetwork = ({ kind }: Fault): boolean =>
  kind === 'latency' || kind === 'reset' || kind === 'black-hole'
