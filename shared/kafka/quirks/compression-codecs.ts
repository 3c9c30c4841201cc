/**
 * kafkajs 2.2.4 reads gzip only, and without a limit. A batch that another producer, or the topic's `compression.type`,
 * has compressed with snappy, lz4 or zstd ends a consumer at the same offset after each restart. Here are all four codecs,
 * with a limit on what a batch may become.
 */
import { createRequire } from 'node:module'
import { promisify } from 'node:util'
import { gzip, unzip, zstdCompress, zstdDecompress } from 'node:zlib'
import { snappyCompress, snappyUncompressor } from 'hysnappy'
import { decompressLz4, storeAsLz4 } from './lz4-frame.ts'

/**
 * What one batch may become. Clients and brokers take a mebibyte, uncompressed, unless told otherwise; a container has 256,
 * and needs twice this limit for a moment.
 */
export const decompressedBytesLimit = 16 * 1_024 * 1_024

interface Codec {
  readonly compress: (encoder: { readonly buffer: Buffer }) => Buffer | Promise<Buffer>
  /** Throws or rejects when the body is corrupt, or becomes more than `decompressedBytesLimit`. */
  readonly decompress: (body: Buffer) => Buffer | Promise<Buffer>
}

// A private module of kafkajs, and not kafkajs itself, which must not be loaded before merged-sends.ts: the version is
// pinned, and the test would notice if it changed.
const { Types, Codecs } = createRequire(import.meta.url)('kafkajs/src/protocol/message/compression') as {
  readonly Types: Readonly<Record<'GZIP' | 'Snappy' | 'LZ4' | 'ZSTD', number>>
  readonly Codecs: Record<number, () => Codec>
}

const limits = { maxOutputLength: decompressedBytesLimit }

const codecs: Readonly<Record<keyof typeof Types, Codec>> = {
  GZIP: {
    compress: ({ buffer }) => promisify(gzip)(buffer),
    decompress: (body) => promisify(unzip)(body, limits),
  },
  Snappy: {
    compress: ({ buffer }) => asBuffer(snappyCompress(buffer)),
    decompress: decompressSnappy,
  },
  LZ4: {
    compress: ({ buffer }) => storeAsLz4(buffer),
    decompress: (body) => decompressLz4(body, decompressedBytesLimit),
  },
  ZSTD: {
    compress: ({ buffer }) => promisify(zstdCompress)(buffer),
    decompress: (body) => promisify(zstdDecompress)(body, limits),
  },
}

for (const name of ['GZIP', 'Snappy', 'LZ4', 'ZSTD'] as const) Codecs[Types[name]] = () => codecs[name]

const xerialMagic = Buffer.from('\x82SNAPPY\0', 'latin1')
/** The magic, a version and the lowest compatible version. */
const xerialHeaderBytes = 16

const uncompress = snappyUncompressor()

/**
 * librdkafka writes one raw block; Java, and clients that follow it, a sequence of blocks, each behind its length:
 * https://github.com/xerial/snappy-java#compatibility-notes
 */
function decompressSnappy(body: Buffer): Buffer {
  if (!body.subarray(0, xerialMagic.length).equals(xerialMagic)) {
    return decompressSnappyBlock(body, decompressedBytesLimit)
  }
  const blocks: Buffer[] = []
  let bytesLeft = decompressedBytesLimit
  for (let at = xerialHeaderBytes; at < body.length;) {
    const end = at + 4 + body.readUInt32BE(at)
    const block = decompressSnappyBlock(body.subarray(at + 4, end), bytesLeft)
    blocks.push(block)
    bytesLeft -= block.length
    at = end
  }
  return Buffer.concat(blocks)
}

function decompressSnappyBlock(block: Buffer, maxBytes: number): Buffer {
  const length = snappyLengthOf(block)
  if (length > maxBytes) throw new RangeError(`a snappy block of ${length} bytes; the limit is ${maxBytes}`)
  return asBuffer(uncompress(block, length))
}

/** A block begins with what it becomes, as a varint. */
function snappyLengthOf(block: Buffer): number {
  let length = 0
  for (let index = 0; ; index++) {
    const byte = block.readUInt8(index)
    length += (byte & 0x7f) * 2 ** (7 * index)
    if (byte < 0x80) return length
  }
}

const asBuffer = ({ buffer, byteOffset, byteLength }: Uint8Array): Buffer =>
  Buffer.from(buffer, byteOffset, byteLength)
