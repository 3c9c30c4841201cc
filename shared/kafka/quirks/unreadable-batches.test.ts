import { deepEqual, equal, match, rejects } from 'node:assert/strict'
import { createRequire } from 'node:module'
import { gzipSync, zstdCompressSync } from 'node:zlib'
import type { KafkaMessage } from 'kafkajs'
import { decompressedBytesLimit } from './compression-codecs.ts'
import { recordsLimit, unreadableBatchOf } from './unreadable-batches.ts'

interface Encoder {
  readonly buffer: Buffer
}
interface Batch {
  readonly messages: readonly KafkaMessage[]
  lastOffset(): string
}
type Decode = (bytes: Buffer) => Promise<{
  responses: { partitions: { messages: KafkaMessage[] }[] }[]
}>

const require = createRequire(import.meta.url)
const { RecordBatch } = require('kafkajs/src/protocol/recordBatch/v0') as {
  RecordBatch: (batch: object) => Promise<Encoder>
}
const Record = require('kafkajs/src/protocol/recordBatch/record/v0') as (record: object) => Encoder
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number
const FetchedBatch = require('kafkajs/src/consumer/batch') as new (
  topic: string,
  fetchedOffset: string,
  partition: object,
) => Batch
const { protocol } = require('kafkajs/src/protocol/requests/fetch') as {
  protocol: (about: { version: number }) => (request: object) => { response: { decode: Decode } }
}

const codec = { none: 0, gzip: 1, snappy: 2, lz4: 3, zstd: 4 }
const timestamp = Date.parse('2026-11-23T12:00:00Z')

/** As a broker stores it. */
async function batchOf(
  firstOffset: number,
  values: readonly string[],
  options: object = {},
): Promise<Buffer> {
  const records = values.map((value, offsetDelta) => Record({ offsetDelta, key: 'key', value, headers: {} }))
  const { buffer } = await RecordBatch({
    records,
    lastOffsetDelta: values.length - 1,
    firstTimestamp: timestamp,
    maxTimestamp: timestamp + values.length,
    ...options,
  })
  buffer.writeBigInt64BE(BigInt(firstOffset), 0)
  return buffer
}

/** The batch with another codec, body or count of records, and the checksum of that. */
function changed(
  batch: Buffer,
  { codec = 0, body = batch.subarray(61), records = batch.readInt32BE(57) },
): Buffer {
  const bytes = Buffer.concat([batch.subarray(0, 61), body])
  bytes.writeInt32BE(bytes.length - 12, 8)
  bytes.writeInt16BE(codec, 21)
  bytes.writeInt32BE(records, 57)
  bytes.writeUInt32BE(crc32c(bytes.subarray(21)), 17)
  return bytes
}

const int16 = (value: number) => Buffer.from([value >> 8, value & 0xff])
const int32 = (value: number) => Buffer.concat([int16(value >> 16), int16(value & 0xffff)])
const int64 = (value: number) => Buffer.concat([int32(0), int32(value)])

/** What a broker says to a fetch of one partition: https://kafka.apache.org/protocol#The_Messages_Fetch */
function fetchResponse(version: number, batches: Buffer): Buffer {
  return Buffer.concat([
    int32(0),
    ...(version >= 7 ? [int16(0), int32(0)] : []),
    int32(1),
    int16(6),
    Buffer.from('orders'),
    int32(1),
    int32(3),
    int16(0),
    int64(100),
    int64(100),
    ...(version >= 5 ? [int64(0)] : []),
    int32(0),
    ...(version >= 11 ? [int32(-1)] : []),
    int32(batches.length),
    batches,
  ])
}

async function fetched(batches: readonly Buffer[], version = 11): Promise<KafkaMessage[]> {
  const { response } = protocol({ version })({ topics: [] })
  const { responses } = await response.decode(fetchResponse(version, Buffer.concat(batches)))
  return responses.flatMap(({ partitions }) => partitions.flatMap(({ messages }) => messages))
}

const summary = (messages: readonly KafkaMessage[]) =>
  messages.map((message) => {
    const batch = unreadableBatchOf(message)
    return batch
      ? `${batch.records} unreadable at ${batch.firstOffset} to ${batch.lastOffset}`
      : `${String(message.value)} at ${message.offset}`
  })

/** A record whose headers' count is half a billion, with nothing behind it. */
const headersWithoutEnd = Buffer.from([0x18, 0, 0, 0, 1, 1, 0xfe, 0xff, 0xff, 0xff, 0x07, 0, 0])

describe('a fetched batch that cannot be read', () => {
  let before: Buffer
  let plain: Buffer
  let after: Buffer
  beforeEach(async () => {
    before = await batchOf(10, ['a', 'b'])
    plain = await batchOf(12, ['c', 'd', 'e'])
    after = await batchOf(15, ['f'])
  })
  const neighboursAndPlaceholder = ['a at 10', 'b at 11', '3 unreadable at 12 to 14', 'f at 15']

  const forms: readonly (readonly [what: string, of: () => Buffer | Promise<Buffer>, error: RegExp])[] = [
    ...[5, 6, 7].map(
      (id) => [`of codec ${id}`, () => changed(plain, { codec: id }), /codec \d is unknown/] as const,
    ),
    ...(['gzip', 'snappy', 'lz4', 'zstd'] as const).map(
      (name) => [`of ${name} that is none`, () => changed(plain, { codec: codec[name] }), /./] as const,
    ),
    ...(['gzip', 'snappy', 'lz4', 'zstd'] as const).map(
      (name) =>
        [
          `of ${name} that is cut off`,
          async () => {
            const whole = await batchOf(12, ['c', 'd', 'e'], { compression: codec[name] })
            return changed(whole, { codec: codec[name], body: whole.subarray(61, -9) })
          },
          /./,
        ] as const,
    ),
    [
      'that a byte has changed of',
      () => {
        plain.writeUInt8(plain.readUInt8(plain.length - 2) ^ 1, plain.length - 2)
        return plain
      },
      /the checksum is wrong/,
    ],
    [
      'that becomes larger than the limit',
      () =>
        changed(plain, {
          codec: codec.zstd,
          body: zstdCompressSync(Buffer.alloc(decompressedBytesLimit + 1)),
        }),
      /larger than/,
    ],
    [
      'that holds no records',
      () => changed(plain, { codec: codec.gzip, body: gzipSync('neither a record nor three of them') }),
      /./,
    ],
    [
      'that has a record outside of it',
      async () => {
        const four = await batchOf(12, ['b', 'c', 'd', 'e'])
        const recordBytes = (four.length - 61) / 4
        return changed(plain, { body: four.subarray(61 + recordBytes) })
      },
      /outside of its batch/,
    ],
    ['that lacks records', () => changed(plain, { body: plain.subarray(61, -9) }), /./],
    [
      'whose record counts too many headers',
      () => changed(plain, { body: headersWithoutEnd }),
      /more headers than bytes/,
    ],
  ]

  for (const [what, of, error] of forms) {
    it(`${what} is one placeholder, and its neighbours are read`, async () => {
      const messages = await fetched([before, await of(), after])
      deepEqual(summary(messages), neighboursAndPlaceholder)
      match(unreadableBatchOf(messages[2] as KafkaMessage)?.error.message ?? '', error)
    })
  }

  it('since it has more records than the limit is one placeholder', async () => {
    const batch = await batchOf(12, Array<string>(recordsLimit + 1).fill(''))
    const [placeholder] = await fetched([batch])
    match(
      unreadableBatchOf(placeholder as KafkaMessage)?.error.message ?? '',
      /50001 records; the limit is 50000/,
    )
  })

  for (const version of [4, 5, 6, 7, 8, 9, 10, 11]) {
    it(`is one placeholder in version ${version} of a fetch`, async () => {
      deepEqual(
        summary(await fetched([before, changed(plain, { codec: 7 }), after], version)),
        neighboursAndPlaceholder,
      )
    })
  }

  it('has no content, and what its header says', async () => {
    const [placeholder] = await fetched([changed(plain, { codec: 7 })])
    const [{ batchContext } = {}] = (await fetched([plain])) as { batchContext?: object }[]
    const { unreadableBatch, ...fields } = placeholder as unknown as Record<string, unknown>
    equal((unreadableBatch as { error: Error }).error.message, 'compression codec 7 is unknown')
    deepEqual(fields, {
      magicByte: 2,
      attributes: 0,
      timestamp: String(timestamp + 3),
      offset: '14',
      key: null,
      value: null,
      headers: {},
      isControlRecord: false,
      batchContext,
    })
  })

  const asBatch = async (
    fetchedOffset: string,
    abortedTransactions: readonly object[],
    ...batches: Buffer[]
  ) =>
    new FetchedBatch('orders', fetchedOffset, {
      partition: 3,
      highWatermark: '100',
      abortedTransactions,
      messages: await fetched(batches),
    })

  it('is passed as a whole: the next fetch begins behind its last offset', async () => {
    equal((await asBatch('10', [], before, changed(plain, { codec: 7 }))).lastOffset(), '14')
  })

  it('is seen also by a fetch that begins within it', async () => {
    const batch = await asBatch('13', [], changed(plain, { codec: 7 }))
    deepEqual(summary(batch.messages), ['3 unreadable at 12 to 14'])
  })

  it('is passed over when its transaction was aborted', async () => {
    const producer = { transactional: true, producerId: 9 }
    const aborted = changed(await batchOf(12, ['c', 'd', 'e'], producer), { codec: 0x10 | 7 })
    const batch = await asBatch('12', [{ producerId: '9', firstOffset: '12' }], aborted, after)
    deepEqual(summary(batch.messages), ['f at 15'])
  })

  it('is left to the next fetch when it is cut off by the fetch', async () => {
    const cutOff = changed(plain, { codec: 7 }).subarray(0, -1)
    deepEqual(summary(await fetched([before, cutOff])), ['a at 10', 'b at 11'])
  })

  it('fails the fetch when its checksum is wrong and its header contradicts itself', async () => {
    plain.writeInt32BE(1_000_000, 23) // how far its last offset is from its first
    await rejects(fetched([before, plain, after]), /the checksum is wrong/)
  })
})

describe('a fetched batch that can be read', () => {
  for (const compression of Object.values(codec)) {
    it(`has no placeholder, compressed with codec ${compression}`, async () => {
      const batch = await batchOf(12, ['c', 'd', 'e'], { compression })
      deepEqual(summary(await fetched([batch])), ['c at 12', 'd at 13', 'e at 14'])
    })
  }
})
