/** Two of each service, and the balancer before the gateways. */
import type { Stack } from '../native/open-stack.ts'
import { pickHealthPorts } from '../native/ports.ts'
import type { ServiceName } from '../native/services.ts'
import { prepareServices, serviceNames } from '../native/services.ts'
import { ServiceProcess } from '../chaos/service-process.ts'

export interface Replica {
  readonly process: ServiceProcess
  readonly url: string
}

export type Replicas = ReadonlyMap<ServiceName, readonly Replica[]>

export async function prepareReplicas(stack: Stack, count: number): Promise<Replicas> {
  const sets = await Promise.all(
    Array.from({ length: count }, async (_, index) => {
      const { gateway } = await pickHealthPorts(['gateway'])
      const ports = { ...stack.ports, ...(index > 0 && { gateway }) }
      return prepareServices({ ...stack, ports }, {}, { imports: [] })
    }),
  )
  return new Map(
    serviceNames.map((name) => [
      name,
      sets.map((services) => ({ process: new ServiceProcess(services, name), url: services.gatewayUrl })),
    ]),
  )
}

/**
 * Who is asked next, in turn. A replica is taken out before it is told to end, as Kubernetes does for one whose `preStop`
 * hook waits a little; one that is only found to be gone would cost the requests sent to it meanwhile.
 */
export class Balancer {
  readonly #replicas: Replica[]
  #turn = 0

  constructor(replicas: readonly Replica[]) {
    this.#replicas = [...replicas]
  }

  takeOut(replica: Replica): void {
    const index = this.#replicas.indexOf(replica)
    if (index >= 0) this.#replicas.splice(index, 1)
  }

  putBack(replica: Replica): void {
    this.#replicas.push(replica)
  }

  /** @throws Error when nobody is left */
  next(): string {
    const replica = this.#replicas[this.#turn++ % this.#replicas.length]
    if (!replica) throw new Error('no gateway is left')
    return replica.url
  }
}
