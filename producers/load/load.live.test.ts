import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { readStore } from '../../infra/chaos/evidence.ts'
import type { Stack } from '../../infra/native/open-stack.ts'
import { serviceEnvironment } from '../../infra/native/service-environment.ts'
import type { Services } from '../../infra/native/services.ts'
import { prepareServices } from '../../infra/native/services.ts'
import { movements, readCounters } from '../../infra/verify/counters.ts'
import { eventually } from '../../infra/verify/eventually.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { isTerminal } from '../../shared/saga/flow.ts'
import { isEventType } from '../../shared/saga/events.ts'
import type { LoadResult } from './load-result.ts'
import { loadResult, readLoadResult } from './load-result.ts'

const program = fileURLToPath(new URL('load.ts', import.meta.url))

interface Ran {
  readonly exitCode: number
  readonly stdout: string
  readonly stderr: string
}

describe('npm run load', function () {
  this.timeout(20 * 60_000) // where nothing is cached yet, the servers are compiled first

  let stack: Stack
  let services: Services
  let folder: string

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sagascope-load-test-'))
    stack = await stackForTests()
    await stack.allReady
    services = await prepareServices(stack)
    await Promise.all(services.names.map((name) => services.up(name)))
  })
  after(async () => {
    rmSync(folder, { recursive: true, force: true })
    await services.down()
  })

  function load(args: readonly string[]): Promise<Ran> {
    const env = { ...process.env, ...serviceEnvironment(stack), GATEWAY_URL: services.gatewayUrl }
    return new Promise((resolve) => {
      execFile(process.execPath, [program, ...args], { env }, (error, stdout, stderr) => {
        resolve({ exitCode: error ? Number(error.code) : 0, stdout, stderr })
      })
    })
  }

  /** What the store has of a load: how its checkouts ended, and how long each took from its request on. */
  async function stored({ run }: LoadResult) {
    const { commits } = await readStore({
      mongodbUrl: stack.urls.mongodbUrl,
      kafkaBroker: stack.urls.kafkaBrokers,
    })
    const requested = new Map<string, number>()
    for (const { checkoutId, events, atMillis } of commits) {
      const isOurs = events.some(
        ({ type, data }) =>
          type === 'CheckoutRequested' &&
          (data as { user: { email: string } }).user.email.startsWith(`load-${run}-`),
      )
      if (isOurs) requested.set(checkoutId, atMillis)
    }
    const ended: Record<string, number> = { completed: 0, compensated: 0, rejected: 0 }
    const tookMillis: number[] = []
    for (const { checkoutId, events, atMillis } of commits) {
      const requestedAt = requested.get(checkoutId)
      const end = events.find(({ type }) => isEventType(type) && isTerminal(type))
      if (requestedAt === undefined || !end) continue
      const name = end.type.slice('Checkout'.length).toLowerCase()
      ended[name] = (ended[name] ?? 0) + 1
      tookMillis.push(atMillis - requestedAt)
    }
    return { accepted: requested.size, ended, tookMillis }
  }

  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length

  /** Every end is where the store has it: after its request, and that between its due time and its 202. */
  async function requireAgreement(result: LoadResult): Promise<void> {
    const { accepted, ended, tookMillis } = await stored(result)
    deepEqual([accepted, ended], [result.tally.accepted, result.tally.ended])
    const { toAccepted, toEnd } = result.overall
    const untilRequested = toEnd.mean - mean(tookMillis)
    ok(
      untilRequested > -1.5 && untilRequested < toAccepted.mean + 1.5,
      `${toEnd.mean} ms to the end, in the store ${mean(tookMillis)} ms, to the 202 ${toAccepted.mean} ms`,
    )
    ok(toEnd.max >= Math.max(...tookMillis) - 1)
  }

  it('measures what the store and Prometheus have', async () => {
    const before = await readCounters(stack.urls.prometheusUrl)
    const args = [
      ...['--rate', '15', '--total', '90', '--arrivals', 'poisson', '--seed', '7', '--tag', 'live'],
      ...['--mix', 'completed=6,declined=2,out-of-stock=1,blocked=1'],
      ...['--max-error-share', '0%', '--out', join(folder, 'kafka'), '--json'],
    ]
    const { exitCode, stdout, stderr } = await load(args)
    equal(exitCode, 0, stderr)
    const result = loadResult.parse(JSON.parse(stdout))
    deepEqual(result, readLoadResult(join(folder, 'kafka', 'load.json')))
    deepEqual(
      [result.tag, result.ends.by, result.ends.missedByKafka, result.ends.gatewayReads, result.tally.arrived],
      ['live', 'kafka', 0, 0, 90],
    )
    const { completed, compensated, rejected } = result.tally.ended
    equal(completed + compensated + rejected, 90)
    match(stderr, /^ +1 s {2}\d+\/90 at \d/m)
    await requireAgreement(result)

    const counted = await eventually('the counters of all checkouts', async () => {
      const moved = movements(before, await readCounters(stack.urls.prometheusUrl))
      const by = new Map(moved.map((movement) => [movement.series, movement.after - movement.before]))
      const of = (outcome: string) => by.get(`checkout_processed_total{outcome="${outcome}"}`) ?? 0
      const found = [of('requested'), of('completed'), of('compensated'), of('rejected')]
      return (found[0] ?? 0) >= 90 && found.slice(1).reduce((sum, count) => sum + count) >= 90
        ? found
        : undefined
    })
    deepEqual(counted, [90, completed, compensated, rejected])
  })

  it('measures the same at the gateway', async () => {
    const args = ['--end-by', 'gateway', '--rate', '15', '--duration', '2s', '--out', join(folder, 'gateway')]
    const { exitCode, stdout, stderr } = await load(args)
    equal(exitCode, 0, stderr)
    match(stdout, /^30 accepted, 0 refused, 0 without an answer;/m)
    const result = readLoadResult(join(folder, 'gateway', 'load.json'))
    deepEqual([result.ends.by, result.ends.gatewayReads >= 30], ['gateway', true])
    await requireAgreement(result)
  })
})
