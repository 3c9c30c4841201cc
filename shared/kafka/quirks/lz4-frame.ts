/**
 * Reads and writes LZ4 frames. The npm packages for it are native, which neither the image (`npm ci --omit=optional`) nor
 * Node's permission model takes, or read corrupt input without an error.
 *
 * Checksums in the frame are skipped: the record batch around it has its own.
 * https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md and lz4_Block_format.md
 */

const magic = 0x184d2204
const flag = { dictionaryId: 0x01, contentSize: 0x08, blockChecksum: 0x10 }
const storedBit = 0x8000_0000
const minMatch = 4
/** One byte of a block is the length of at most so many. */
const maxRatio = 255
/** Independent blocks of at most 64 KiB, and the checksum of that. */
const header = Buffer.from('04224d18604082', 'hex')
const storedBlockBytes = 64 * 1_024

/**
 * @param maxBytes of the result
 * @throws RangeError for a frame that is corrupt, or could become larger than `maxBytes`
 */
export function decompressLz4(frame: Buffer, maxBytes: number): Buffer {
  const blocks = blocksOf(frame)
  const bound = blocks.reduce((sum, { maxLength }) => sum + maxLength, 0)
  if (bound > maxBytes) throw new RangeError(`an LZ4 frame of up to ${bound} bytes; the limit is ${maxBytes}`)
  // Blocks may refer to the ones before, so all of them share one output.
  const output = Buffer.allocUnsafe(bound)
  let length = 0
  for (const { bytes, isStored } of blocks) {
    length = isStored ? length + bytes.copy(output, length) : decompressBlock(bytes, output, length)
  }
  return Buffer.from(output.subarray(0, length)) // a bound can be far from the length, and records keep the buffer
}

interface Block {
  readonly bytes: Buffer
  readonly isStored: boolean
  /** Upper bound on what it becomes. */
  readonly maxLength: number
}

function blocksOf(frame: Buffer): Block[] {
  if (frame.readUInt32LE(0) !== magic) throw new RangeError('not an LZ4 frame')
  const flags = frame.readUInt8(4)
  const maxBlockBytes = 2 ** (8 + 2 * ((frame.readUInt8(5) >> 4) & 7))
  const checksumBytes = flags & flag.blockChecksum ? 4 : 0
  let at = 7 + (flags & flag.contentSize ? 8 : 0) + (flags & flag.dictionaryId ? 4 : 0)
  const blocks: Block[] = []
  for (;;) {
    const word = frame.readUInt32LE(at)
    if (word === 0) return blocks
    const isStored = word >= storedBit
    const size = isStored ? word - storedBit : word
    const bytes = frame.subarray(at + 4, at + 4 + size)
    if (bytes.length < size) throw new RangeError('the LZ4 frame ends within a block')
    blocks.push({ bytes, isStored, maxLength: isStored ? size : Math.min(maxBlockBytes, size * maxRatio) })
    at += 4 + size + checksumBytes
  }
}

/** @returns where the output ends then */
function decompressBlock(block: Buffer, output: Buffer, start: number): number {
  let from = 0
  let to = start
  const lengthOf = (nibble: number): number => {
    let length = nibble
    for (let byte = nibble === 15 ? 255 : 0; byte === 255; length += byte) byte = block.readUInt8(from++)
    return length
  }
  for (;;) {
    const token = block.readUInt8(from++)
    const literals = lengthOf(token >> 4)
    if (literals > block.length - from || literals > output.length - to) throw corrupt()
    to += block.copy(output, to, from, from + literals)
    from += literals
    if (from === block.length) return to // only the last sequence has no match
    const distance = block.readUInt16LE(from)
    from += 2
    const end = to + minMatch + lengthOf(token & 15)
    if (distance === 0 || distance > to || end > output.length) throw corrupt()
    // Byte by byte: a match may reach into what it writes, and repeats it then.
    for (; to < end; to++) output[to] = output[to - distance] as number
  }
}

const corrupt = (): RangeError => new RangeError('an LZ4 block is corrupt')

/** A valid frame, of stored blocks: no service sends LZ4, tests do. */
export function storeAsLz4(content: Buffer): Buffer {
  const parts: Buffer[] = [header]
  for (let at = 0; at < content.length; at += storedBlockBytes) {
    const block = content.subarray(at, at + storedBlockBytes)
    parts.push(uint32(storedBit + block.length), block)
  }
  return Buffer.concat([...parts, uint32(0)])
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(value)
  return bytes
}
