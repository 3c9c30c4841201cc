/**
 * What stands in for Elasticsearch's own security in tests: the distribution that runs natively has none. HTTPS and
 * one user, then the request goes on as it came.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { request } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { ServerCertificate } from '../native/servers/server-certificate.ts'

export interface ElasticsearchGate {
  readonly url: string
  /** Why clients broke off before they had said anything, as codes of OpenSSL's errors. */
  readonly brokenOff: readonly string[]
  close(): Promise<void>
}

export interface GateOptions {
  readonly certificate: ServerCertificate
  readonly username: string
  readonly password: string
  /** Of the Elasticsearch behind it, on 127.0.0.1. */
  readonly port: number
}

export async function openElasticsearchGate(options: GateOptions): Promise<ElasticsearchGate> {
  const { certificate, username, password, port } = options
  const expected = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const tls = { cert: readFileSync(certificate.certificateFile), key: readFileSync(certificate.keyFile) }
  const gate = createServer(tls, (incoming, answer) => {
    if (incoming.headers.authorization !== expected) {
      answer.writeHead(401, { 'www-authenticate': 'Basic realm="security"' }).end('{"status":401}')
      return
    }
    const { method, url: path, headers } = incoming
    const onward = request({ host: '127.0.0.1', port, method, path, headers }, (response) => {
      answer.writeHead(response.statusCode ?? 502, response.headers)
      response.pipe(answer)
    })
    onward.once('error', () => answer.writeHead(502).end())
    incoming.pipe(onward)
  })
  const brokenOff: string[] = []
  gate.on('tlsClientError', ({ code = '' }: NodeJS.ErrnoException) => brokenOff.push(code))
  gate.listen(0, '127.0.0.1')
  await once(gate, 'listening')
  return {
    url: `https://127.0.0.1:${(gate.address() as AddressInfo).port}`,
    brokenOff,
    close: () =>
      new Promise((resolve) => {
        gate.close(() => resolve())
        gate.closeAllConnections()
      }),
  }
}
