/** Sagascope whole, on this machine: the servers, the services, and a first checkout as early as it can be. */
import type { Backends } from '../verify/checkout-report.ts'
import { placeCheckout, sampleCheckout, untilEnded } from '../verify/checkouts.ts'
import type { Stack } from './open-stack.ts'
import { openStack } from './open-stack.ts'
import { readPorts } from './ports.ts'
import type { Stop } from './run-until-stopped.ts'
import type { ServiceName, Services } from './services.ts'
import { prepareServices, serviceNames } from './services.ts'
import type { Task } from './task-list.ts'
import { serverTasks, showTasks } from './task-list.ts'

export interface Sagascope {
  readonly stack: Stack
  readonly services: Services
  readonly backends: Backends
  /** Rejects when a server or a service ends by itself; never resolves. */
  readonly failure: Promise<never>
}

/** The servers without which no checkout can run; the others only watch. */
export const essentials = ['kafka', 'mongodb'] as const

/**
 * Brings everything up, showing the progress, and runs a first checkout while the rest still compiles.
 * @throws Error when a tool is missing, a port is taken, or something does not start
 */
export async function bringUp(onStop: (stop: Stop) => void): Promise<Sagascope> {
  const startedAt = Date.now()
  const stack = await openStack({ ports: readPorts(process.env), alsoReserve: ['gateway'] })
  onStop(() => stack.down())
  const services = await prepareServices(stack)
  onStop(() => services.down())

  const failure = Promise.race([stack.failed, services.failed]).then((error) => {
    throw error
  })
  failure.catch(() => undefined) // whoever waits for it next is told

  const starting = serviceTasks(stack, services)
  const first = firstCheckout(services, Promise.all(starting.map((task) => task.done)))
  await Promise.race([showTasks([...serverTasks(stack), ...starting, first.task]), failure])
  const seconds = Math.round(((await first.endedAt) - startedAt) / 1_000)
  console.log(`\nThe first checkout completed ${seconds} s after the start.`)

  const { jaegerUrl, elasticsearchUrl, prometheusUrl } = stack.urls
  return {
    stack,
    services,
    failure,
    backends: { gatewayUrl: services.gatewayUrl, jaegerUrl, elasticsearchUrl, prometheusUrl },
  }
}

/** A task for each service, to be started once the servers without which it cannot are ready. */
export function serviceTasks(stack: Pick<Stack, 'ready'>, services: Services): Task[] {
  const ready = Promise.all(essentials.map((name) => stack.ready(name)))
  return serviceNames.map((name: ServiceName) => {
    let status = `waiting for ${essentials.join(' and ')}`
    const start = async () => {
      await ready
      status = 'starting'
      await services.up(name)
    }
    return { title: `service ${name}`, done: handled(start()), status: () => status }
  })
}

function firstCheckout(
  services: Services,
  ready: Promise<unknown>,
): { task: Task; endedAt: Promise<number> } {
  let status = 'waiting for the services'
  const run = async (): Promise<number> => {
    await ready
    status = 'on its way through the saga'
    const request = sampleCheckout({ email: 'first@example.com' })
    const { checkoutId } = await placeCheckout(services.gatewayUrl, request)
    await untilEnded(services.gatewayUrl, checkoutId)
    return Date.now()
  }
  const endedAt = handled(run())
  return { task: { title: 'a first checkout', done: endedAt, status: () => status }, endedAt }
}

/** A failure that is shown by the task list must not count as unhandled before it gets there. */
function handled<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => undefined)
  return promise
}
