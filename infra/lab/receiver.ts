/** An HTTP server of the lab's own on a free port, which takes what others send and answers each with JSON. */
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

export interface Receiver {
  readonly port: number
  readonly close: () => Promise<void>
}

/** @param take answers a request with JSON; one that it throws at is answered with 400 */
export async function startReceiver(
  take: (body: Buffer, request: IncomingMessage) => string,
): Promise<Receiver> {
  const server = createServer((request, response) => {
    buffer(request)
      .then((body) => {
        const answer = take(body, request)
        response.setHeader('content-type', 'application/json').end(answer)
      })
      .catch((error: unknown) => {
        response.writeHead(400).end(String(error))
      })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    close: async () => {
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
