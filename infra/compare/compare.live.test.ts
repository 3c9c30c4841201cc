import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { findTracesOfSaga } from '../../shared/backends/jaeger.ts'
import type { Stack } from '../native/open-stack.ts'
import { serviceEnvironment } from '../native/service-environment.ts'
import type { Services } from '../native/services.ts'
import { prepareServices } from '../native/services.ts'
import { whole } from '../verify/checkout-report.ts'
import type { CheckoutView } from '../verify/checkouts.ts'
import { placeCheckout, sampleCheckout, untilEnded } from '../verify/checkouts.ts'
import { eventually } from '../verify/eventually.ts'
import { stackForTests } from '../verify/stack-for-tests.ts'

const program = fileURLToPath(new URL('compare.ts', import.meta.url))

const side = z.object({ durationMicros: z.number(), selfMicros: z.number(), criticalMicros: z.number() })
const report = z.object({
  a: z.object({ durationMicros: z.number() }),
  b: z.object({ durationMicros: z.number(), sagaId: z.string() }),
  verdict: z.string(),
  differenceMicros: z.number(),
  rows: z.array(
    z.object({
      kind: z.string(),
      service: z.string(),
      name: z.string(),
      verdict: z.string(),
      a: side.optional(),
      b: side.optional(),
      criticalDifferenceMicros: z.number(),
    }),
  ),
  jaeger: z.array(z.string()),
})
const setReport = z.object({
  traces: z.object({ a: z.number(), b: z.number() }),
  found: z.object({ a: z.number(), b: z.number() }),
  mainCause: z.object({ kind: z.string(), name: z.string(), service: z.string() }).optional(),
  breaches: z.array(z.string()),
})

interface Changes {
  readonly token?: string
  readonly sku?: string
}

interface Run {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

describe('npm run compare', function () {
  this.timeout(20 * 60_000) // where nothing is cached yet, the servers are compiled first

  let stack: Stack
  let services: Services
  let directory: string
  let usual: string
  let slow: string
  let soldOut: string

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'compare-'))
    stack = await stackForTests()
    await stack.allReady
    services = await prepareServices(stack)
    await Promise.all(services.names.map((name) => services.up(name)))
    // What is cold is slow: the first checkout is compared with nothing.
    await placed({})
    usual = await placed({}) // alone: it might share its partition with the slow one, and wait for it
    ;[slow, soldOut] = await Promise.all([placed({ token: 'tok_slow' }), placed({ sku: 'SAGA-POSTER' })])
  })
  after(async () => {
    await services.down()
    await rm(directory, { recursive: true })
  })

  /** @returns the checkout's id, when Jaeger has all of it */
  async function placed(changes: Changes): Promise<string> {
    const view = await ended(changes)
    await traced(view)
    return view.checkoutId
  }

  async function ended(changes: Changes): Promise<CheckoutView> {
    const request = sampleCheckout({ email: `${randomUUID()}@example.com`, ...changes })
    const { checkoutId } = await placeCheckout(services.gatewayUrl, request)
    return untilEnded(services.gatewayUrl, checkoutId)
  }

  async function traced(view: CheckoutView): Promise<void> {
    await eventually(`all of the trace of ${view.checkoutId}`, async () =>
      whole(await findTracesOfSaga(stack.urls.jaegerUrl, view.checkoutId), view),
    )
  }

  const compare = (args: readonly string[], environment: NodeJS.ProcessEnv = {}): Promise<Run> =>
    new Promise((resolve) => {
      const env = { ...process.env, ...serviceEnvironment(stack), NO_COLOR: '1', ...environment }
      execFile(process.execPath, [program, ...args], { env, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
        resolve({ exitCode: error ? Number(error.code) : 0, stdout, stderr })
      })
    })

  async function compareAsJson(a: string, b: string) {
    const { exitCode, stdout, stderr } = await compare([a, b, '--json'])
    equal(exitCode, 0, stderr)
    return report.parse(JSON.parse(stdout))
  }

  it('names the capture as what is slower, and as what made the whole slower', async () => {
    const { verdict, rows, a, b, differenceMicros } = await compareAsJson(usual, slow)
    equal(verdict, 'slower')
    const capture = rows.find(({ name }) => name === 'capture payment')
    ok(capture?.a && capture.b)
    equal(capture.verdict, 'slower')
    ok(capture.b.criticalMicros > 1_900_000, 'on the critical path')
    const [first] = rows.toSorted(
      (one, other) => other.criticalDifferenceMicros - one.criticalDifferenceMicros,
    )
    equal(first?.name, 'capture payment')
    equal(differenceMicros, b.durationMicros - a.durationMicros)
    const sum = rows.reduce((total, row) => total + row.criticalDifferenceMicros, 0)
    equal(sum, differenceMicros)
    deepEqual(
      rows.filter((row) => row.verdict === 'missing' || row.verdict === 'added'),
      [],
      'both took the same steps',
    )
  })

  it('says what a rejected order lacks, and what compensation adds', async () => {
    const { rows } = await compareAsJson(usual, soldOut)
    const steps = (verdict: string): string[] =>
      rows
        .filter(
          (row) => row.verdict === verdict && row.kind === 'span' && /^(process|capture) /.test(row.name),
        )
        .map(({ service, name }) => `${service}: ${name}`)
        .sort()
    deepEqual(steps('missing'), [
      'checkout: process orders',
      'orders: process payments',
      'payments: capture payment',
      'payments: process orders',
    ])
    deepEqual(steps('added'), ['checkout: process users', 'users: process orders'])
  })

  it('is text and a page for people, links to the page of Jaeger, and fails where it is told to', async () => {
    const file = join(directory, 'compared.html')
    const { exitCode, stdout, stderr } = await compare(
      [usual, slow, '--fail-over', '3', '--fail-on', 'missing,added,failed', '--html', file],
      { JAEGER_UI_URL: 'http://jaeger/' },
    )
    equal(exitCode, 1)
    match(stdout, /^> +capture payment +payments /m)
    match(stdout, /^ +\+\d+\.\d ms +capture payment \(payments\)$/m)
    match(stdout, /^Jaeger {2}http:\/\/jaeger\/trace\/[0-9a-f]{32}\.\.\.[0-9a-f]{32}$/m)
    match(stderr, /^Beyond the limits: capture payment \(payments\) took 2\d{3}\.\d ms, not /m)
    ok(!stderr.includes('missing'))
    match(await readFile(file, 'utf8'), /capture payment/)
    equal(
      (await compare([usual, usual, '--fail-over', '1', '--fail-on', 'missing,added,failed'])).exitCode,
      0,
    )
    equal((await compare([usual, soldOut, '--fail-on', 'missing'])).exitCode, 1)
  })

  it('compares sets: by time, by tag and by lists of ids', async () => {
    const [a, b] = ['a', 'b'].map((name) => join(directory, `${name}.txt`)) as [string, string]
    const between = await runMany(8, {})
    const slowOnes = await runMany(8, { token: 'tok_slow' })
    const after = new Date().toISOString()
    await writeFile(a, `# before\n${between.ids.join('\n')}\n`)
    await writeFile(b, `${slowOnes.ids.join('\n')}\n`)

    const byList = await compare(['--a-file', a, '--b-file', b, '--json', '--fail-over', '2'])
    equal(byList.exitCode, 1, byList.stderr)
    const listed = setReport.parse(JSON.parse(byList.stdout))
    deepEqual(listed.traces, { a: 8, b: 8 })
    deepEqual(
      [listed.mainCause?.kind, listed.mainCause?.service, listed.mainCause?.name],
      ['span', 'payments', 'capture payment'],
    )

    const window = [
      '--a-since',
      between.from,
      '--a-until',
      slowOnes.from,
      '--b-since',
      slowOnes.from,
      '--b-until',
      after,
    ]
    const byTime = await compare([...window, '--json'])
    equal(byTime.exitCode, 0, byTime.stderr)
    const timed = setReport.parse(JSON.parse(byTime.stdout))
    deepEqual(
      [timed.traces, timed.found, timed.mainCause?.name],
      [{ a: 8, b: 8 }, { a: 8, b: 8 }, 'capture payment'],
    )

    const byTag = await compare(['--a-tag', `saga.id=${usual}`, '--b-tag', `saga.id=${slow}`, '--limit', '5'])
    equal(byTag.exitCode, 0, byTag.stderr)
    match(byTag.stdout, /too few to tell/)
    match(byTag.stderr, /^A: 1 taken of 1 that there are$/m)
  })

  /** In pairs: where two share a partition one waits for the other, which at most half do; of more the queue could be the cause. */
  async function runMany(count: number, changes: Changes): Promise<{ ids: string[]; from: string }> {
    const from = new Date().toISOString()
    const views: CheckoutView[] = []
    while (views.length < count) views.push(...(await Promise.all([ended(changes), ended(changes)])))
    await Promise.all(views.map(traced))
    return { from, ids: views.map(({ checkoutId }) => checkoutId) }
  }

  it('tells what nobody knows, and who does not answer', async () => {
    const nobody = [randomUUID(), randomBytes(16).toString('hex')]
    const { exitCode, stdout, stderr } = await compare([nobody[0] ?? '', nobody[1] ?? ''])
    deepEqual([exitCode, stdout], [3, ''])
    for (const id of nobody) match(stderr, new RegExp(`Jaeger has no trace of ${id}`))
    const away = await compare([usual, slow, '--jaeger', 'http://127.0.0.1:1'])
    equal(away.exitCode, 3)
    match(
      away.stderr,
      /^Jaeger does not answer at http:\/\/127\.0\.0\.1:1\. --jaeger or JAEGER_URL says where it is\.\n$/,
    )
    const empty = await compare(['--a-tag', 'service.version=none', '--b-tag', `saga.id=${slow}`])
    equal(empty.exitCode, 3)
    match(empty.stderr, /the set a has no trace/)
  })
})
