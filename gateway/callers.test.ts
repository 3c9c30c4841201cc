import { deepStrictEqual, strictEqual, throws } from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import { readConfig } from '../shared/process/config.ts'
import { Callers, networkOf } from './callers.ts'

const asked = (remoteAddress: string, forwardedFor?: string): IncomingMessage =>
  ({
    socket: { remoteAddress },
    headers: { ...(forwardedFor !== undefined && { 'x-forwarded-for': forwardedFor }) },
  }) as unknown as IncomingMessage

describe('who calls', () => {
  const callers = new Callers(['10.0.0.0/8', '192.0.2.7', '2001:db8:1::/48'])

  for (const [what, from, forwardedFor, caller] of [
    ['is the address of the socket', '198.51.100.1', undefined, '198.51.100.1'],
    ['is that too where somebody claims to be another', '198.51.100.1', '203.0.113.9', '198.51.100.1'],
    ['is whom a trusted proxy names', '10.1.2.3', '203.0.113.9', '203.0.113.9'],
    ['is the same over a socket for both families', '::ffff:10.1.2.3', '203.0.113.9', '203.0.113.9'],
    ['is the last that no trusted proxy has', '10.1.2.3', '1.1.1.1, 203.0.113.9, 192.0.2.7', '203.0.113.9'],
    ['is not what stands before that', '10.1.2.3', '10.9.9.9, 203.0.113.9', '203.0.113.9'],
    ['is the proxy where it names nobody', '10.1.2.3', undefined, '10.1.2.3'],
    ['is the proxy where it names nonsense', '10.1.2.3', '203.0.113.9, <script>', '10.1.2.3'],
    ['is the first proxy where all are trusted', '10.1.2.3', '10.0.0.1, 10.0.0.2', '10.0.0.1'],
    ['is named with a port by some', '10.1.2.3', '203.0.113.9:4711', '203.0.113.9'],
    ['is named in brackets by some', '10.1.2.3', '[2001:db8:2::1]:4711', '2001:db8:2:0::/64'],
    ['comes through a proxy with IPv6 too', '2001:db8:1::5', '203.0.113.9', '203.0.113.9'],
    ['is a network of 64 bits with IPv6', '2001:db8:2:3:4:5:6:7', undefined, '2001:db8:2:3::/64'],
  ] as const) {
    it(what, () => strictEqual(callers.of(asked(from, forwardedFor)), caller))
  }

  it('goes by a list of proxies that is refused when it is none', () => {
    const trusting = (list: string) => () => readConfig({ TRUSTED_PROXIES: list })
    deepStrictEqual(trusting('')().TRUSTED_PROXIES, [])
    deepStrictEqual(trusting('10.0.0.0/8, 2001:db8::/32 ,192.0.2.7')().TRUSTED_PROXIES, [
      '10.0.0.0/8',
      '2001:db8::/32',
      '192.0.2.7',
    ])
    for (const wrong of ['proxy', '10.0.0.0/33', '10.0.0.0/', '10.0.0.0/8/8', '2001:db8::/129', '10.0.0']) {
      throws(trusting(wrong), /TRUSTED_PROXIES/)
    }
  })

  it('is one, however an IPv6 address is spelled', () => {
    for (const spelled of ['2001:DB8:0:0:1:2:3:4', '2001:0db8:0000:0000:9::', '2001:db8::1']) {
      strictEqual(networkOf(spelled), '2001:db8:0:0::/64')
    }
    strictEqual(networkOf('::1'), '0:0:0:0::/64')
    strictEqual(networkOf('1:2:3:4:5:6:7::'), '1:2:3:4::/64')
  })

  it('is somebody although the connection is gone already', () => {
    strictEqual(new Callers([]).of({ socket: {}, headers: {} } as unknown as IncomingMessage), '')
  })
})
