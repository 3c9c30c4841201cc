/**
 * A relay between Kafka's clients and a broker that understands just enough of the protocol to make the troubles in
 * kafkajs-failures.live.test.ts: connections that fall silent, and coordinators that refuse.
 */
import { once } from 'node:events'
import type { AddressInfo, Socket } from 'node:net'
import { connect, createServer } from 'node:net'

/** https://kafka.apache.org/protocol#protocol_api_keys */
export const joinGroup = 11
/** https://kafka.apache.org/protocol#protocol_error_codes, with the names that Kafka gives them */
export const coordinatorErrors = {
  COORDINATOR_LOAD_IN_PROGRESS: 14,
  COORDINATOR_NOT_AVAILABLE: 15,
  NOT_COORDINATOR: 16,
} as const

export interface KafkaRelay {
  readonly port: number
  /** Joins of a group are refused with these, one after the other. */
  readonly refusals: number[]
  /** Connections that are open now never hear from the broker again; later ones do. */
  silence(): void
  /** As if the broker were gone: connections are reset, and new ones refused, until told otherwise. */
  cut(isCut: boolean): void
  close(): Promise<void>
}

export async function startKafkaRelay({ brokerPort }: { readonly brokerPort: number }): Promise<KafkaRelay> {
  const open = new Map<Socket, { isSilent: boolean }>()
  const refusals: number[] = []
  let isCut = false

  const server = createServer((client) => {
    client.on('error', () => undefined)
    if (isCut) {
      client.resetAndDestroy()
      return
    }
    const state = { isSilent: false }
    open.set(client, state)
    const broker = connect(brokerPort, '127.0.0.1')
    broker.on('error', () => client.destroy())
    broker.on('data', (chunk) => state.isSilent || client.write(chunk))
    broker.on('close', () => client.destroy())
    client.on('close', () => {
      open.delete(client)
      broker.destroy()
    })
    let rest = Buffer.alloc(0)
    client.on('data', (chunk) => {
      rest = Buffer.concat([rest, chunk])
      while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
        const request = rest.subarray(0, 4 + rest.readInt32BE(0))
        rest = rest.subarray(request.length)
        const refusal = request.readInt16BE(4) === joinGroup ? refusals.shift() : undefined
        if (refusal === undefined) broker.write(request)
        else client.write(refusedJoin(request.readInt32BE(8), refusal))
      }
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')

  const reset = () => {
    for (const client of open.keys()) client.resetAndDestroy()
  }
  return {
    port: (server.address() as AddressInfo).port,
    refusals,
    silence: () => {
      for (const state of open.values()) state.isSilent = true
    },
    cut: (value) => {
      isCut = value
      if (isCut) reset()
    },
    close: async () => {
      reset()
      server.close()
      await once(server, 'close')
    },
  }
}

/** JoinGroup response, versions 2 to 6, in the version that kafkajs asks for (5). */
function refusedJoin(correlationId: number, errorCode: number): Buffer {
  const body = Buffer.alloc(4 + 4 + 2 + 4 + 2 + 2 + 2 + 4)
  body.writeInt32BE(correlationId, 0)
  body.writeInt32BE(0, 4) // throttled for no time
  body.writeInt16BE(errorCode, 8)
  body.writeInt32BE(-1, 10) // no generation; protocol, leader, member and members are empty
  const size = Buffer.alloc(4)
  size.writeInt32BE(body.length)
  return Buffer.concat([size, body])
}
