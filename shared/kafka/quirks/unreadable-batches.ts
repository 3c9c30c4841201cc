/**
 * One batch that kafkajs 2.2.4 cannot read (an unknown codec, corrupt bytes, a decompression bomb) fails the whole fetch,
 * again after each restart: the consumer never gets past it. Here a placeholder comes in its place, and the batches around
 * it are read as usual. kafkajs also takes a batch without looking at its checksum, and one of an unknown codec for plain.
 *
 * The placeholder has the batch's LAST offset: kafkajs fetches next after the last offset that it was given, and drops
 * those before the one that it asked for, which may lie within the batch.
 *
 * Message sets from before Kafka 0.11 (magic 0 and 1) are left as they are: Kafka 4 has none.
 */
import { createRequire } from 'node:module'
import type { KafkaMessage } from 'kafkajs'
import './compression-codecs.ts'
import { replaceExports } from './replace-exports.ts'

/** More records than this are a bomb too: each takes some hundred bytes of heap, and as little as seven on the wire. */
export const recordsLimit = 50_000

/** Where a batch lies that could not be read, and why. */
export interface UnreadableBatch {
  readonly firstOffset: string
  readonly lastOffset: string
  /** By its header. */
  readonly records: number
  readonly error: Error
}

interface Decoder {
  readonly buffer: Buffer
  offset: number
  forward(bytes: number): void
  readVarInt(): number
  readVarIntArray(read: (decoder: Decoder) => unknown): unknown[]
}

interface RecordBatch {
  readonly maxTimestamp: string
  readonly records: readonly KafkaMessage[]
}

type DecodeBatch = (fetched: Decoder) => Promise<RecordBatch>

/** https://kafka.apache.org/documentation/#recordbatch: up to the length, and all before the first record. */
const prefixBytes = 12
const headerBytes = 61
const place = { length: 8, magic: 16, checksum: 17, attributes: 21, lastOffsetDelta: 23, records: 57 }
const magicByte = 2
const codecMask = 0x07

const require = createRequire(import.meta.url)
const decode = replaceExports<DecodeBatch>(
  {
    id: 'kafkajs/src/protocol/recordBatch/v0/decoder',
    keptBy: 'kafkajs/src/protocol/requests/fetch/v4/decodeMessages',
  },
  decodeOrReplace,
)
// Private modules of kafkajs: the version is pinned, and the test would notice if they changed.
const BatchDecoder = require('kafkajs/src/protocol/decoder') as {
  new (bytes: Buffer): Decoder
  prototype: Decoder
}
const crc32c = require('kafkajs/src/protocol/recordBatch/crc32C') as (bytes: Buffer) => number
const { lookupCodec } = require('kafkajs/src/protocol/message/compression') as {
  lookupCodec: (type: number) => unknown
}

// A corrupt count of headers would have kafkajs read past the end some billion times, which gives empty headers.
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own decoder
const { readVarIntArray } = BatchDecoder.prototype
BatchDecoder.prototype.readVarIntArray = function (read) {
  const start = this.offset
  if (this.readVarInt() > this.buffer.length - this.offset) throw new RangeError('more headers than bytes')
  this.offset = start
  return readVarIntArray.call(this, read)
}

/** What came in place of this message; undefined for one that was read. */
export const unreadableBatchOf = (message: KafkaMessage): UnreadableBatch | undefined =>
  (message as { unreadableBatch?: UnreadableBatch }).unreadableBatch

async function decodeOrReplace(fetched: Decoder): Promise<RecordBatch> {
  const { buffer, offset } = fetched
  const end = offset + prefixBytes + buffer.readInt32BE(offset + place.length)
  const batch = buffer.subarray(offset, end)
  // The tail of a fetch may be cut off, which kafkajs knows.
  if (end > buffer.length || batch.length < headerBytes || batch[place.magic] !== magicByte)
    return decode(fetched)
  fetched.forward(batch.length)
  try {
    return await decodeChecked(batch)
  } catch (error) {
    return placeholderOf(batch, error as Error)
  }
}

async function decodeChecked(batch: Buffer): Promise<RecordBatch> {
  if (!isIntact(batch)) throw new Error('the checksum is wrong')
  const codec = batch.readInt16BE(place.attributes) & codecMask
  if (codec !== 0 && lookupCodec(codec) === null) throw new Error(`compression codec ${codec} is unknown`)
  const count = batch.readInt32BE(place.records)
  if (count > recordsLimit) throw new RangeError(`${count} records; the limit is ${recordsLimit}`)
  const decoded = await decode(new BatchDecoder(batch))
  const [first, last] = offsetsOf(batch)
  // The consumer goes on after the last offset that it is given.
  const isWithin = ({ offset }: KafkaMessage) => first <= Number(offset) && Number(offset) <= last
  if (!decoded.records.every(isWithin)) throw new RangeError('a record lies outside of its batch')
  return decoded
}

const offsetsOf = (batch: Buffer): [first: bigint, last: bigint] => {
  const first = batch.readBigInt64BE(0)
  return [first, first + BigInt(batch.readInt32BE(place.lastOffsetDelta))]
}

const isIntact = (batch: Buffer): boolean =>
  crc32c(batch.subarray(place.attributes)) === batch.readUInt32BE(place.checksum)

/** @throws the error when not even the batch's place is certain: then the fetch fails, as it does without this quirk */
async function placeholderOf(batch: Buffer, error: Error): Promise<RecordBatch> {
  const records = batch.readInt32BE(place.records)
  const lastOffsetDelta = batch.readInt32BE(place.lastOffsetDelta)
  // A producer numbers its records one by one. Where these two do not fit, the header may be what is damaged.
  if (!isIntact(batch) && lastOffsetDelta !== records - 1) throw error
  const [firstOffset, lastOffset] = offsetsOf(batch).map(String) as [string, string]
  const { records: none, ...context } = await decode(new BatchDecoder(emptied(batch)))
  const message = {
    magicByte,
    attributes: 0,
    timestamp: context.maxTimestamp,
    offset: lastOffset,
    key: null,
    value: null,
    headers: {},
    isControlRecord: false,
    batchContext: { ...context, magicByte },
    unreadableBatch: {
      firstOffset,
      lastOffset,
      records,
      error,
    } satisfies UnreadableBatch,
  }
  return { ...context, records: [...none, message] }
}

/** The same batch without its records, which kafkajs can read. */
function emptied(batch: Buffer): Buffer {
  const header = Buffer.from(batch.subarray(0, headerBytes))
  header.writeInt32BE(headerBytes - prefixBytes, place.length)
  header.writeInt16BE(header.readInt16BE(place.attributes) & ~codecMask, place.attributes)
  header.writeInt32BE(0, place.records)
  return header
}
