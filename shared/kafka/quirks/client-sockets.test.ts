import { deepEqual } from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { createServer } from 'node:net'
import { ClientSockets } from './client-sockets.ts'

describe('the sockets of a Kafka client', () => {
  let server: Server
  let sockets: ClientSockets

  beforeEach(async () => {
    server = createServer((socket) => void socket.resume().on('error', () => undefined))
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    sockets = new ClientSockets(1_000)
  })
  afterEach(() => {
    sockets.close()
    server.close()
  })

  const open = (): { socket: ReturnType<ClientSockets['create']>; seen: string[] } => {
    const seen: string[] = []
    const { port } = server.address() as AddressInfo
    const options = { host: '127.0.0.1', port, ssl: undefined as never }
    const socket = sockets.create({ ...options, onConnect: () => seen.push('connected') })
    // As kafkajs listens.
    for (const event of ['end', 'error', 'timeout']) socket.on(event, () => seen.push(event))
    return { socket, seen }
  }

  it('say nothing more once they have ended', async () => {
    const { socket, seen } = open()
    await once(socket, 'connect')
    socket.end()
    await once(socket, 'close')
    deepEqual(seen, ['connected'])
  })

  it('fail at once, and never connect, when they are ended while they connect', async () => {
    const { socket, seen } = open()
    socket.end()
    deepEqual(seen, ['error'])
    await once(socket, 'close')
    deepEqual(seen, ['error'])
  })
})
