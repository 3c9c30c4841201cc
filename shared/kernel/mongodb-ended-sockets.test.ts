import { equal, ok, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { createRequire } from 'node:module'
import { createServer } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { BSON, MongoClient, MongoNetworkError } from 'mongodb'
import { eventually } from '../../infra/verify/eventually.ts'
import './mongodb-ended-sockets.ts'
import { neverLeft } from './store-errors.ts'

/** It greets, answers a ping, and keeps everybody else waiting. */
class Store {
  readonly #server: Server
  readonly #sockets = new Set<Socket>()
  keptWaiting = 0

  constructor() {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket)).on('error', () => undefined)
      let rest = Buffer.alloc(0)
      socket.on('data', (chunk) => {
        rest = Buffer.concat([rest, chunk])
        while (rest.length >= 4 && rest.length >= rest.readInt32LE(0)) {
          const message = rest.subarray(0, rest.readInt32LE(0))
          rest = rest.subarray(message.length)
          const answer = this.#answerTo(message)
          if (answer) socket.write(answer)
        }
      })
    })
  }

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  endAllConnections(): void {
    for (const socket of this.#sockets) socket.destroy()
  }

  close(): void {
    this.#server.close()
    this.endAllConnections()
  }

  /** https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/ */
  #answerTo(message: Buffer): Buffer | undefined {
    const [id, opcode] = [message.readInt32LE(4), message.readInt32LE(12)]
    if (opcode === opQuery) return framed(opReply, 20, id, greeting) // the greeting of a new connection
    const asked = BSON.deserialize(message.subarray(21))
    if ('hello' in asked || 'ismaster' in asked) return framed(opMsg, 5, id, greeting)
    if ('ping' in asked) return framed(opMsg, 5, id, { ok: 1 })
    this.keptWaiting++
    return undefined
  }
}

const [opReply, opQuery, opMsg] = [1, 2004, 2013]
const greeting = { isWritablePrimary: true, ismaster: true, minWireVersion: 0, maxWireVersion: 21, ok: 1 }

/** @param flags how many bytes of flags and counts, all but one of them zero, stand before the document */
function framed(opcode: number, flags: number, answered: number, document: object): Buffer {
  const body = BSON.serialize(document)
  const head = Buffer.alloc(16 + flags)
  head.writeInt32LE(head.length + body.length, 0)
  head.writeInt32LE(answered, 8)
  head.writeInt32LE(opcode, 12)
  if (opcode === opReply) head.writeInt32LE(1, 32) // documents
  return Buffer.concat([head, body])
}

describe('the MongoDB driver', () => {
  let store: Store
  let client: MongoClient

  beforeEach(async () => {
    store = new Store()
    client = new MongoClient(`mongodb://127.0.0.1:${await store.start()}/?directConnection=true`, {
      serverSelectionTimeoutMS: 2_000,
      minHeartbeatFrequencyMS: 50,
      retryReads: false,
    })
    await client.connect()
  })
  afterEach(async () => {
    store.close()
    await client.close()
  })

  it('finds a server again that has ended all connections at once, with a request under way', async () => {
    for (let round = 1; round <= 3; round++) {
      await delay(100) // so that the monitor looks at once
      const asked = rejects(client.db('any').command({ wait: 1 }), MongoNetworkError)
      await eventually('the request', () => Promise.resolve(store.keptWaiting >= round || undefined), {
        intervalMillis: 5,
      })
      store.endAllConnections()
      await asked
      equal((await client.db('admin').command({ ping: 1 })).ok, 1)
    }
  })

  it('fails a command on a connection that the server has ended, as one that never left', async () => {
    const { Connection } = createRequire(import.meta.url)('mongodb/lib/cmap/connection.js') as {
      Connection: { prototype: { writeCommand: (this: object, command: object) => Promise<void> } }
    }
    for (const socket of [{ destroyed: true }, { writableEnded: true }]) {
      const errors: Error[] = []
      const connection = { socket, onError: (error: Error) => errors.push(error) }
      const failure: unknown = await Connection.prototype.writeCommand
        .call(connection, {})
        .catch((error: unknown) => error)
      ok(failure instanceof MongoNetworkError)
      ok(neverLeft(failure))
      equal(errors[0], failure) // so that the pool drops the connection
    }
  })
})
