/**
 * Who asks, as far as limits are concerned: an address. It is the socket's, or, where that is a trusted proxy's,
 * the right-most entry of X-Forwarded-For that no trusted proxy has: what stands left of it anybody may have written.
 */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'

type Asked = Pick<IncomingMessage, 'headers' | 'socket'>

export class Callers {
  readonly #trusted = new BlockList()

  /** @param trustedProxies addresses and CIDR ranges, see TRUSTED_PROXIES */
  constructor(trustedProxies: readonly string[]) {
    for (const entry of trustedProxies) {
      const [address = '', bits] = entry.split('/')
      const family = isIP(address) === 6 ? 'ipv6' : 'ipv4'
      if (bits === undefined) this.#trusted.addAddress(address, family)
      else this.#trusted.addSubnet(address, Number(bits), family)
    }
  }

  isTrusted(address: string): boolean {
    return this.#trusted.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4')
  }

  /** The caller under whose name a request is counted; IPv6 by its /64, which is what one caller is given. */
  of({ headers, socket }: Asked): string {
    let caller = plainAddress(socket.remoteAddress ?? '')
    const hops = [headers['x-forwarded-for'] ?? []].flat().join(',').split(',')
    for (const hop of hops.reverse()) {
      if (!this.isTrusted(caller)) break
      const address = plainAddress(withoutPort(hop.trim()))
      if (isIP(address) === 0) break // whoever wrote this, the proxy that passed it on is the last one known
      caller = address
    }
    return networkOf(caller)
  }

  /** True when the caller's side of the connection is TLS, here or at a trusted proxy. */
  isSecure({ headers, socket }: Asked): boolean {
    if ('encrypted' in socket) return true
    const address = plainAddress(socket.remoteAddress ?? '')
    return this.isTrusted(address) && headers['x-forwarded-proto'] === 'https'
  }
}

/** Without a zone, and IPv4 as IPv4 where a socket for both families says `::ffff:192.0.2.1`. */
export const plainAddress = (address: string): string =>
  address.replace(/%.*$/, '').replace(/^::ffff:(?=\d+\.)/i, '')

/** `192.0.2.1:4711` and `[2001:db8::1]:4711`, as some proxies write them. */
const withoutPort = (hop: string): string =>
  /^\[(.+)\](?::\d+)?$/.exec(hop)?.[1] ?? /^([\d.]+):\d+$/.exec(hop)?.[1] ?? hop

export function networkOf(address: string): string {
  if (isIP(address) !== 6) return address
  const [head = '', tail] = address.toLowerCase().split('::')
  const left = head === '' ? [] : head.split(':')
  const right = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? 0 : Math.max(0, 8 - left.length - right.length)
  const groups = [...left, ...Array<string>(zeros).fill('0'), ...right]
  return `${groups
    .slice(0, 4)
    .map((group) => group.replace(/^0+(?=.)/, ''))
    .join(':')}::/64`
}
