import { deepEqual, equal, throws } from 'node:assert/strict'
import { decompressLz4, storeAsLz4 } from './lz4-frame.ts'

const limit = 1_024 * 1_024

/** Written by the reference implementation, lz4 1.9.4. */
const frames: Readonly<Record<string, readonly [base64: string, content: string]>> = {
  'one block, with a checksum of it and the content size': [
    'BCJNGHRAvSkAAAD1Am9uZSBjaGVja291dCwgdHdvDgDwA3MsIHRocmVlIGNoZWNrb3V0c8FZwn0AAAAAv1wI5A==',
    'one checkout, two checkouts, three checkouts',
  ],
  'blocks that refer to the ones before': [
    // prettier-ignore
    'BCJNGERAXg8BAABfc2FnYQoFAP/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////jUGFnYQpzCgEAAA/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////oUGdhCnNhDwEAAF9nYQpzYQUA/////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////////+NQYQpzYWcXAAAAD////////////////////zVQc2FnYQoAAAAAZ5facg==',
    'saga\n'.repeat(40_000),
  ],
}

describe('an LZ4 frame', () => {
  for (const [what, [base64, content]] of Object.entries(frames)) {
    const frame = Buffer.from(base64, 'base64')

    it(`of ${what} is read`, () => {
      equal(decompressLz4(frame, limit).toString(), content)
    })

    it(`of ${what} never becomes more than the limit`, () => {
      throws(() => decompressLz4(frame, content.length - 1), /the limit is/)
    })

    it(`of ${what} is refused wherever it is cut off`, () => {
      const endMark = frame.length - 4 // a checksum that is not looked at follows
      for (let end = 0; end < endMark; end++)
        throws(() => decompressLz4(frame.subarray(0, end), limit), RangeError)
    })

    it(`of ${what} is read as something or refused, whatever byte of it is wrong`, () => {
      for (let at = 0; at < frame.length; at++) {
        const corrupt = Buffer.from(frame)
        corrupt.writeUInt8(corrupt.readUInt8(at) ^ 0xff, at)
        try {
          decompressLz4(corrupt, limit)
        } catch (error) {
          equal((error as Error).name, 'RangeError')
        }
      }
    })
  }

  it('is read as it was stored, of whatever size', () => {
    for (const size of [0, 1, 65_535, 65_536, 200_000]) {
      const content = Buffer.alloc(size, 'checkout')
      deepEqual(decompressLz4(storeAsLz4(content), limit), content)
    }
  })

  it('that copies from before its beginning is refused', () => {
    const block = Buffer.from([0x10, 0x61, 0x02, 0x00])
    const frame = Buffer.concat([
      storeAsLz4(Buffer.alloc(0)).subarray(0, 7),
      Buffer.from([4, 0, 0, 0]),
      block,
    ])
    throws(() => decompressLz4(Buffer.concat([frame, Buffer.alloc(4)]), limit), /corrupt/)
  })

  it('is not taken for one without its magic number', () => {
    throws(() => decompressLz4(Buffer.from('no frame at all'), limit), /not an LZ4 frame/)
  })
})
