import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { once } from 'node:events'
import { connect } from 'node:net'
import { MongoServerSelectionError } from 'mongodb'
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

  it('lets nothing be sniffed or cached', async () => {
    const { headers } = await gateway.get('/catalogue')
    strictEqual(headers.get('x-content-type-options'), 'nosniff')
    strictEqual(headers.get('cache-control'), 'no-store')
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

  it('refuses deep nesting as it refuses any unknown field', async () => {
    await problemOf(
      await gateway.post(`${'['.repeat(30_000)}${']'.repeat(30_000)}`),
      422,
      'validation_failed',
    )
    const nested = `${'{"a":'.repeat(8_000)}1${'}'.repeat(8_000)}`
    await problemOf(await gateway.post(nested), 422, 'validation_failed')
  })

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
