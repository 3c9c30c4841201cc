import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { createRequire } from 'node:module'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import { snappyCompress } from 'hysnappy'
import { decompressedBytesLimit } from './compression-codecs.ts'
import { storeAsLz4 } from './lz4-frame.ts'

interface Codec {
  readonly compress: (encoder: { buffer: Buffer }) => Buffer | Promise<Buffer>
  readonly decompress: (body: Buffer) => Buffer | Promise<Buffer>
}
type Name = 'GZIP' | 'Snappy' | 'LZ4' | 'ZSTD'

/** As kafkajs finds it. */
function codecOf(name: Name): Codec {
  const { Types, lookupCodecByAttributes } = createRequire(import.meta.url)(
    'kafkajs/src/protocol/message/compression',
  ) as { Types: Record<Name, number>; lookupCodecByAttributes: (attributes: number) => Codec }
  return lookupCodecByAttributes(Types[name])
}

const uint32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value)
  return bytes
}
const xerialHeader = Buffer.concat([Buffer.from('\x82SNAPPY\0', 'latin1'), uint32(1), uint32(1)])
const xerial = (...contents: readonly Buffer[]): Buffer =>
  Buffer.concat([
    xerialHeader,
    ...contents.flatMap((content) => {
      const block = snappyCompress(content)
      return [uint32(block.length), block]
    }),
  ])

const events = Buffer.from(
  JSON.stringify(Array.from({ length: 1_000 }, (_, index) => ({ orderId: `order-${index}` }))),
)
const bomb = Buffer.alloc(decompressedBytesLimit + 1)
const bombs: readonly (readonly [string, Name, Buffer])[] = [
  ['gzip', 'GZIP', gzipSync(bomb)],
  ['zstd', 'ZSTD', zstdCompressSync(bomb)],
  ['lz4', 'LZ4', storeAsLz4(bomb)],
  ['one snappy block', 'Snappy', Buffer.from(snappyCompress(bomb))],
  [
    'many snappy blocks',
    'Snappy',
    xerial(...Array.from({ length: 17 }, () => bomb.subarray(0, 1_024 * 1_024))),
  ],
  [
    'a snappy block that lies about its length',
    'Snappy',
    Buffer.from([0xff, 0xff, 0xff, 0xff, 0x0f, 0x00, 0x61]),
  ],
]

describe('a codec of kafkajs', () => {
  for (const name of ['GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const) {
    it(`reads what it has written: ${name}`, async () => {
      const { compress, decompress } = codecOf(name)
      deepEqual(await decompress(await compress({ buffer: events })), events)
    })

    it(`reads as much as the limit: ${name}`, async () => {
      const { compress, decompress } = codecOf(name)
      const content = Buffer.alloc(decompressedBytesLimit, 'checkout')
      equal((await decompress(await compress({ buffer: content }))).equals(content), true)
    })

    it(`refuses what it has not written: ${name}`, async () => {
      await rejects(async () =>
        codecOf(name).decompress(Buffer.from('neither compressed nor anything else that is known')),
      )
    })
  }

  for (const name of ['GZIP', 'Snappy', 'LZ4'] as const) {
    it(`refuses what is cut off: ${name}`, async () => {
      const { compress, decompress } = codecOf(name)
      const body = await compress({ buffer: events })
      await rejects(async () => decompress(body.subarray(0, -9)))
    })
  }

  it('gives no more than the beginning of a zstd frame that is cut off: then records are missing', async () => {
    const { compress, decompress } = codecOf('ZSTD')
    const body = await compress({ buffer: events })
    const beginning = await decompress(body.subarray(0, -9))
    ok(beginning.length < events.length && events.subarray(0, beginning.length).equals(beginning))
  })

  for (const [what, name, body] of bombs) {
    it(`refuses more than the limit: ${what}`, async () => {
      await rejects(async () => codecOf(name).decompress(body), RangeError)
    })
  }

  it('reads a raw snappy block, as librdkafka writes it', async () => {
    const block = Buffer.from([0x0a, 0x24, ...Buffer.from('hyperparam')])
    equal(String(await codecOf('Snappy').decompress(block)), 'hyperparam')
  })

  it('reads snappy in the blocks that Java writes', async () => {
    const body = xerial(events.subarray(0, 5_000), events.subarray(5_000))
    deepEqual(await codecOf('Snappy').decompress(body), events)
  })

  it('reads a zstd frame that does not say how long it becomes', async () => {
    const frame = Buffer.from('KLUv/QBYKAAAc2FnYSApAABzYWdhCg==', 'base64') // of a stream, flushed in between
    equal(String(await codecOf('ZSTD').decompress(frame)), 'saga saga\n')
  })
})
