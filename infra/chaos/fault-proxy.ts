/**
 * A TCP proxy on 127.0.0.1 whose network can be made to fail at run time: latency, a black hole in one or both
 * directions, refused connections, and resets.
 */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'

/** Requests run from client to server, responses back. */
export type Direction = 'requests' | 'responses'

export type NetworkFault =
  | { readonly kind: 'none' }
  /** Each byte arrives this much later, each way; order is kept. */
  | { readonly kind: 'latency'; readonly millis: number }
  /** What is sent is taken and never arrives. Connections stay up, and new ones are accepted. */
  | { readonly kind: 'black-hole'; readonly of: readonly Direction[] }
  /** New connections are reset at once; those that are open stay. */
  | { readonly kind: 'refuse' }

export interface FaultProxy {
  /** Where it listens on 127.0.0.1. */
  readonly port: number
  /** How many clients are connected now. */
  readonly connections: number
  readonly fault: NetworkFault
  /** What black holes have eaten so far, all connections together. */
  readonly bytesLost: number
  /**
   * Switches the fault, for open connections too. One that has lost bytes in a black hole is reset as soon as the
   * hole closes: no TCP connection goes on with a gap in it.
   */
  inject(fault: NetworkFault): void
  /** Resets all open connections, towards both ends. @returns how many there were */
  reset(): number
  /** Ends the proxy and all connections. */
  close(): Promise<void>
}

export interface FaultProxyOptions {
  /** A port of 127.0.0.1. */
  readonly targetPort: number
  /** Any free one unless told otherwise. */
  readonly port?: number
}

export async function startFaultProxy({ targetPort, port = 0 }: FaultProxyOptions): Promise<FaultProxy> {
  const open = new Set<Connection>()
  let fault: NetworkFault = { kind: 'none' }
  let bytesLost = 0
  const network: Network = { fault: () => fault, lost: (bytes) => (bytesLost += bytes) }

  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (client) => {
    if (fault.kind === 'refuse') {
      client.on('error', () => undefined)
      client.resetAndDestroy()
      return
    }
    const server = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const connection = new Connection(client, server, network)
    open.add(connection)
    void connection.ended.then(() => open.delete(connection))
  })
  listener.listen(port, '127.0.0.1')
  await once(listener, 'listening')

  const reset = () => {
    const count = open.size
    for (const connection of open) connection.reset()
    return count
  }

  return {
    port: (listener.address() as AddressInfo).port,
    get connections() {
      return open.size
    },
    get fault() {
      return fault
    },
    get bytesLost() {
      return bytesLost
    },
    inject(next) {
      fault = next
      for (const connection of open) connection.faultChanged()
    },
    reset,
    async close() {
      reset()
      listener.close()
      await once(listener, 'close')
    },
  }
}

interface Network {
  fault(): NetworkFault
  lost(bytes: number): void
}

class Connection {
  readonly ended: Promise<unknown>
  readonly #client: Socket
  readonly #server: Socket
  readonly #lanes: readonly Lane[]

  constructor(client: Socket, server: Socket, network: Network) {
    this.#client = client
    this.#server = server
    this.#lanes = [
      new Lane('requests', client, server, network),
      new Lane('responses', server, client, network),
    ]
    const closed = [client, server].map((socket) => new Promise((resolve) => socket.once('close', resolve)))
    // What ends by force at one end ends by force at the other.
    for (const socket of [client, server]) socket.on('error', () => this.reset())
    this.ended = Promise.all(closed)
  }

  faultChanged(): void {
    const hasGap = this.#lanes.some((lane) => lane.hasGap && !lane.isHole)
    if (hasGap) this.reset()
    else for (const lane of this.#lanes) lane.faultChanged()
  }

  reset(): void {
    for (const lane of this.#lanes) lane.stop()
    this.#client.resetAndDestroy()
    // A connection that is still being made cannot be reset.
    if (this.#server.connecting) this.#server.destroy()
    else this.#server.resetAndDestroy()
  }
}

interface Parcel {
  /** Undefined is the end of the stream. */
  readonly bytes: Buffer | undefined
  readonly arrivedAt: number
}

/** More than this on its way and the sender has to wait, as with a network whose buffers are full. */
const bytesUnderWayLimit = 1024 * 1024

/** One direction of a connection. */
class Lane {
  hasGap = false
  readonly #direction: Direction
  readonly #from: Socket
  readonly #to: Socket
  readonly #network: Network
  readonly #underWay: Parcel[] = []
  #bytesUnderWay = 0
  #timer: NodeJS.Timeout | undefined

  constructor(direction: Direction, from: Socket, to: Socket, network: Network) {
    this.#direction = direction
    this.#from = from
    this.#to = to
    this.#network = network
    from.on('data', (bytes) => this.#take(bytes))
    from.on('end', () => this.#take(undefined))
    to.on('drain', () => this.#regulate())
  }

  get isHole(): boolean {
    const fault = this.#network.fault()
    return fault.kind === 'black-hole' && fault.of.includes(this.#direction)
  }

  faultChanged(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    this.#deliver()
  }

  stop(): void {
    clearTimeout(this.#timer)
    this.#underWay.length = 0
  }

  #take(bytes: Buffer | undefined): void {
    this.#underWay.push({ bytes, arrivedAt: performance.now() })
    this.#bytesUnderWay += bytes?.length ?? 0
    this.#regulate()
    if (this.#timer === undefined) this.#deliver()
  }

  /** Hands over what is due, and sets the timer for the rest. */
  #deliver(): void {
    const fault = this.#network.fault()
    const latencyMillis = fault.kind === 'latency' ? fault.millis : 0
    for (let next = this.#underWay[0]; next; next = this.#underWay[0]) {
      const waitMillis = next.arrivedAt + latencyMillis - performance.now()
      if (latencyMillis > 0 && waitMillis > 0) {
        this.#timer = setTimeout(() => this.faultChanged(), waitMillis)
        return
      }
      this.#underWay.shift()
      this.#bytesUnderWay -= next.bytes?.length ?? 0
      if (this.isHole) this.#lose(next.bytes)
      else if (next.bytes) this.#to.write(next.bytes)
      else this.#to.end()
    }
    this.#regulate()
  }

  #lose(bytes: Buffer | undefined): void {
    this.hasGap = true
    this.#network.lost(bytes?.length ?? 0)
  }

  #regulate(): void {
    if (this.#to.writableNeedDrain || this.#bytesUnderWay > bytesUnderWayLimit) this.#from.pause()
    else this.#from.resume()
  }
}
