import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { MongoServerSelectionError } from 'mongodb'
import { Callers } from './callers.ts'
import type { GatewayUnderTest } from './gateway-under-test.ts'
import { dependenciesFor, goodRequest, startGateway } from './gateway-under-test.ts'
import { InMemoryEventStore } from './in-memory-event-store.ts'
import { problemDocument } from './problem.ts'

const json = async (response: Response): Promise<Record<string, unknown>> =>
  (await response.json()) as Record<string, unknown>

/** The problem document of a response, checked. */
async function problemOf(response: Response, status: number, code: string) {
  strictEqual(response.status, status)
  strictEqual(response.headers.get('content-type'), 'application/problem+json')
  const problem = problemDocument.parse(await response.json())
  strictEqual(problem.type, `/problems/${code}`)
  strictEqual(problem.status, status)
  match(problem.traceId ?? '', /^[0-9a-f]{32}$/)
  return problem
}

describe('the gateway', () => {
  let gateway: GatewayUnderTest
  beforeEach(async () => {
    gateway = await startGateway()
  })
  afterEach(() => gateway.close())

  it('lists what can be bought and how to pay', async () => {
    const { products, paymentTokens } = await json(await gateway.get('/catalogue'))
    ok(Array.isArray(products) && products.length > 0)
    ok(Array.isArray(paymentTokens))
    deepStrictEqual(paymentTokens[0], { token: 'tok_visa', what: 'is captured' })
  })

  it('says that it lives, and that it is ready', async () => {
    deepStrictEqual(await json(await gateway.get('/healthz')), { status: 'alive' })
    strictEqual((await gateway.get('/readyz')).status, 200)
  })

  it('tells every caller which trace its request became', async () => {
    const traceparent = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    const response = await gateway.get('/catalogue', { traceparent })
    match(
      response.headers.get('traceresponse') ?? '',
      /^00-0af7651916cd43dd8448eb211c80319c-[0-9a-f]{16}-01$/,
    )
  })

  for (const path of ['/catalogue', '/nothing', '/healthz']) {
    it(`lets a browser do nothing with ${path}, and says nothing of what it is made with`, async () => {
      const { headers } = await gateway.get(path)
      const named = (name: string) => headers.get(name)
      strictEqual(named('x-content-type-options'), 'nosniff')
      strictEqual(named('cache-control'), 'no-store')
      strictEqual(named('content-security-policy'), "default-src 'none'; frame-ancestors 'none'")
      strictEqual(named('referrer-policy'), 'no-referrer')
      strictEqual(named('x-frame-options'), 'DENY')
      strictEqual(named('cross-origin-opener-policy'), 'same-origin')
      strictEqual(named('cross-origin-resource-policy'), 'same-origin')
      deepStrictEqual([named('server'), named('x-powered-by')], [null, null])
      strictEqual(named('strict-transport-security'), null)
      strictEqual(named('access-control-allow-origin'), null)
    })
  }

  it('asks for TLS from now on where a trusted proxy says that the caller came by it, and only there', async () => {
    const header = { 'x-forwarded-proto': 'https' }
    strictEqual((await gateway.get('/catalogue', header)).headers.get('strict-transport-security'), null)
    await gateway.close()
    gateway = await startGateway({ callers: new Callers(['127.0.0.1']) })
    const { headers } = await gateway.get('/catalogue', header)
    strictEqual(headers.get('strict-transport-security'), 'max-age=63072000')
  })

  it('refuses an address that it does not have', async () => {
    await problemOf(await gateway.get('/nothing'), 404, 'not_found')
    await problemOf(await gateway.get('/'), 404, 'not_found')
    await problemOf(await gateway.get('/%'), 404, 'not_found')
  })

  it('refuses a method that an address does not answer to, and names those that it does', async () => {
    const response = await fetch(`${gateway.url}/checkouts/c1`, { method: 'DELETE' })
    strictEqual(response.headers.get('allow'), 'GET, HEAD')
    await problemOf(response, 405, 'method_not_allowed')
    const onCollection = await gateway.get('/checkouts')
    strictEqual(onCollection.headers.get('allow'), 'POST')
    await problemOf(onCollection, 405, 'method_not_allowed')
  })

  it('explains each kind of problem at its type', async () => {
    const { type } = await problemOf(await gateway.get('/nothing'), 404, 'not_found')
    deepStrictEqual(await json(await gateway.get(type)), {
      type: '/problems/not_found',
      title: 'There is nothing at this address',
      status: 404,
    })
    await problemOf(await gateway.get('/problems/__proto__'), 404, 'not_found')
  })

  for (const [what, body] of [
    ['cut short', '{"user":'],
    ['empty', ''],
    ['not UTF-8', Buffer.from([0x22, 0xff, 0xfe, 0x22])],
    ['a script', 'alert(1)'],
  ] as const) {
    it(`refuses a body that is ${what}, without quoting it`, async () => {
      const headers = { 'content-type': 'application/json' }
      const response = await fetch(`${gateway.url}/checkouts`, { method: 'POST', headers, body })
      const { detail } = await problemOf(response, 400, 'malformed_json')
      match(detail, /^These \d+ bytes/)
    })
  }

  for (const [name, value] of [
    ['content-type', 'text/plain'],
    ['content-type', 'application/x-www-form-urlencoded'],
    ['content-type', 'application/json; charset=latin1'],
    ['content-type', 'application/jsonp'],
    ['content-encoding', 'gzip'],
  ] as const) {
    it(`refuses a body with ${name}: ${value}`, async () => {
      await problemOf(await gateway.post(goodRequest, { [name]: value }), 415, 'unsupported_media_type')
    })
  }

  it('reads application/json with its charset named', async () => {
    const spelled = ['application/json; charset=utf-8', 'Application/JSON;charset="UTF-8"']
    for (const value of spelled)
      strictEqual((await gateway.post(goodRequest, { 'content-type': value })).status, 202)
  })

  it('refuses a body over 64 KiB, whether its length is declared or not, and goes on', async () => {
    const large = JSON.stringify({ ...goodRequest, filler: 'a'.repeat(1_000_000) })
    await problemOf(await gateway.post(large), 413, 'body_too_large')
    const undeclared = await fetch(`${gateway.url}/checkouts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: new Blob([large]).stream(),
      duplex: 'half',
    })
    await problemOf(undeclared, 413, 'body_too_large')
    strictEqual((await gateway.post(goodRequest)).status, 202)
  })

  for (const [what, body] of [
    ['deep lists', `${'['.repeat(30_000)}${']'.repeat(30_000)}`],
    ['deep objects', `${'{"a":'.repeat(8_000)}1${'}'.repeat(8_000)}`],
    ['17 levels', `${'['.repeat(17)}${']'.repeat(17)}`],
    ['many values', JSON.stringify(Array.from({ length: 2_000 }, () => 0))],
    ['many keys', JSON.stringify(Object.fromEntries(Array.from({ length: 2_000 }, (_, key) => [key, 0])))],
  ] as const) {
    it(`refuses ${what} before it looks at what they say`, async () => {
      await problemOf(await gateway.post(body), 400, 'json_too_complex')
    })
  }

  it('looks at what is at both limits', async () => {
    await problemOf(await gateway.post(`${'['.repeat(16)}${']'.repeat(16)}`), 422, 'validation_failed')
    await problemOf(await gateway.post(Array.from({ length: 1_999 }, () => 0)), 422, 'validation_failed')
  })

  for (const key of ['__proto__', 'constructor', 'prototype']) {
    it(`refuses the key ${key} by its name, at any depth`, async () => {
      const json = JSON.stringify(goodRequest)
      const nested = json.replace('"user":{', `"user":{"${key}":{"isAdmin":true},`)
      const { errors } = await problemOf(await gateway.post(nested), 422, 'validation_failed')
      deepStrictEqual(
        errors?.map(({ pointer }) => pointer),
        [`/user/${key}`],
      )
      strictEqual('isAdmin' in {}, false)
    })
  }

  it('goes on after a client that leaves in the middle of its body', async () => {
    const socket = connect(Number(new URL(gateway.url).port), '127.0.0.1')
    socket.write(
      'POST /checkouts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{',
    )
    await once(socket, 'connect')
    socket.destroy()
    await once(socket, 'close')
    strictEqual((await gateway.post(goodRequest)).status, 202)
  })

  it('logs one line a request: the route and never the path, the query or the body', async () => {
    const token = 'tok_secret'
    await gateway.post({ ...goodRequest, payment: { token } }, { 'idempotency-key': 'key-secret' })
    await gateway.get('/checkouts/some-secret?email=secret@example.com')
    await gateway.post({ user: 'secret' })
    await gateway.get('/secret')
    const lines = await eventually(() => {
      const found = gateway.logLines.filter((line) => line['event.name'] === 'http.request')
      return found.length === 4 ? found : undefined
    })
    deepStrictEqual(
      lines.map((line) => [
        line['http.request.method'],
        line['http.route'],
        line['http.response.status_code'],
      ]),
      [
        ['POST', '/checkouts', 202],
        ['GET', '/checkouts/:checkoutId', 404],
        ['POST', '/checkouts', 422],
        ['GET', undefined, 404],
      ],
    )
    ok(lines.every((line) => typeof line.duration_ms === 'number'))
    match(String(lines[0]?.['saga.id']), /^[0-9a-f-]{36}$/)
    const everything = JSON.stringify(gateway.logLines)
    for (const secret of ['secret', goodRequest.user.email, goodRequest.user.name]) {
      ok(!everything.includes(secret), `${secret} was logged`)
    }
  })
})

describe('the gateway, when something fails', () => {
  it('answers 503 while the store is away, with when to come back', async () => {
    const store = new InMemoryEventStore('checkout')
    store.append = () => Promise.reject(new MongoServerSelectionError('10.0.0.7 is away', {} as never))
    const { register } = dependenciesFor({} as never)
    const gateway = await startGateway({ register: { ...register, store } })
    try {
      const response = await gateway.post(goodRequest)
      strictEqual(response.headers.get('retry-after'), '5')
      const problem = await problemOf(response, 503, 'store_unavailable')
      ok(!JSON.stringify(problem).includes('10.0.0.7'))
    } finally {
      await gateway.close()
    }
  })

  it('answers 500 with nothing of the inside, and logs what it was', async () => {
    const broken = new InMemoryEventStore('users')
    broken.read = () => Promise.reject(new TypeError('cannot read the secret of undefined'))
    const gateway = await startGateway({ streams: [broken] })
    try {
      const problem = await problemOf(await gateway.get('/checkouts/c1'), 500, 'internal_error')
      ok(!JSON.stringify(problem).includes('secret'))
      ok(!JSON.stringify(problem).includes('.ts'))
      const line = gateway.logLines.find((logged) => logged['event.name'] === 'http.request_failed')
      match(JSON.stringify(line), /cannot read the secret of undefined/)
    } finally {
      await gateway.close()
    }
  })

  it('is not ready while it cannot do its work', async () => {
    const readiness = () =>
      Promise.resolve({
        status: 'not ready',
        store: 'unreachable',
        kafka: 'connected',
        draining: false,
      } as const)
    const gateway = await startGateway({ readiness })
    try {
      strictEqual((await gateway.get('/readyz')).status, 503)
    } finally {
      await gateway.close()
    }
  })

  it('closes the connections that it answers on while it drains', async () => {
    const gateway = await startGateway()
    try {
      gateway.drain.abort()
      const response = await gateway.post(goodRequest)
      strictEqual(response.status, 202)
      strictEqual(response.headers.get('connection'), 'close')
    } finally {
      await gateway.close()
    }
  })
})

async function eventually<T>(look: () => T | undefined): Promise<T> {
  for (let looks = 0; looks < 200; looks++) {
    const found = look()
    if (found !== undefined) return found
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  throw new Error('it did not come about')
}
