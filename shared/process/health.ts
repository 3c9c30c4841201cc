/** /healthz (the process runs) and /readyz (it can do its work) for a process that has no HTTP edge. */
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:http'

export interface HealthServer {
  readonly port: number
  close(): void
}

/** @param ready says whether the process can do its work; a rejection means no */
export async function startHealthServer(
  { host, port }: { readonly host: string; readonly port: number },
  ready: () => Promise<boolean>,
): Promise<HealthServer> {
  const server = createServer((request, response) => {
    const answer = (status: number, body: string) =>
      response.writeHead(status, { 'content-type': 'application/json' }).end(body)
    if (request.url === '/healthz') answer(200, '{"status":"alive"}')
    else if (request.url === '/readyz') {
      void ready()
        .catch(() => false)
        .then((isReady) =>
          isReady ? answer(200, '{"status":"ready"}') : answer(503, '{"status":"not ready"}'),
        )
    } else answer(404, '{"status":"not found"}')
  })
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(port, host, resolve))
  return {
    port: (server.address() as AddressInfo).port,
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
