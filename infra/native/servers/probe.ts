import { connect, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

// Servers on loopback answer at once or not yet.
const probeTimeoutMillis = 1_000

/** Whether an HTTP GET is answered with a 2xx status. Rejects when nobody answers. */
export async function answersOk(url: string): Promise<boolean> {
  const response = await fetch(url, { signal: AbortSignal.timeout(probeTimeoutMillis) })
  await response.body?.cancel()
  return response.ok
}

/** Sends bytes to a port of 127.0.0.1 and says whether any bytes come back. Rejects when nobody listens. */
export function answersBytes(port: number, request: Buffer, { tls = false } = {}): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const send = () => socket.write(request)
    const address = { port, host: '127.0.0.1' }
    // Whether it is up is all that is asked, and nothing is told to it: no need to know who it is.
    const socket: Socket = tls
      ? connectTls({ ...address, rejectUnauthorized: false }, send)
      : connect(address, send)
    const finish = (answered: boolean) => {
      socket.destroy()
      resolve(answered)
    }
    socket
      .once('data', () => finish(true))
      .once('end', () => finish(false))
      .once('error', reject)
    socket.setTimeout(probeTimeoutMillis, () => finish(false))
  })
}
