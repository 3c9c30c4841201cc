import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Server, Socket } from 'node:net'
import { connect, createServer } from 'node:net'
import { eventually } from '../verify/eventually.ts'
import type { FaultProxy } from './fault-proxy.ts'
import { startFaultProxy } from './fault-proxy.ts'

describe('a fault proxy', () => {
  let server: Server
  let proxy: FaultProxy
  /** What the server has got, over all connections. */
  let received: string
  let clients: Client[]

  beforeEach(async () => {
    received = ''
    clients = []
    server = createServer((socket) => {
      socket.on('error', () => undefined)
      socket.on('data', (bytes) => {
        received += bytes.toString()
        socket.write(`<${bytes.toString()}>`)
      })
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    proxy = await startFaultProxy({ targetPort: (server.address() as AddressInfo).port })
  })
  afterEach(async () => {
    for (const { socket } of clients) socket.destroy()
    await proxy.close()
    server.close()
  })

  const open = async (): Promise<Client> => {
    const client = await connectTo(proxy.port)
    clients.push(client)
    return client
  }
  const until = (label: string, isSo: () => boolean) =>
    eventually(label, () => Promise.resolve(isSo() || undefined), {
      deadlineMillis: 3_000,
      intervalMillis: 5,
    })

  it('passes bytes both ways, and the end of the stream', async () => {
    const client = await open()
    client.socket.write('hello')
    await until('the answer', () => client.received === '<hello>')
    client.socket.end()
    await until('the end', () => client.closed === 'ended')
    await until('nobody connected', () => proxy.connections === 0)
  })

  it('passes more than its buffers hold, whole and in order', async () => {
    const client = await open()
    const megabytes = 8
    const sent = Array.from({ length: megabytes * 1024 }, (_, index) => String(index).padStart(1024, '.'))
    for (const part of sent) client.socket.write(part)
    await until('all of it', () => received.length === megabytes * 1024 * 1024)
    equal(received, sent.join(''))
  })

  it('makes every byte late by the latency asked for, in order', async () => {
    const client = await open()
    proxy.inject({ kind: 'latency', millis: 60 })
    const startedAt = performance.now()
    client.socket.write('a')
    await until('request', () => received === 'a')
    client.socket.write('b')
    await until('answers', () => client.received === '<a><b>')
    const took = performance.now() - startedAt
    ok(took >= 170, `two requests one after the other's arrival took ${took} ms`) // 60 + 60 + 60 less rounding
  })

  it('delivers at once what was late when the latency ends, before what comes after', async () => {
    const client = await open()
    proxy.inject({ kind: 'latency', millis: 60_000 })
    client.socket.write('a')
    await until('it is under way', () => proxy.connections === 1)
    proxy.inject({ kind: 'none' })
    client.socket.write('b')
    await until('both', () => client.received.replaceAll('><', '') === '<ab>')
  })

  it('eats responses only, while requests arrive', async () => {
    const client = await open()
    proxy.inject({ kind: 'black-hole', of: ['responses'] })
    client.socket.write('eaten')
    await until('the request', () => received === 'eaten')
    const late = await open()
    late.socket.write('too')
    await until('the request of a new connection', () => received === 'eatentoo')
    deepEqual([client.received, client.closed, late.received, late.closed], ['', 'no', '', 'no'])
  })

  it('resets what has lost bytes when the hole closes, and leaves alone what has not', async () => {
    const [loser, idle] = [await open(), await open()]
    idle.socket.write('before')
    await until('an answer', () => idle.received === '<before>')
    proxy.inject({ kind: 'black-hole', of: ['responses'] })
    loser.socket.write('x')
    await until('the loss', () => proxy.bytesLost === '<x>'.length)
    equal(loser.closed, 'no')
    proxy.inject({ kind: 'none' })
    await until('the reset', () => loser.closed !== 'no')
    match(loser.closed, /ECONNRESET/)
    idle.socket.write('after')
    await until('an answer after the hole', () => idle.received === '<before><after>')
  })

  it('eats requests only, while the server may speak', async () => {
    server.once('connection', (socket) => socket.write('greeting'))
    proxy.inject({ kind: 'black-hole', of: ['requests'] })
    const client = await open()
    client.socket.write('lost')
    await until('the loss', () => proxy.bytesLost === 'lost'.length)
    await until('what the server says by itself', () => client.received === 'greeting')
    equal(received, '')
  })

  it('resets all open connections, at both ends, and takes new ones', async () => {
    const serverSide = once(server, 'connection') as Promise<[Socket]>
    const client = await open()
    const [socket] = await serverSide
    const closedAtServer = new Promise((resolve) => socket.once('close', resolve))
    client.socket.write('x')
    await until('an answer', () => client.received === '<x>')
    equal(proxy.reset(), 1)
    await until('the reset', () => client.closed !== 'no')
    match(client.closed, /ECONNRESET/)
    await closedAtServer
    const next = await open()
    next.socket.write('y')
    await until('an answer', () => next.received === '<y>')
  })

  it('refuses new connections and keeps those that are open', async () => {
    const client = await open()
    client.socket.write('a')
    await until('an answer', () => client.received === '<a>')
    proxy.inject({ kind: 'refuse' })
    const refused = await open()
    await until('the refusal', () => refused.closed !== 'no')
    match(refused.closed, /ECONNRESET/)
    client.socket.write('b')
    await until('an answer', () => client.received === '<a><b>')
  })

  it('resets a client whose server is not there, and goes on when it is back', async () => {
    const { port } = server.address() as AddressInfo
    server.close()
    const client = await open()
    await until('the reset', () => client.closed !== 'no')
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const next = await open()
    next.socket.write('y')
    await until('an answer', () => next.received === '<y>')
  })
})

interface Client {
  readonly socket: Socket
  readonly received: string
  /** `no`, `ended`, or the error's code. */
  readonly closed: string
}

async function connectTo(port: number): Promise<Client> {
  const socket = connect({ port, host: '127.0.0.1' })
  const client = { socket, received: '', closed: 'no' }
  socket
    .on('data', (bytes) => (client.received += bytes.toString()))
    .on('end', () => (client.closed = 'ended'))
    .on('error', (error: NodeJS.ErrnoException) => (client.closed = error.code ?? error.message))
  await once(socket, 'connect').catch(() => undefined) // a refusal may come first
  return client
}
