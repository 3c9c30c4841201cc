import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import type { AddressInfo, Server } from 'node:net'
import { connect, createServer } from 'node:net'
import { text } from 'node:stream/consumers'
import type { Relay } from './relay.ts'
import { startRelay } from './relay.ts'

describe('the relay that counts', () => {
  let receiver: Server
  let relay: Relay

  /** Answers `so many bytes` when the client has said all. */
  before(async () => {
    receiver = createServer({ allowHalfOpen: true }, (socket) => {
      let bytes = 0
      socket.on('error', () => undefined)
      socket.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (chunk.at(-1) === endMark) socket.end(String(bytes))
      })
    }).listen(0, '127.0.0.1')
    await once(receiver, 'listening')
  })
  after(() => receiver.close())
  beforeEach(async () => {
    relay = await startRelay((receiver.address() as AddressInfo).port)
  })
  afterEach(() => relay.close())

  const endMark = 0xff
  const say = (bytes: number): Promise<string> => {
    const socket = connect(relay.port, '127.0.0.1')
    socket.end(Buffer.alloc(bytes, 1).fill(endMark, bytes - 1))
    return text(socket)
  }

  it('passes on everything in both directions, and counts it', async () => {
    const sizes = [1, 1_000, 3_000_000]
    deepEqual(await Promise.all(sizes.map(say)), sizes.map(String))
    deepEqual(relay.bytes, { sent: 3_001_001, received: sizes.join('').length })
  })

  it('refuses, as if nobody were there, and passes on again', async () => {
    relay.fail({ kind: 'refuse' })
    await rejects(say(10), { code: 'ECONNRESET' })
    equal(relay.bytes.sent, 0)
    relay.fail(undefined)
    equal(await say(10), '10')
  })

  it('cuts off who is connected when it begins to refuse', async () => {
    const socket = connect(relay.port, '127.0.0.1')
    socket.write(Buffer.from([1]))
    const arrived = once(receiver, 'connection')
    await arrived
    const closed = once(socket, 'close')
    relay.fail({ kind: 'refuse' })
    await rejects(closed, { code: 'ECONNRESET' })
  })

  it('answers late, and takes what comes at once', async () => {
    relay.fail({ kind: 'late', millis: 300 })
    const beganAt = performance.now()
    equal(await say(10), '10')
    ok(performance.now() - beganAt >= 299)
  })
})
