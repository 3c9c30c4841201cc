import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { eventually } from '../infra/verify/eventually.ts'
import { defaultServerLimits, type ServerLimits } from './edge-server.ts'
import type { GatewayUnderTest } from './gateway-under-test.ts'
import { goodRequest, startGateway } from './gateway-under-test.ts'
import { problemDocument } from './problem.ts'
import type { RawAnswer } from './raw-connection.ts'
import { answersIn, RawConnection } from './raw-connection.ts'

let gateway: GatewayUnderTest | undefined
const start = async (limits: Partial<ServerLimits> = {}): Promise<GatewayUnderTest> => {
  gateway = await startGateway({}, limits)
  return gateway
}

/** The answers to some bytes, when the gateway has closed the connection. */
async function answersTo({ url }: GatewayUnderTest, bytes: string): Promise<RawAnswer[]> {
  const connection = await RawConnection.to(url)
  connection.send(bytes)
  return answersIn(await connection.untilClosed())
}

function checkProblem(answer: RawAnswer | undefined, status: number, code: string): void {
  ok(answer, 'an answer')
  strictEqual(answer.status, status)
  strictEqual(answer.headers['content-type'], 'application/problem+json')
  strictEqual(answer.headers['x-content-type-options'], 'nosniff')
  const { type, detail } = problemDocument.parse(JSON.parse(answer.body))
  strictEqual(type, `/problems/${code}`)
  ok(!/HPE_|\.[jt]s\b/.test(detail), detail)
}

const json = JSON.stringify(goodRequest)
const post = (headers: string, body = json): string =>
  `POST /checkouts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n${headers}\r\n${body}`

describe('the edge', () => {
  afterEach(async () => {
    await gateway?.close()
    gateway = undefined
  })

  for (const [what, bytes] of [
    ['is no HTTP', 'hello\r\n\r\n'],
    ['is TLS', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['is HTTP/2', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'],
    ['has a method that there is not', 'BREW /checkouts HTTP/1.1\r\nHost: a\r\n\r\n'],
    ['has a header with a NUL', 'GET /catalogue HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n'],
    ['has a blank before a colon', 'GET /catalogue HTTP/1.1\r\nHost: a\r\nX : a\r\n\r\n'],
    ['has both lengths', post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', '0\r\n\r\n')],
    ['has two lengths', post('Content-Length: 5\r\nContent-Length: 6\r\n')],
    ['has a length with a sign', post('Content-Length: +5\r\n')],
    ['has another coding after chunked', post('Transfer-Encoding: chunked, identity\r\n')],
    ['has chunked disguised', post('Transfer-Encoding: xchunked\r\n', '0\r\n\r\n')],
    ['has a chunk of no size', post('Transfer-Encoding: chunked\r\n', 'zz\r\nab\r\n0\r\n\r\n')],
    ['has a chunk longer than it says', post('Transfer-Encoding: chunked\r\n', '2\r\nabcd\r\n0\r\n\r\n')],
    ['ends its lines with a bare line feed', 'GET /catalogue HTTP/1.1\nHost: a\n\n'],
  ] as const) {
    it(`refuses what ${what}, and closes the connection`, async () => {
      const answers = await answersTo(await start(), bytes)
      checkProblem(answers[0], 400, 'malformed_request')
      strictEqual(answers[0]?.headers.connection, 'close')
      strictEqual(answers.length, 1)
    })
  }

  it('takes nothing for a request that is hidden in the body of another', async () => {
    const running = await start()
    const hidden = 'GET /catalogue HTTP/1.1\r\nHost: a\r\n\r\n'
    const smuggled = post(
      `Content-Length: ${5 + hidden.length}\r\nTransfer-Encoding: chunked\r\n`,
      `0\r\n\r\n${hidden}`,
    )
    strictEqual((await answersTo(running, smuggled)).length, 1)
  })

  it('answers requests that come in one go in their order', async () => {
    const get = (path: string, more = '') => `GET ${path} HTTP/1.1\r\nHost: a\r\n${more}\r\n`
    const bytes = [get('/healthz'), get('/nothing'), get('/catalogue', 'Connection: close\r\n')].join('')
    const answers = await answersTo(await start(), bytes)
    deepStrictEqual(
      answers.map(({ status }) => status),
      [200, 404, 200],
    )
  })

  for (const target of ['http://[::1', 'http://a:99999/healthz', 'ftp://a/healthz', 'healthz']) {
    it(`refuses the target ${target}`, async () => {
      const bytes = `GET ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`
      checkProblem((await answersTo(await start(), bytes))[0], 400, 'malformed_request')
    })
  }

  for (const [what, hosts] of [
    ['no host', ''],
    ['two hosts', 'Host: a\r\nHost: b\r\n'],
  ] as const) {
    it(`refuses a request with ${what}`, async () => {
      const bytes = `GET /healthz HTTP/1.1\r\nConnection: close\r\n${hosts}\r\n`
      checkProblem((await answersTo(await start(), bytes))[0], 400, 'malformed_request')
    })
  }

  it('refuses headers that are too large, or too many', async () => {
    const running = await start()
    const withHeaders = (headers: string) => `GET /catalogue HTTP/1.1\r\nHost: a\r\n${headers}\r\n`
    const [large] = await answersTo(running, withHeaders(`X: ${'a'.repeat(20_000)}\r\n`))
    checkProblem(large, 431, 'headers_too_large')
    const many = Array.from({ length: 101 }, (_, index) => `X-${index}: a\r\n`).join('')
    const [tooMany] = await answersTo(running, withHeaders(`Connection: close\r\n${many}`))
    checkProblem(tooMany, 431, 'headers_too_large')
    const some = Array.from({ length: 97 }, (_, index) => `X-${index}: a\r\n`).join('')
    const [enough] = await answersTo(running, withHeaders(`Connection: close\r\n${some}`))
    strictEqual(enough?.status, 200)
  })

  it('gives slow headers and slow bodies their time and no more', async () => {
    const running = await start({ headersMillis: 100, requestMillis: 200, checkMillis: 20 })
    const [headers] = await answersTo(running, 'GET /catalogue HTTP/1.1\r\nHost: a\r\nX-Slow: ')
    checkProblem(headers, 408, 'request_timeout')
    const [body] = await answersTo(running, post('Content-Length: 500\r\n', '{'))
    checkProblem(body, 408, 'request_timeout')
  })

  it('closes connections that are idle, before a request and after one', async () => {
    const running = await start({ headersMillis: 50, keepAliveMillis: 50, checkMillis: 20, idleMillis: 200 })
    const silent = await RawConnection.to(running.url)
    await silent.untilClosed()
    const asked = await RawConnection.to(running.url)
    asked.send('GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n')
    match(await asked.untilClosed(), /^HTTP\/1\.1 200/)
  })

  it('closes a connection after so many requests', async () => {
    const running = await start({ requestsPerConnection: 2 })
    const get = 'GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n'
    const answers = await answersTo(running, get + get + get)
    deepStrictEqual(
      answers.map(({ status, headers }) => [status, headers.connection]),
      [
        [200, 'keep-alive'],
        [200, 'close'],
      ],
    )
  })

  it('keeps no more connections of one address than it may have, and serves the others', async () => {
    const running = await start({ connectionsPerCaller: 2 })
    const [first, second, third] = [
      await RawConnection.to(running.url),
      await RawConnection.to(running.url),
      await RawConnection.to(running.url),
    ]
    strictEqual(await third.untilClosed(), '')
    first.close()
    const served = await eventually('a connection that is served', async () => {
      const next = await RawConnection.to(running.url)
      next.send('GET /healthz HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n')
      const text = await next.untilClosed()
      return text === '' ? undefined : text
    })
    match(served, /^HTTP\/1\.1 200/)
    second.close()
  })

  it('keeps no more connections than there may be', async () => {
    const running = await start({ connections: 1 })
    const first = await RawConnection.to(running.url)
    const second = await RawConnection.to(running.url)
    strictEqual(await second.untilClosed(), '')
    first.close()
  })

  it('refuses to be a proxy, and takes a target that is a whole URL for its path', async () => {
    const running = await start()
    const [connect] = await answersTo(
      running,
      'CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n',
    )
    checkProblem(connect, 405, 'method_not_allowed')
    const [absolute] = await answersTo(
      running,
      'GET http://elsewhere.example/healthz HTTP/1.1\r\nHost: elsewhere.example\r\nConnection: close\r\n\r\n',
    )
    deepStrictEqual([absolute?.status, absolute?.body], [200, '{"status":"alive"}'])
  })

  it('answers an upgrade and an unknown expectation as what they are besides', async () => {
    const running = await start()
    const get = (header: string) =>
      `GET /healthz HTTP/1.1\r\nHost: a\r\n${header}\r\nConnection: close\r\n\r\n`
    for (const header of ['Upgrade: h2c', 'Upgrade: websocket', 'Expect: the-best']) {
      const [answer] = await answersTo(running, get(header))
      strictEqual(answer?.status, 200, header)
    }
  })

  it('answers 100-continue, and then the request', async () => {
    const running = await start()
    const connection = await RawConnection.to(running.url)
    connection.send(
      post(`Expect: 100-continue\r\nConnection: close\r\nContent-Length: ${json.length}\r\n`, ''),
    )
    await eventually('the continue', () =>
      Promise.resolve(/^HTTP\/1\.1 100/.test(connection.received) || undefined),
    )
    connection.send(json)
    const [answer] = answersIn(await connection.untilClosed())
    strictEqual(answer?.status, 202)
  })

  it('has limits that fit together: an event stream’s heartbeat comes before it is taken for idle', () => {
    ok(defaultServerLimits.idleMillis > 2 * 15_000)
    ok(defaultServerLimits.requestMillis > defaultServerLimits.headersMillis)
  })
})
