/**
 * Reads MessagePack (https://github.com/msgpack/msgpack/blob/master/spec.md), as much of it as traces are written in: no
 * extension types. Whole numbers past what a double holds lose their last digits: ids are not what is looked for here.
 */
export type Packed = null | boolean | number | string | Buffer | Packed[] | { readonly [key: string]: Packed }

/** @throws RangeError when it ends too early, Error at a type that is not read here */
export function unpack(bytes: Buffer): Packed {
  return new Reader(bytes).value()
}

class Reader {
  readonly #bytes: Buffer
  #at = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  value(): Packed {
    const type = this.#uint(1)
    if (type <= 0x7f) return type
    if (type <= 0x8f) return this.#map(type & 0x0f)
    if (type <= 0x9f) return this.#array(type & 0x0f)
    if (type <= 0xbf) return this.#take(type & 0x1f).toString()
    if (type >= 0xe0) return type - 0x100
    switch (type) {
      case 0xc0:
        return null
      case 0xc2:
        return false
      case 0xc3:
        return true
      case 0xc4:
      case 0xc5:
      case 0xc6:
        return this.#take(this.#uint(2 ** (type - 0xc4)))
      case 0xca:
        return this.#take(4).readFloatBE()
      case 0xcb:
        return this.#take(8).readDoubleBE()
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(2 ** (type - 0xcc))
      case 0xcf:
        return Number(this.#take(8).readBigUInt64BE())
      case 0xd0:
        return this.#take(1).readInt8()
      case 0xd1:
        return this.#take(2).readInt16BE()
      case 0xd2:
        return this.#take(4).readInt32BE()
      case 0xd3:
        return Number(this.#take(8).readBigInt64BE())
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#take(this.#uint(2 ** (type - 0xd9))).toString()
      case 0xdc:
      case 0xdd:
        return this.#array(this.#uint(type === 0xdc ? 2 : 4))
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(type === 0xde ? 2 : 4))
      default:
        throw new Error(`MessagePack of type 0x${type.toString(16)} is not read here`)
    }
  }

  #array(length: number): Packed[] {
    const items: Packed[] = []
    for (let index = 0; index < length; index++) items.push(this.value())
    return items
  }

  #map(size: number): Record<string, Packed> {
    const entries: Record<string, Packed> = {}
    for (let index = 0; index < size; index++) entries[this.#key()] = this.value()
    return entries
  }

  #key(): string {
    const key = this.value()
    if (typeof key !== 'string') throw new Error('MessagePack with keys that are no strings is not read here')
    return key
  }

  #uint(bytes: number): number {
    return this.#take(bytes).readUIntBE(0, bytes)
  }

  #take(length: number): Buffer {
    const end = this.#at + length
    if (end > this.#bytes.length) throw new RangeError('MessagePack that ends too early')
    const taken = this.#bytes.subarray(this.#at, end)
    this.#at = end
    return taken
  }
}
