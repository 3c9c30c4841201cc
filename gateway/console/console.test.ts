import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { BackendUnavailable } from '../../shared/backends/read-json.ts'
import type { LogLine } from '../../shared/backends/elasticsearch.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import type { GatewayUnderTest } from '../gateway-under-test.ts'
import { dependenciesFor, goodRequest, startGateway } from '../gateway-under-test.ts'
import { problemDocument } from '../problem.ts'
import { StoreGuard } from '../store-guard.ts'
import type { ConsoleBackends } from './backends.ts'
import type { Console } from './console.ts'
import { readPageFiles } from './page-files.ts'

const traceId = '0af7651916cd43dd8448eb211c80319c'
const otherTraceId = '1bf7651916cd43dd8448eb211c80319c'

const spanOf = (changes: Partial<TraceSpan>): TraceSpan => ({
  traceId,
  spanId: 'b7ad6b7169203331',
  parentSpanId: undefined,
  name: 'send checkouts',
  kind: 'producer',
  service: 'gateway',
  startMicros: 2_000,
  durationMicros: 1_000,
  attributes: {},
  links: [],
  failed: false,
  ...changes,
})

const lineOf = (changes: Partial<LogLine>): LogLine => ({
  time: '2026-11-23T10:00:00.000Z',
  severity: 'info',
  service: 'gateway',
  message: 'request',
  traceId,
  spanId: 'b7ad6b7169203331',
  attributes: {},
  ...changes,
})

/** Backends in which there is nothing. */
const emptyBackends: ConsoleBackends = {
  spansOfTrace: () => Promise.resolve([]),
  logsOfTrace: () => Promise.resolve([]),
  logsOfCheckout: () => Promise.resolve([]),
  acceptedCheckouts: () => Promise.resolve([]),
  chart: () => Promise.resolve({ unit: 'ms', times: [], series: [] }),
}

const away = () => Promise.reject(new BackendUnavailable('x does not answer at http://10.0.0.7:9200'))
const backendsThatAreAway: ConsoleBackends = {
  spansOfTrace: away,
  logsOfTrace: away,
  logsOfCheckout: away,
  acceptedCheckouts: away,
  chart: away,
}

const files = readPageFiles()
const consoleWith = (backends: Partial<ConsoleBackends> = {}): { console: Console } => ({
  console: { files, backends: { ...emptyBackends, ...backends }, pages: { kibana: 'http://kibana' } },
})

async function problemOf(response: Response, status: number, code: string) {
  strictEqual(response.status, status)
  const problem = problemDocument.parse(await response.json())
  strictEqual(problem.type, `/problems/${code}`)
  return problem
}

describe('the gateway without a console', () => {
  it('has nothing at its addresses', async () => {
    const gateway = await startGateway()
    try {
      const paths = ['/console', '/console/', '/console/style.css', '/console/api/checkouts']
      for (const path of paths) await problemOf(await gateway.get(path), 404, 'not_found')
    } finally {
      await gateway.close()
    }
  })
})

describe('the console', () => {
  let gateway: GatewayUnderTest
  const start = async (backends: Partial<ConsoleBackends> = {}, overrides: object = {}) => {
    gateway = await startGateway({ ...consoleWith(backends), ...overrides })
  }
  afterEach(() => gateway.close())

  const api = async (path: string): Promise<Record<string, unknown>> => {
    const response = await gateway.get(`/console/api/${path}`)
    strictEqual(response.status, 200, path)
    return (await response.json()) as Record<string, unknown>
  }

  it('is a page that may load and run what is its own, and nothing inline but its import map', async () => {
    await start()
    const response = await gateway.get('/console')
    match(response.headers.get('content-type') ?? '', /^text\/html/)
    const policy = response.headers.get('content-security-policy') ?? ''
    const html = await response.text()
    const inline = [...html.matchAll(/<script(?![^>]*src=)[^>]*>([^]*?)<\/script>/g)].map(
      ([, script = '']) => script,
    )
    strictEqual(inline.length, 1)
    const hash = createHash('sha256')
      .update(inline[0] ?? '')
      .digest('base64')
    ok(policy.includes(`script-src 'self' 'sha256-${hash}';`), policy)
    ok(!policy.includes('unsafe'))
    ok(!/<style|\sstyle=|\son\w+=/.test(html))
    strictEqual(response.headers.get('x-frame-options'), 'DENY')
  })

  it('sends every file that the page names, and every module that one imports', async () => {
    await start()
    const html = await (await gateway.get('/console')).text()
    const named = [...html.matchAll(/(?:href|src)="(\/console\/[^"]+)"/g)].map(([, path = '']) => path)
    const importMap = JSON.parse(/importmap">([^]*?)</.exec(html)?.[1] ?? '') as {
      imports: Record<string, string>
    }
    const resolve = (specifier: string, from: string): string => {
      if (specifier.startsWith('.')) return new URL(specifier, `http://x${from}`).pathname
      const [prefix] = Object.keys(importMap.imports)
        .filter((key) => specifier === key || (key.endsWith('/') && specifier.startsWith(key)))
        .sort((a, b) => b.length - a.length)
      ok(prefix !== undefined, `${specifier} is in no import map`)
      return `${importMap.imports[prefix] ?? ''}${specifier.slice(prefix.length)}`
    }
    const seen = new Set<string>()
    const visit = async (path: string): Promise<void> => {
      if (seen.has(path)) return
      seen.add(path)
      const response = await gateway.get(path)
      strictEqual(response.status, 200, path)
      const text = await response.text()
      if (!response.headers.get('content-type')?.startsWith('text/javascript')) return
      const imports = text.matchAll(
        /(?:^|[\s;}(])(?:import|export)\b(?:[^'"`;=()]*?\bfrom)?\s*\(?\s*['"]([^'"]+)['"]/g,
      )
      for (const [, specifier = ''] of imports) await visit(resolve(specifier, path))
    }
    for (const path of named) await visit(path)
    ok(seen.has('/console/modules/shared/traces/critical-path.ts'))
    ok(seen.has('/console/modules/lit-html/directive.js'))
    ok(seen.has('/console/modules/uplot/dist/uPlot.esm.js'))
    ok(![...seen].some((path) => path.includes('test')))
  })

  it('sends its modules without types, and not again when they have not changed', async () => {
    await start()
    const path = '/console/modules/gateway/console/page/main.ts'
    const first = await gateway.get(path)
    match(first.headers.get('content-type') ?? '', /^text\/javascript/)
    ok(!(await first.text()).includes('TemplateResult {'))
    const again = await gateway.get(path, {
      'if-none-match': first.headers.get('etag') ?? '',
      'cache-control': 'max-age=0', // as a browser asks; fetch would say no-cache
    })
    strictEqual(again.status, 304)
  })

  it('has no other file, however it is asked for', async () => {
    await start()
    for (const path of [
      'modules/package.json',
      'modules/gateway/main.ts',
      'modules/gateway/console/page/format.test.ts',
      'modules/..%2f..%2fpackage.json',
      '__proto__',
      'modules/',
    ]) {
      await problemOf(await gateway.get(`/console/${path}`), 404, 'not_found')
    }
  })

  it('says which pages there are to link to', async () => {
    await start()
    deepStrictEqual(await api('settings'), { pages: { kibana: 'http://kibana' } })
  })

  const badIds = ['', '..', '%2e%2e%2f_cat', 'a%2fb', 'a%20b', 'a'.repeat(65), '%00', '*', 'ä']
  it('puts no id into an address of a backend that is none', async () => {
    const asked: string[] = []
    const record = (id: string) => {
      asked.push(id)
      return Promise.resolve([])
    }
    await start({ spansOfTrace: record, logsOfTrace: record, logsOfCheckout: record })
    for (const id of badIds) {
      for (const path of [`checkouts/${id}`, `checkouts/${id}/spans`, `checkouts/${id}/logs`]) {
        const { status } = await gateway.get(`/console/api/${path}`)
        ok(status === 404 || (id === '' && status === 200), `${path}: ${status}`)
      }
    }
    const badTraceIds = [...badIds, traceId.toUpperCase(), '0'.repeat(32), traceId.slice(1), `${traceId}0`]
    for (const id of badTraceIds) {
      strictEqual((await gateway.get(`/console/api/traces/${id}/spans`)).status, 404, id)
      strictEqual((await gateway.get(`/console/api/traces/${id}/logs`)).status, 404, id)
    }
    await api('checkouts/c1/spans?trace=../../x')
    await api(`checkouts/c1/spans?trace=${traceId}&trace=${otherTraceId}`)
    deepStrictEqual(asked, ['c1', 'c1'], 'only the log lines of the one good id were asked for')
  })

  it('asks Prometheus what it has a name for, and nothing else', async () => {
    await start()
    deepStrictEqual(await api('charts/rate/15m'), { unit: 'ms', times: [], series: [] })
    for (const path of ['up/15m', 'rate/2d', 'constructor/15m', 'rate', 'rate/15m/x']) {
      await problemOf(await gateway.get(`/console/api/charts/${path}`), 404, 'not_found')
    }
    await problemOf(await gateway.get('/console/api/charts?query=up'), 404, 'not_found')
  })

  for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
    it(`only reads: it refuses ${method}`, async () => {
      await start()
      for (const path of ['/console', '/console/api/checkouts', `/console/api/traces/${traceId}/logs`]) {
        const response = await fetch(`${gateway.url}${path}`, { method, body: 'x'.repeat(100_000) })
        await problemOf(response, 405, 'method_not_allowed')
        strictEqual(response.headers.get('allow'), 'GET, HEAD')
      }
    })
  }

  it('shows all traces of a checkout, but not those of whoever asked how it stands', async () => {
    const spans: Record<string, TraceSpan[]> = {
      [traceId]: [spanOf({})],
      [otherTraceId]: [spanOf({ traceId: otherTraceId, startMicros: 1_000 })],
      ['2'.repeat(32)]: [spanOf({ kind: 'server', attributes: { 'http.request.method': 'GET' } })],
    }
    await start({
      spansOfTrace: (id) => Promise.resolve(spans[id] ?? []),
      logsOfCheckout: () =>
        Promise.resolve([
          lineOf({ traceId: otherTraceId }),
          lineOf({ traceId: otherTraceId }),
          lineOf({ traceId: '2'.repeat(32) }),
          lineOf({ traceId: '' }),
          lineOf({ traceId: '3'.repeat(32), attributes: { 'http.request.method': 'GET' } }),
        ]),
    })
    const { spans: shown, total } = await api(`checkouts/c1/spans?trace=${traceId}`)
    deepStrictEqual(
      (shown as TraceSpan[]).map((span) => span.traceId),
      [otherTraceId, traceId],
    )
    strictEqual(total, 2)
    const { logs } = await api('checkouts/c1/logs')
    ok((logs as LogLine[]).every(({ attributes }) => attributes['http.request.method'] !== 'GET'))
    strictEqual((logs as LogLine[]).length, 4)
  })

  it('shows the trace that a checkout began in while the logs are away', async () => {
    await start({ logsOfCheckout: away, spansOfTrace: () => Promise.resolve([spanOf({})]) })
    const { total } = await api(`checkouts/c1/spans?trace=${traceId}`)
    strictEqual(total, 1)
  })

  it('cuts a trace that no page could draw, and says how long it is', async () => {
    const spans = Array.from({ length: 2_500 }, (_, index) => spanOf({ startMicros: 2_500 - index }))
    await start({ spansOfTrace: () => Promise.resolve(spans) })
    const { spans: shown, total } = await api(`traces/${traceId}/spans`)
    strictEqual(total, 2_500)
    strictEqual((shown as TraceSpan[]).length, 2_000)
    strictEqual((shown as TraceSpan[])[0]?.startMicros, 1)
  })

  it('lists the checkouts that the log has, as they stand, and forgets none that has ended', async () => {
    const ids: string[] = []
    await start({ acceptedCheckouts: () => Promise.resolve(ids) })
    const accept = async () => {
      const { checkoutId } = (await (await gateway.post(goodRequest)).json()) as { checkoutId: string }
      ids.unshift(checkoutId)
      return checkoutId
    }
    const rejected = await accept()
    const requested = await accept()
    const reason = 'email_domain_blocked'
    const cause = await gateway.happen('users', rejected, `checkout/${rejected}@1/0`, {
      type: 'RegistrationRejected',
      data: { reason },
    })
    await gateway.happen('checkout', rejected, cause, { type: 'CheckoutRejected', data: { reason } })
    ids.push('of-a-store-that-was-emptied', 'not an id/..')
    const { checkouts } = await api('checkouts')
    const states = (checkouts as Record<string, unknown>[]).map(({ checkoutId, status }) => [
      checkoutId,
      status,
    ])
    deepStrictEqual(states, [
      [requested, 'requested'],
      [rejected, 'rejected'],
    ])
    // What has ended is not read again: the store may be away.
    gateway.stores.checkout.read = () => Promise.reject(new Error('asked again'))
    ids.splice(0, ids.length, rejected)
    strictEqual(((await api('checkouts')).checkouts as unknown[]).length, 1)
  })

  for (const [path, backend] of [
    ['checkouts', 'Elasticsearch'],
    ['checkouts/c1/logs', 'Elasticsearch'],
    [`traces/${traceId}/logs`, 'Elasticsearch'],
    [`traces/${traceId}/spans`, 'Jaeger'],
    [`checkouts/c1/spans?trace=${traceId}`, 'Jaeger'],
    ['charts/duration/6h', 'Prometheus'],
  ] as const) {
    it(`answers ${path.replace(traceId, '<id>')} with 502 while ${backend} is away, and says no more than its name`, async () => {
      await start(backendsThatAreAway)
      const { detail } = await problemOf(
        await gateway.get(`/console/api/${path}`),
        502,
        'backend_unavailable',
      )
      strictEqual(detail, `${backend} does not answer.`)
    })
  }

  it('answers 503 for what comes on top of 32 reads that wait for a backend', async () => {
    const gate = Promise.withResolvers<never[]>()
    await start({ logsOfTrace: () => gate.promise })
    const path = `/console/api/traces/${traceId}/logs`
    const waiting = Array.from({ length: 32 }, () => gateway.get(path))
    // They are all under way when one more is refused.
    for (;;) {
      const response = await gateway.get('/console/api/charts/rate/15m')
      await response.body?.cancel()
      if (response.status === 503) break
    }
    gate.resolve([])
    for (const response of await Promise.all(waiting)) strictEqual(response.status, 200)
    await api('charts/rate/15m')
  })

  it('has no place in traces and in the log, where it would bury what it shows', async () => {
    await start()
    const traceparent = `00-${traceId}-b7ad6b7169203331-01`
    const response = await gateway.get('/console/api/checkouts', { traceparent })
    strictEqual(response.headers.get('traceresponse'), null)
    const problem = await problemOf(await gateway.get('/console/nothing', { traceparent }), 404, 'not_found')
    strictEqual(problem.traceId, null)
    const lines = gateway.logLines.filter((line) => line['event.name'] === 'http.request')
    ok(
      lines.every(({ level }) => level === 20),
      JSON.stringify(lines),
    )
  })

  it('keeps to the limits of everybody', async () => {
    await start({}, { rateLimits: { perCaller: 2, overall: 10 } })
    for (const path of ['/console', '/console/style.css']) strictEqual((await gateway.get(path)).status, 200)
    await problemOf(await gateway.get('/console/api/settings'), 429, 'rate_limited')
  })

  it('answers 503 while the store is in trouble, as all routes do', async () => {
    const ping = () => new Promise<void>(() => undefined)
    const storeGuard = new StoreGuard({ timeoutMillis: 5, underWayLimit: 9, ping })
    await start({ acceptedCheckouts: () => Promise.resolve(['c1']) }, { storeGuard })
    const [stream] = dependenciesFor(gateway.stores).streams
    ok(stream)
    gateway.stores.users.read = () => new Promise(() => undefined)
    await problemOf(await gateway.get('/console/api/checkouts'), 503, 'store_unavailable')
  })
})
