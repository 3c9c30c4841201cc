import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import type { CheckoutRequest } from '../../infra/verify/checkouts.ts'
import type { GatewayBehaviour, GatewayForTests } from './gateway-for-tests.ts'
import { gatewayForTests } from './gateway-for-tests.ts'
import { distributionOf } from './latency-histogram.ts'
import type { LoadOptions, LoadProgress } from './run-load.ts'
import { runLoad } from './run-load.ts'

/** This machine may have other things to do, and the load says so. */
const isNoLateness = (warning: string) => !warning.startsWith('VOID')

const steady = (ratePerSecond: number, seconds: number) => ({
  startRatePerSecond: ratePerSecond,
  stages: [{ ratePerSecond, durationMillis: seconds * 1_000 }],
})

describe('a load', function () {
  this.timeout(20_000)

  let gateway: GatewayForTests
  afterEach(() => gateway.close())

  async function load(behaviour: GatewayBehaviour, options: Partial<LoadOptions>) {
    gateway = await gatewayForTests(behaviour)
    return runLoad({
      gatewayUrl: gateway.url,
      ...steady(50, 0.5),
      mix: { completed: 1 },
      seed: 1,
      ends: { by: 'gateway' },
      ...options,
    })
  }

  it('counts what arrived, was accepted and ended, and how long each took', async () => {
    const { tally, overall, seconds, interrupted, warnings, ends, generatorLag } = await load(
      { holdMillis: () => 20, endsAfterMillis: 60 },
      { mix: { completed: 1, slow: 1 } },
    )
    deepEqual(tally, {
      arrived: 25,
      accepted: 25,
      refused: {},
      failed: {},
      ended: { completed: 25, compensated: 0, rejected: 0 },
      unexpected: 0,
      open: 0,
    })
    deepEqual([overall.toAccepted.count, overall.toEnd.count, interrupted], [25, 25, false])
    deepEqual(warnings.filter(isNoLateness), [])
    ok(overall.toAccepted.min >= 20, `${overall.toAccepted.min} ms to the 202`)
    // Up to the event's own time, although most were looked at when the arrivals were over, half a second later.
    ok(
      overall.toEnd.min >= 58 && overall.toEnd.p50 < 200 + generatorLag.p99,
      `${overall.toEnd.p50} ms to the end`,
    )
    equal(
      seconds.reduce((sum, { ended }) => sum + ended, 0),
      25,
    )
    ok(ends.gatewayReads >= 25)
  })

  it('does not hide a stall: who was due while it lasted has waited, although there was no answer to wait for', async () => {
    // For half of the second nothing is answered. Who would have waited for answers would have seen one slow request.
    const { overall, tally } = await load(
      { holdMillis: (sinceFirst) => (sinceFirst < 250 || sinceFirst > 750 ? 0 : 750 - sinceFirst) },
      steady(100, 1),
    )
    equal(tally.accepted, 100)
    // 50 of 100 were due in the stall, and waited 500 to 0 ms: 40 of them more than 100 ms. A busy machine only adds.
    const { atPercentile } = distributionOf(overall.toAccepted)
    const slowest = [60, 75, 90, 98].map(atPercentile)
    const least = [90, 230, 380, 450]
    slowest.forEach((millis, index) => ok(millis > (least[index] ?? 0), slowest.join(', ')))
  })

  it('counts its own lateness as latency, and then says that the figures are void', async () => {
    const block = (millis: number) => {
      const until = performance.now() + millis
      while (performance.now() < until) Math.sqrt(2)
    }
    let blocked = false
    const result = await load(
      {},
      {
        ...steady(100, 1.5),
        onSecond: () => {
          if (!blocked) block(300)
          blocked = true
        },
      },
    )
    equal(result.void, true)
    ok(result.generatorLag.p99 > 200, `late by ${result.generatorLag.p99} ms at p99`)
    ok(result.overall.toAccepted.p99 > 200, 'the wait is in the latency')
    match(result.warnings.join('\n'), /VOID: this tool itself sent its requests late, by \d+\.\d ms at p99/)
    ok((result.seconds[1]?.generatorLagMax ?? 0) > 250)
  })

  it('counts refusals and failures by name, and says which variable lifts them', async () => {
    const { tally, overall, warnings, tallyByKind } = await load(
      {
        refuse: (index) => {
          if (index < 3) return { status: 429, code: 'rate_limited', policy: '"caller";q=3;w=10' }
          if (index < 5) return { status: 503, code: 'backlog_full' }
          return index === 5 ? 'hang' : undefined
        },
      },
      { requestTimeoutMillis: 300 },
    )
    deepEqual([tally.refused, tally.failed], [{ 'rate_limited/caller': 3, backlog_full: 2 }, { timeout: 1 }])
    deepEqual([tally.arrived, tally.accepted, overall.toAccepted.count], [25, 19, 19])
    deepEqual(tallyByKind.completed, tally)
    const [first = '', second = '', third = ''] = warnings.filter(isNoLateness)
    match(first, /^3 refused, rate_limited\/caller\. The detail of rate_limited\. .* RATE_LIMIT_PER_CALLER/)
    match(second, /^2 refused, backlog_full\. .* GATEWAY_BACKLOG_LIMIT/)
    match(third, /^1 without an answer, timeout\./)
  })

  it('gives up on checkouts that do not end, and says how many', async () => {
    const { tally, overall, warnings } = await load({ endsAfterMillis: undefined }, { settleMillis: 200 })
    deepEqual([tally.open, tally.ended.completed, overall.toEnd.count], [25, 0, 0])
    match(warnings.join('\n'), /25 accepted checkouts were at no end 0\.2 s after the last arrival/)
  })

  it('says when checkouts end otherwise than their kind should', async () => {
    const { tally, tallyByKind, warnings } = await load({}, { mix: { completed: 1, blocked: 1 } })
    ok(tally.unexpected > 0 && tally.unexpected === tallyByKind.blocked?.arrived)
    equal(tallyByKind.completed?.unexpected, 0)
    match(warnings.join('\n'), new RegExp(`${tally.unexpected} ended otherwise than their kind should`))
  })

  it('tells how it stands while it goes on', async () => {
    const seen: LoadProgress[] = []
    await load({ holdMillis: () => 20 }, { ...steady(50, 2.2), onSecond: (progress) => seen.push(progress) })
    const [first, last] = [seen.at(0), seen.at(-1)]
    ok(first && last)
    equal(first.phase, 'arriving')
    ok(first.arrived > 30 && first.arrived < 80 && first.ratePerSecond > 30 && first.ratePerSecond < 80)
    ok(first.ended >= 1, 'some ends are looked for meanwhile')
    ok(first.lately.toAccepted.count > 25)
    deepEqual(
      [last.phase, last.arrived, last.expected, last.ended, last.open],
      ['settling', 110, 110, 110, 0],
    )
  })

  it('ends its arrivals when it is told to, waits for what is under way, and has a result', async () => {
    const stop = new AbortController()
    const loading = load({ holdMillis: () => 50 }, { ...steady(50, 60), signal: stop.signal })
    setTimeout(() => stop.abort(), 300)
    const { tally, interrupted, warnings } = await loading
    ok(tally.arrived >= 10 && tally.arrived <= 20, `${tally.arrived}`)
    deepEqual([tally.accepted, tally.open, interrupted], [tally.arrived, 0, true])
    match(warnings.join('\n'), /Interrupted/)
  })

  it('does not wait for ends when it is told not to', async () => {
    const stop = new AbortController()
    const loading = load({ endsAfterMillis: undefined }, { settleSignal: stop.signal })
    setTimeout(() => stop.abort(), 800)
    const { tally, interrupted } = await loading
    deepEqual([tally.open, interrupted], [25, true])
  })

  it('places the same checkouts at the same times for the same seed', async () => {
    const options = { arrivals: 'poisson', mix: { completed: 1, declined: 1 } } as const
    const placed = async () => {
      const { run } = await load({}, options)
      await gateway.close()
      const indexOf = ({ user }: CheckoutRequest) => Number(/-(\d+)@/.exec(user.email)?.[1])
      const inOrder = gateway.requests.toSorted((a, b) => indexOf(a) - indexOf(b)) // they may overtake each other
      return JSON.stringify(inOrder).replaceAll(run, '')
    }
    const [one, other] = [await placed(), await placed()]
    gateway = await gatewayForTests()
    equal(one, other)
  })

  it('begins although the gateway is not ready when it is told to: what is in trouble is to be measured', async () => {
    const { tally } = await load({ readyStatus: 503 }, { evenIfNotReady: true })
    equal(tally.ended.completed, 25)
  })

  it('does not begin where there is no gateway, or none that is ready', async () => {
    await rejects(load({ readyStatus: 503 }, {}), { code: 'gateway_away', message: /is not ready/ })
    await gateway.close()
    await rejects(load({ readyStatus: 404 }, {}), {
      code: 'gateway_away',
      message: /answered \/readyz with 404/,
    })
    const { url } = gateway
    await gateway.close()
    await rejects(runLoad({ gatewayUrl: url, stages: [], ends: { by: 'gateway' } }), {
      code: 'gateway_away',
      message: `The gateway does not answer at ${url}: ECONNREFUSED.`,
    })
    gateway = await gatewayForTests()
  })
})
