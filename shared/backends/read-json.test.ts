import { deepEqual, equal, rejects } from 'node:assert/strict'
import { once } from 'node:events'
import type { RequestListener, Server } from 'node:http'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { BackendUnavailable, readJson } from './read-json.ts'

describe('reading from a backend', () => {
  let server: Server
  let answer: RequestListener
  let url: URL

  beforeEach(async () => {
    server = createServer((request, response) => answer(request, response)).listen(0, '127.0.0.1')
    await once(server, 'listening')
    url = new URL(`http://127.0.0.1:${(server.address() as AddressInfo).port}/x`)
  })
  afterEach(() => {
    server.closeAllConnections()
    server.close()
  })

  const limits = { timeoutMillis: 200, answerBytes: 1_000 }
  const refused = (message: RegExp) =>
    rejects(readJson('Jaeger', url, undefined, {}, limits), (error: unknown) => {
      equal(error instanceof BackendUnavailable, true)
      equal(message.test((error as Error).message), true, (error as Error).message)
      return true
    })

  it('gives what was answered, and nothing for 404', async () => {
    answer = (_request, response) => response.end('{"a":[1]}')
    deepEqual(await readJson('Jaeger', url), { a: [1] })
    answer = (_request, response) => response.writeHead(404).end('{}')
    equal(await readJson('Jaeger', url), undefined)
  })

  it('refuses another status, with what was said', async () => {
    answer = (_request, response) => response.writeHead(400).end('no such field')
    await refused(/^Jaeger answered 400: no such field$/)
  })

  it('refuses what is not JSON, as a proxy in between may answer', async () => {
    answer = (_request, response) => response.end('<html>')
    await refused(/^Jaeger answered what is not JSON: <html>$/)
  })

  it('goes to nobody else', async () => {
    const asked: string[] = []
    answer = ({ url: path = '' }, response) => {
      asked.push(path)
      if (path === '/x') response.writeHead(302, { location: '/elsewhere' }).end()
      else response.end('{}')
    }
    await refused(/^Jaeger does not answer at http:\/\/127\.0\.0\.1:\d+$/)
    deepEqual(asked, ['/x'])
  })

  it('reads no more than the limit, though the answer never ends', async () => {
    const closed = Promise.withResolvers<boolean>()
    answer = (_request, response) => {
      const more = setInterval(() => response.write('1'.repeat(600)), 1)
      response.once('close', () => {
        closed.resolve(true)
        clearInterval(more)
      })
    }
    const patient = { timeoutMillis: 60_000, answerBytes: 1_000 }
    await rejects(readJson('Jaeger', url, undefined, {}, patient), BackendUnavailable)
    await closed.promise
  })

  it('waits no longer than the limit, for a part of the answer either', async () => {
    answer = () => undefined
    await refused(/^Jaeger does not answer/)
    answer = (_request, response) => void response.write('{')
    await refused(/^Jaeger does not answer/)
  })
})
