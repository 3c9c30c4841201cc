/** Asks the probe of a service; see probe.ts. */
import { text } from 'node:stream/consumers'
import { connect } from 'node:net'
import type { CpuProfile } from './profile/profile.ts'
import type { ProbeCommand, ProbeReading } from './probe.ts'

/**
 * @param command `flush` has the service export the spans that it holds before it answers
 * @throws Error when the probe does not answer in time
 */
export const readProbe = (port: number, command: Exclude<ProbeCommand, 'profile'> = 'read') =>
  ask(port, command) as Promise<ProbeReading>

/** Ends the profile that `start-profile` has begun. */
export const readProfile = (port: number) => ask(port, 'profile') as Promise<CpuProfile>

async function ask(port: number, command: ProbeCommand): Promise<unknown> {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(30_000, () => socket.destroy(new Error(`the probe at port ${port} does not answer`)))
  socket.write(command)
  return JSON.parse(await text(socket))
}
