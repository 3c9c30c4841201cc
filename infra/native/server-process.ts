import type { Stack } from './open-stack.ts'
import { portHolder } from './port-holder.ts'
import { serverPorts } from './ports.ts'
import type { ServerName } from './server-names.ts'

/** The process that listens on a server's port; undefined when there is none, or it is somebody else's. */
export async function pidOf(stack: Pick<Stack, 'ports'>, name: ServerName): Promise<number | undefined> {
  const [port] = serverPorts[name]
  const [, pid] = port === undefined ? [] : (/^pid (\d+)/.exec(await portHolder(stack.ports[port])) ?? [])
  return pid === undefined ? undefined : Number(pid)
}
