/**
 * The driver, mongodb 7.9, waits for ever for the 'drain' of a socket that the other side has ended and that is not quite
 * closed: what was to be sent is neither sent nor fails, and no timeout looks after it. Its monitor does so where a server
 * ends all its connections at once, as a process that dies does, with a request under way on one of them. From then on the
 * client knows of no server, for as long as its process lives. Here such a write fails, as it would a moment later.
 */
import { createRequire } from 'node:module'
import type { Socket } from 'node:net'
import { MongoNetworkError } from 'mongodb'
import { notSentLabel } from './store-errors.ts'

interface Connection {
  readonly socket: Socket
  onError(error: Error): void
}

type Write = (this: Connection, ...command: unknown[]) => Promise<void>

// A private module of the driver: the version is pinned, and the test would notice if it changed.
const { Connection } = createRequire(import.meta.url)('mongodb/lib/cmap/connection.js') as {
  Connection: { prototype: { writeCommand: Write } }
}

const { writeCommand } = Connection.prototype

Connection.prototype.writeCommand = async function (...command) {
  if (this.socket.destroyed || this.socket.writableEnded) {
    const error = new MongoNetworkError('the server has ended the connection')
    error.addErrorLabel(notSentLabel)
    this.onError(error)
    throw error
  }
  return writeCommand.apply(this, command)
}
