import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { Callers } from './callers.ts'
import type { GatewayUnderTest } from './gateway-under-test.ts'
import { goodRequest, startGateway } from './gateway-under-test.ts'
import { problemDocument } from './problem.ts'

describe('the rate limit', () => {
  let gateway: GatewayUnderTest
  const start = async (perCaller: number, overall: number): Promise<void> => {
    // The test's own address is the proxy, so that it can be many callers.
    const callers = new Callers(['127.0.0.1'])
    gateway = await startGateway({ callers, rateLimits: { perCaller, overall } })
  }
  afterEach(() => gateway.close())

  const get = (caller: string) => gateway.get('/catalogue', { 'x-forwarded-for': caller })

  it('says with every answer what a caller has left', async () => {
    await start(3, 10)
    const { headers } = await get('192.0.2.1')
    strictEqual(headers.get('ratelimit-policy'), '"caller";q=3;w=10')
    match(headers.get('ratelimit') ?? '', /^"caller";r=2;t=(?:[1-9]|10)$/)
    match((await get('192.0.2.1')).headers.get('ratelimit') ?? '', /^"caller";r=1;/)
  })

  it('refuses a caller that is over its limit, says until when, and serves the others', async () => {
    await start(2, 10)
    await get('192.0.2.1')
    await get('192.0.2.1')
    const refused = await get('192.0.2.1')
    strictEqual(refused.status, 429)
    strictEqual(refused.headers.get('content-type'), 'application/problem+json')
    const { type, detail } = problemDocument.parse(await refused.json())
    deepStrictEqual(
      [type, detail],
      ['/problems/rate_limited', '2 requests in 10 s are taken from one caller.'],
    )
    const retryAfter = Number(refused.headers.get('retry-after'))
    ok(retryAfter >= 1 && retryAfter <= 10, String(retryAfter))
    strictEqual(refused.headers.get('ratelimit'), `"caller";r=0;t=${retryAfter}`)
    strictEqual((await get('192.0.2.2')).status, 200)
  })

  it('refuses everybody when all together are over theirs, which the refused of one caller do not use up', async () => {
    await start(2, 4)
    for (let times = 0; times < 10; times++) await get('192.0.2.1')
    deepStrictEqual([(await get('192.0.2.2')).status, (await get('192.0.2.3')).status], [200, 200])
    const refused = await get('192.0.2.4')
    strictEqual(refused.status, 429)
    strictEqual(refused.headers.get('ratelimit-policy'), '"overall";q=4;w=10')
  })

  it('does nothing for what it refuses', async () => {
    await start(1, 10)
    await gateway.get('/catalogue')
    strictEqual((await gateway.post(goodRequest)).status, 429)
    strictEqual(gateway.stores.checkout.streamCount, 0)
  })

  it('does not count probes', async () => {
    await start(1, 1)
    for (let times = 0; times < 3; times++) {
      strictEqual((await gateway.get('/healthz')).status, 200)
      strictEqual((await gateway.get('/readyz')).status, 200)
    }
    strictEqual((await get('192.0.2.1')).status, 200)
  })
})
