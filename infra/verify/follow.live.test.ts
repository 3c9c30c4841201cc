import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import type { Stack } from '../native/open-stack.ts'
import { serviceEnvironment } from '../native/service-environment.ts'
import type { Services } from '../native/services.ts'
import { prepareServices } from '../native/services.ts'
import type { CheckoutView } from './checkouts.ts'
import { placeCheckout, sampleCheckout, untilEnded } from './checkouts.ts'
import { eventually } from './eventually.ts'
import { stackForTests } from './stack-for-tests.ts'

const program = fileURLToPath(new URL('follow.ts', import.meta.url))

const report = z.object({
  checkoutId: z.string().optional(),
  status: z.string().optional(),
  traceIds: z.array(z.string()),
  entries: z.array(
    z.object({
      source: z.enum(['step', 'span', 'log', 'metric']),
      offsetMicros: z.number(),
      service: z.string(),
      text: z.string(),
      traceId: z.string().optional(),
    }),
  ),
  notes: z.array(z.string()),
  links: z.array(z.object({ title: z.string(), url: z.string() })),
})

interface Run {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

describe('npm run follow', function () {
  this.timeout(20 * 60_000) // where nothing is cached yet, the servers are compiled first

  let stack: Stack
  let services: Services
  let view: CheckoutView

  before(async () => {
    stack = await stackForTests()
    await stack.allReady
    services = await prepareServices(stack)
    await Promise.all(services.names.map((name) => services.up(name)))
    view = await runCheckout()
  })
  after(() => services.down())

  async function runCheckout(headers?: Record<string, string>): Promise<CheckoutView> {
    const request = sampleCheckout({ email: `${randomUUID()}@example.com`, token: 'tok_declined' })
    const { checkoutId } = await placeCheckout(services.gatewayUrl, request, headers)
    return untilEnded(services.gatewayUrl, checkoutId)
  }

  const follow = (args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Run> =>
    new Promise((resolve) => {
      const env = {
        ...process.env,
        ...serviceEnvironment(stack),
        GATEWAY_URL: services.gatewayUrl,
        NO_COLOR: '1',
        ...environment,
      }
      execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
        resolve({ exitCode: error ? Number(error.code) : 0, stdout, stderr })
      })
    })

  const followAsJson = async (id: string) => {
    const { exitCode, stdout, stderr } = await follow([id, '--json'])
    equal(exitCode, 0, stderr)
    return report.parse(JSON.parse(stdout))
  }

  /** Asks until all four sources have something: telemetry arrives a little later than the checkout ends. */
  const untilWhole = (id: string) =>
    eventually(
      `all of ${id}`,
      async () => {
        const found = await followAsJson(id)
        const has = (source: string, count: number) =>
          found.entries.filter((entry) => entry.source === source).length >= count
        // Every message that is handled is a log line, and one more is the gateway's.
        const isWhole = has('step', 7) && has('span', 25) && has('log', 8) && has('metric', 1)
        return isWhole && found.notes.length === 0 ? found : undefined
      },
      { intervalMillis: 500 },
    )

  it('shows a checkout of all backends in the order of time', async () => {
    const { status, checkoutId, traceIds, entries, links } = await untilWhole(view.checkoutId)
    deepEqual([checkoutId, status, traceIds], [view.checkoutId, 'compensated', [view.traceId]])
    deepEqual(
      entries.filter(({ source }) => source === 'step').map(({ text }) => text),
      view.steps.map(({ type }) => type),
    )
    const offsets = entries.map(({ offsetMicros }) => offsetMicros)
    deepEqual(
      offsets,
      offsets.toSorted((a, b) => a - b),
    )
    equal(offsets[0], 0)
    for (const service of ['gateway', 'users', 'orders', 'payments', 'checkout']) {
      ok(
        entries.some((entry) => entry.source === 'span' && entry.service === service),
        service,
      )
      ok(
        entries.some((entry) => entry.source === 'log' && entry.service === service),
        service,
      )
    }
    for (const { traceId, source } of entries) ok(source === 'step' || traceId === view.traceId)
    for (const { url } of links) equal((await fetch(url)).status, 200, url)
  })

  it('leaves out that somebody looked at it', async () => {
    const { entries } = await untilWhole(view.checkoutId)
    deepEqual(
      entries.filter(({ text }) => text.includes('GET')),
      [],
    )
  })

  it('finds the same by the trace id', async () => {
    const byCheckout = await untilWhole(view.checkoutId)
    const byTrace = await untilWhole(view.traceId)
    const withoutMetrics = (found: typeof byTrace) =>
      found.entries.filter(({ source }) => source !== 'metric')
    equal(byTrace.checkoutId, view.checkoutId)
    deepEqual(withoutMetrics(byTrace), withoutMetrics(byCheckout))
  })

  it('is text for people, with errors marked and links to the pages that there are', async () => {
    await untilWhole(view.checkoutId)
    const pages = {
      KIBANA_URL: 'http://kibana',
      JAEGER_UI_URL: 'http://jaeger',
      GRAFANA_URL: 'http://grafana',
    }
    const { exitCode, stdout } = await follow([view.checkoutId], pages)
    equal(exitCode, 0)
    match(
      stdout,
      new RegExp(`^Checkout ${view.checkoutId}: compensated, reason card_declined\nTrace ${view.traceId}\n`),
    )
    match(stdout, /^! .* step +payments +PaymentDeclined$/m)
    match(stdout, new RegExp(`http://jaeger/trace/${view.traceId}`))
    match(stdout, /http:\/\/kibana\/app\/discover/)
    ok(!stdout.includes('\u001b['), 'no colours where there is no terminal')
  })

  it('says that a trace was not sampled, and shows steps and log lines all the same', async () => {
    const traceId = randomBytes(16).toString('hex')
    const unsampled = await runCheckout({ traceparent: `00-${traceId}-${'1'.repeat(16)}-00` })
    for (const id of [unsampled.checkoutId, traceId]) {
      const found = await eventually(`steps and log lines of ${id}`, async () => {
        const { exitCode, stdout } = await follow([id, '--json'])
        if (exitCode !== 0) return undefined // nothing is there yet
        const all = report.parse(JSON.parse(stdout))
        return all.entries.filter(({ source }) => source === 'log').length >= 8 ? all : undefined
      })
      deepEqual(found.notes, [
        `Trace ${traceId} has no spans in Jaeger: it was not sampled, is not exported yet, or has expired.`,
      ])
      deepEqual([...new Set(found.entries.map(({ source }) => source))].sort(), ['log', 'step'])
    }
  })

  it('names a backend that is down, shows what the others have, and fails', async () => {
    await untilWhole(view.checkoutId)
    await stack.server('jaeger').down()
    try {
      const { exitCode, stdout, stderr } = await follow([view.checkoutId])
      equal(exitCode, 3)
      equal(stderr, `Jaeger does not answer at ${stack.urls.jaegerUrl}\n`)
      match(stdout, /step +payments +PaymentDeclined/)
      match(stdout, /log +payments +info/)
      ok(!stdout.includes('has no spans'), 'what was not asked is not told')
    } finally {
      await stack.server('jaeger').up()
    }
  })

  it('finds a checkout while the gateway is down', async () => {
    const fresh = await runCheckout()
    await untilWhole(fresh.checkoutId)
    const { exitCode, stdout, stderr } = await follow([fresh.checkoutId, '--gateway', 'http://127.0.0.1:1'])
    equal(exitCode, 3)
    equal(stderr, 'the gateway does not answer at http://127.0.0.1:1\n')
    match(stdout, /span +gateway +POST \/checkouts/)
  })

  it('says that nobody knows an id', async () => {
    for (const id of [randomUUID(), randomBytes(16).toString('hex')]) {
      const { exitCode, stdout, stderr } = await follow([id])
      deepEqual([exitCode, stdout], [1, ''])
      match(stderr, new RegExp(`No backend knows ${id}`))
    }
  })

  it('says how it is used', async () => {
    const { exitCode, stderr } = await follow(['not an id'])
    equal(exitCode, 2)
    match(stderr, /neither a checkout id nor a trace id/)
    const help = await follow(['--help'])
    equal(help.exitCode, 0)
    match(help.stdout, /npm run follow -- <checkout id \| trace id>/)
  })
})
