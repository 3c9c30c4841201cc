/** Asks the probe of a service; see probe.ts. */
import { text } from 'node:stream/consumers'
import { connect } from 'node:net'
import type { ProbeReading } from './probe.ts'

/**
 * @param command `flush` has the service export the spans that it holds before it answers
 * @throws Error when the probe does not answer in time
 */
export async function readProbe(port: number, command: 'read' | 'flush' = 'read'): Promise<ProbeReading> {
  const socket = connect(port, '127.0.0.1')
  socket.setTimeout(30_000, () => socket.destroy(new Error(`the probe at port ${port} does not answer`)))
  socket.write(command)
  return JSON.parse(await text(socket)) as ProbeReading
}
