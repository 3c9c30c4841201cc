/**
 * For tests: a TCP relay in front of a MongoDB server that counts the commands of its clients, by database, collection
 * and command. See https://www.mongodb.com/docs/manual/reference/mongodb-wire-protocol/
 */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { BSON } from 'mongodb'

export interface Operation {
  readonly database: string
  readonly collection: string
  /** `insert`, `find`, `update` ... */
  readonly command: string
  /** Of an insert; 0 of everything else. */
  readonly documents: number
}

export interface CountingRelay {
  /** On 127.0.0.1. */
  readonly port: number
  /** All that passed, oldest first. */
  readonly operations: readonly Operation[]
  close(): Promise<void>
}

/** @param targetPort on 127.0.0.1 */
export async function startCountingRelay(targetPort: number): Promise<CountingRelay> {
  const operations: Operation[] = []
  const sockets = new Set<Socket>()
  const server = createServer({ noDelay: true }, (client) => {
    const target = connect({ port: targetPort, host: '127.0.0.1', noDelay: true })
    for (const [socket, other] of [
      [client, target],
      [target, client],
    ] as const) {
      sockets.add(socket)
      socket.on('error', () => other.destroy())
      socket.once('close', () => {
        sockets.delete(socket)
        other.destroy()
      })
      socket.pipe(other)
    }
    const read = messageReader()
    client.on('data', (chunk: Buffer) => {
      for (const message of read(chunk)) {
        const operation = operationOf(message)
        if (operation) operations.push(operation)
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    port: (server.address() as AddressInfo).port,
    operations,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        for (const socket of sockets) socket.destroy()
      }),
  }
}

/** Cuts a stream into messages: each begins with its length. */
function messageReader(): (chunk: Buffer) => Buffer[] {
  let rest = Buffer.alloc(0)
  return (chunk) => {
    const messages: Buffer[] = []
    rest = Buffer.concat([rest, chunk])
    while (rest.length >= 4 && rest.length >= rest.readInt32LE(0)) {
      messages.push(rest.subarray(0, rest.readInt32LE(0)))
      rest = rest.subarray(rest.readInt32LE(0))
    }
    return messages
  }
}

const opMsg = 2013
const headBytes = 16 + 4 // header, flags

function operationOf(message: Buffer): Operation | undefined {
  if (message.readInt32LE(12) !== opMsg) return undefined // the greeting of a new connection
  let body: BSON.Document = {}
  let sequenced = 0
  for (let at = headBytes; at < message.length;) {
    const isSequence = message[at] === 1
    const length = message.readInt32LE(at + 1)
    if (isSequence) sequenced += documentsIn(message.subarray(at + 5, at + 1 + length))
    else body = BSON.deserialize(message.subarray(at + 1, at + 1 + length))
    at += 1 + length
  }
  const [command = ''] = Object.keys(body)
  const collection: unknown = body[command]
  const documents =
    command === 'insert' ? ((body.documents as unknown[] | undefined)?.length ?? sequenced) : 0
  return {
    database: String(body.$db),
    collection: typeof collection === 'string' ? collection : '',
    command,
    documents,
  }
}

/** A sequence is a name that ends with a zero byte, and documents, which begin with their lengths. */
function documentsIn(sequence: Buffer): number {
  let count = 0
  for (let at = sequence.indexOf(0) + 1; at < sequence.length; at += sequence.readInt32LE(at)) count++
  return count
}

/** By command and collection, how often: `insert commits`. */
export function commandsOf(operations: readonly Operation[]): Record<string, number> {
  const commands: Record<string, number> = {}
  for (const { command, collection } of operations) {
    const key = `${command} ${collection}`
    commands[key] = (commands[key] ?? 0) + 1
  }
  return commands
}
