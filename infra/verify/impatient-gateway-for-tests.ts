/**
 * A second gateway, which gives its checkouts little time. What is to expire is asked for there, so that nobody
 * waits long for it, and all others have the time that they need on a busy machine.
 */
import type { Stack } from '../native/open-stack.ts'
import { pickHealthPorts } from '../native/ports.ts'
import type { Services } from '../native/services.ts'
import { prepareServices } from '../native/services.ts'

/** @returns services of which only the gateway runs; `down` stops it */
export async function startImpatientGateway(stack: Stack, deadlineMillis: number): Promise<Services> {
  const { gateway } = await pickHealthPorts(['gateway'])
  const place = { ...stack, ports: { ...stack.ports, gateway } }
  const services = await prepareServices(place, { CHECKOUT_DEADLINE_MILLIS: String(deadlineMillis) })
  await services.up('gateway')
  return services
}
