/** A TCP relay that counts: what services say to the receiver of their telemetry, and what it answers, in bytes. */
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'

export interface WireBytes {
  /** From the services to the receiver, everything above TCP: HTTP's own headers, and TLS where there is any. */
  readonly sent: number
  readonly received: number
}

/** As if nobody were there; or a receiver that takes everything and answers so many milliseconds late. */
export type RelayFault = { readonly kind: 'refuse' } | { readonly kind: 'late'; readonly millis: number }

export interface Relay {
  readonly port: number
  /** Since the relay began. */
  readonly bytes: WireBytes
  /** From now on, and for connections that there are; undefined ends it. */
  fail(fault: RelayFault | undefined): void
  close(): Promise<void>
}

/** @param targetPort on 127.0.0.1, as the relay's own */
export async function startRelay(targetPort: number): Promise<Relay> {
  const counted = { sent: 0, received: 0 }
  const sockets = new Set<Socket>()
  let fault: RelayFault | undefined

  const keep = (socket: Socket) => {
    sockets.add(socket)
    socket.setNoDelay(true).on('error', () => undefined)
    socket.once('close', () => sockets.delete(socket))
  }
  const pass = (from: Socket, to: Socket, lateMillis: () => number, count: (bytes: number) => void) => {
    const inTime = (act: () => void) => {
      const millis = lateMillis()
      if (millis > 0) setTimeout(act, millis)
      else act()
    }
    from.on('data', (chunk: Buffer) => {
      count(chunk.length)
      inTime(() => {
        if (to.destroyed || to.write(chunk)) return
        from.pause()
        to.once('drain', () => from.resume())
      })
    })
    // Each direction ends by itself, as TCP has it; one that breaks takes the other along.
    from.once('end', () => inTime(() => to.end()))
    from.once('close', (hadError) => {
      if (hadError || !from.readableEnded) to.destroy()
    })
  }

  const server = createServer({ allowHalfOpen: true }, (client) => {
    keep(client)
    if (fault?.kind === 'refuse') {
      client.resetAndDestroy()
      return
    }
    const target = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true })
    keep(target)
    const atOnce = () => 0
    const answersLate = () => (fault?.kind === 'late' ? fault.millis : 0)
    pass(client, target, atOnce, (bytes) => (counted.sent += bytes))
    pass(target, client, answersLate, (bytes) => (counted.received += bytes))
  })
  server.listen(0, '127.0.0.1')
  await new Promise((resolve, reject) => server.once('listening', resolve).once('error', reject))

  return {
    port: (server.address() as AddressInfo).port,
    get bytes() {
      return { ...counted }
    },
    fail(next) {
      fault = next
      if (next?.kind === 'refuse') for (const socket of sockets) socket.resetAndDestroy()
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}
