import { deepEqual, throws } from 'node:assert/strict'
import { unpack } from './message-pack.ts'

/** As the specification writes examples: bytes in hexadecimal. */
const read = (hex: string) => unpack(Buffer.from(hex.replaceAll(' ', ''), 'hex'))
const text = (length: number) => Buffer.alloc(length, 'a').toString('hex')

describe('MessagePack', () => {
  it('is read as the specification has it, in the short forms and the long ones', () => {
    deepEqual(read('c0'), null)
    deepEqual([read('c2'), read('c3')], [false, true])
    deepEqual(
      [read('7f'), read('cc ff'), read('cd ffff'), read('ce ffffffff')],
      [127, 255, 65_535, 2 ** 32 - 1],
    )
    deepEqual(read('cf 0000000100000000'), 2 ** 32)
    deepEqual(
      [read('ff'), read('d0 80'), read('d1 8000'), read('d2 80000000')],
      [-1, -128, -32_768, -(2 ** 31)],
    )
    deepEqual(read('d3 ffffffffffffffff'), -1)
    deepEqual([read('ca 3fc00000'), read('cb 3ff8000000000000')], [1.5, 1.5])
    deepEqual(read('a3 616263'), 'abc')
    deepEqual(read(`d9 20 ${text(32)}`), 'a'.repeat(32))
    deepEqual(read(`da 0100 ${text(256)}`), 'a'.repeat(256))
    deepEqual(read('c4 02 0102'), Buffer.from([1, 2]))
    deepEqual(read('92 01 91 02'), [1, [2]])
    deepEqual(read('dc 0001 01'), [1])
    deepEqual(read('dd 00000002 01 02'), [1, 2])
    deepEqual(read('81 a1 61 82 a1 62 01 a1 63 c0'), { a: { b: 1, c: null } })
    deepEqual(read('de 0001 a1 61 01'), { a: 1 })
  })

  it('is refused where it ends too early, or is of a type that traces have not', () => {
    throws(() => read('92 01'), RangeError)
    throws(() => read('d9 20 61'), RangeError)
    throws(() => read('c7 01 02 03'), /0xc7/)
    throws(() => read('81 01 02'), /no strings/)
  })
})
