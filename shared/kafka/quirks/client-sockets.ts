/**
 * The sockets of one Kafka client. kafkajs goes on writing to a socket that has stopped answering (issues #919, #1691),
 * waits for it when it disconnects (#918, #1167), and takes what a socket says after its end for its successor's
 * words. So here they can be given up, and have nothing to say once they have ended.
 */
import type { Socket } from 'node:net'
import { connect as connectTcp, isIP } from 'node:net'
import type { ConnectionOptions } from 'node:tls'
import { connect as connectTls } from 'node:tls'
import type { ISocketFactory } from 'kafkajs'

/** How long the other side may take to take note that a socket has ended. */
const lingerMillis = 1_000

const events = ['data', 'end', 'error', 'timeout'] as const

export class ClientSockets {
  readonly #connectionTimeoutMillis: number
  readonly #open = new Map<Socket, string>()
  #isClosed = false

  constructor(connectionTimeoutMillis: number) {
    this.#connectionTimeoutMillis = connectionTimeoutMillis
  }

  readonly create: ISocketFactory = ({ host, port, ssl, onConnect }) => {
    if (this.#isClosed) throw new Error('this client is closed')
    const tls = ssl as ConnectionOptions | undefined // its type says always, but it is there only when asked for
    const connected = (): void => {
      clearTimeout(timer)
      onConnect()
    }
    // The name tells a proxy for which broker the connection is; an address is none.
    const named = isIP(host) ? {} : { servername: host }
    const socket = tls
      ? connectTls({ host, port, ...named, ...tls }, connected)
      : connectTcp({ host, port }, connected)
    // A request of a few hundred bytes must not wait for Nagle's algorithm.
    socket.setNoDelay(true)
    socket.setKeepAlive(true, 60_000)
    const timer = setTimeout(() => {
      socket.destroy(new Error(`not connected within ${this.#connectionTimeoutMillis} ms`))
    }, this.#connectionTimeoutMillis)
    this.#open.set(socket, `${host}:${port}`)
    socket.once('close', () => {
      clearTimeout(timer)
      this.#open.delete(socket)
    })
    silenceAfterEnd(socket)
    return socket
  }

  /**
   * Closes those to one broker; kafkajs connects anew when it needs to.
   * @param broker host:port
   */
  giveUp(broker: string): void {
    for (const [socket, address] of this.#open) {
      if (broker === address) socket.destroy(new Error('it did not answer in time'))
    }
  }

  /** Closes all, and opens none again: kafkajs goes on trying what was under way when it disconnected. */
  close(): void {
    this.#isClosed = true
    for (const socket of this.#open.keys()) socket.destroy(new Error('this client is closed'))
  }
}

/** Once kafkajs has ended a socket, its listeners stand for another. */
function silenceAfterEnd(socket: Socket): void {
  const own = new Set(events.flatMap((event) => socket.listeners(event)))
  const end: () => Socket = socket.end.bind(socket)
  socket.end = (): Socket => {
    // kafkajs ends whatever socket is its last, and that may be one that another request waits for to connect: the
    // request must hear of it, or kafkajs takes a connection that has ended for one that is there, for ever.
    if (socket.connecting) socket.emit('error', new Error('ended before it was connected'))
    for (const event of events) {
      for (const listener of socket.listeners(event)) {
        if (!own.has(listener)) socket.off(event, listener as () => void)
      }
    }
    socket.on('error', () => undefined)
    socket.resume() // nobody reads it any more, and what is not read hides the end
    if (socket.connecting) return socket.destroy()
    setTimeout(() => socket.destroy(), lingerMillis).unref()
    return end()
  }
}
