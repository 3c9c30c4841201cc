import { deepEqual, doesNotMatch, equal, match, ok, throws } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { problemCodes } from '../../gateway/problem.ts'
import { readConfig } from '../../shared/process/config.ts'
import { distributionOf } from './latency-histogram.ts'
import { toPage } from './load-page.ts'
import { LoadRecorder } from './load-recorder.ts'
import { errorShare, faultsOf, progressLine, summary } from './load-report.ts'
import type { LoadResult } from './load-result.ts'
import { readLoadResult, resultFormat } from './load-result.ts'
import { warningsOf } from './load-warnings.ts'
import { checkoutsOf } from './mix.ts'
import { reasonsForFailures, reasonsForRefusals } from './refusals.ts'

/** 1,000 checkouts within 10 s: 202 after 1 to 1,000 times 0.01 ms, the end after as many milliseconds. */
function sampleResult(changes: Partial<LoadResult> = {}): LoadResult {
  const recorder = new LoadRecorder()
  const next = checkoutsOf(
    { completed: 1 },
    { run: 'abcd' },
    { ...Math, next: () => 0, between: () => 0, pick: ([first]) => first, shuffled: (all) => [...all] },
  )
  for (let index = 0; index < 1_000; index++) {
    const arriving = recorder.arrived(next(), index * 10, 0.5)
    arriving.accepted((index + 1) / 100)
    arriving.ended('completed', index + 1)
  }
  return {
    format: resultFormat,
    run: 'abcd',
    settings: {
      gatewayUrl: 'http://127.0.0.1:8080',
      startRatePerSecond: 100,
      stages: [{ ratePerSecond: 100, durationMillis: 10_000 }],
      arrivals: 'uniform',
      mix: { completed: 1 },
      seed: 7,
      settleMillis: 30_000,
      requestTimeoutMillis: 10_000,
    },
    startedAt: '2026-11-23T10:00:00.000Z',
    arrivalsEndedAt: '2026-11-23T10:00:10.000Z',
    endedAt: '2026-11-23T10:00:11.000Z',
    interrupted: false,
    arrivalRatePerSecond: 100,
    ends: {
      by: 'kafka',
      upTo: 'event time',
      resolutionMillis: 1,
      missedByKafka: 0,
      gatewayReads: 0,
      beforeTheirStart: 0,
    },
    void: false,
    warnings: [],
    ...recorder.result(() => 100),
    ...changes,
  }
}

const result = sampleResult()
const calm = { details: {}, unanswered: 0, lostKafka: undefined, aheadMillis: 0 }

/** Values are kept to three digits. */
const nearly = (value: number, wanted: number) =>
  ok(Math.abs(value / wanted - 1) < 0.001, `${value}, not ${wanted}`)

describe('the result of a load', () => {
  it('has percentiles in milliseconds, and by the second', () => {
    const { toAccepted, toEnd } = result.overall
    equal(toEnd.count, 1_000)
    const wanted = {
      min: 1,
      p50: 500,
      p75: 750,
      p90: 900,
      p95: 950,
      p99: 990,
      p999: 999,
      max: 1_000,
      mean: 500.5,
    }
    for (const [name, value] of Object.entries(wanted)) {
      nearly(toEnd[name as keyof typeof wanted], value)
      nearly(toAccepted[name as keyof typeof wanted], value / 100)
    }
    equal(result.seconds.length, 10)
    deepEqual(result.seconds[3], {
      second: 3,
      scheduledRatePerSecond: 100,
      arrived: 100,
      accepted: 100,
      refused: 0,
      failed: 0,
      ended: 100,
      open: 0,
      toAccepted: { p50: 3.5, p99: 3.99, max: 4 },
      toEnd: { p50: 350, p99: 399, max: 400 },
      generatorLagMax: 0.5,
    })
  })

  it('is the same after it was written and read, with its distributions', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sagascope-load-result-'))
    try {
      const path = join(folder, 'load.json')
      writeFileSync(path, JSON.stringify(result))
      const read = readLoadResult(path)
      deepEqual(read, result)
      const { atPercentile } = distributionOf(read.overall.toEnd)
      for (const percentile of [1, 42, 99.5]) nearly(atPercentile(percentile), percentile * 10)
      writeFileSync(path, JSON.stringify({ ...result, format: 'another' }))
      throws(() => readLoadResult(path))
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it('keeps times from a microsecond to hours', () => {
    const recorder = new LoadRecorder()
    const checkout = {
      kind: 'completed',
      ends: 'completed',
      request: { user: { email: '', name: '' }, order: { items: [] }, payment: { token: '' } },
    } as const
    const times = [0, 0.001, 7_200_000]
    times.forEach((millis, index) => {
      const arriving = recorder.arrived(checkout, index, 0)
      arriving.accepted(millis)
      arriving.ended('completed', millis)
    })
    const { toEnd } = recorder.result(() => 0).overall
    deepEqual([toEnd.count, toEnd.min, toEnd.p50, toEnd.max], [3, 0, 0.001, 7_200_000])
    nearly(distributionOf(toEnd).atPercentile(100), 7_200_000)
  })

  it('is a table for people, with what it cannot say', () => {
    const text = summary({ ...result, warnings: ['Beware.'] }, ['Too slow.']).join('\n')
    match(text, /^Load abcd: 1000 checkouts arrived at 100\.0 a second \(uniform, seed 7\)$/m)
    match(
      text,
      /^1000 accepted, 0 refused, 0 without an answer; 1000 completed, 0 compensated, 0 rejected, 0 at no end$/m,
    )
    match(
      text,
      /^from due to the 202 +count +p50 +p90 +p99 +p99\.9 +max\n +all +1000 +5\.0 ms +9\.0 ms +9\.9 ms/m,
    )
    match(text, /^from due to the end .*\n +all +1000 +500 ms +900 ms +990 ms/m)
    match(text, /^this tool was late by .*\n +all +1000 +0\.50 ms/m)
    match(text, /the terminal event's own time, 1 ms fine/)
    match(text, /^! Beware\.\nFAILED: Too slow\.$/m)
  })

  it('fails where a threshold is exceeded, and only there', () => {
    deepEqual(faultsOf(result, {}), [])
    deepEqual(faultsOf(result, { maxP99: 1_000, maxP99Accepted: 10, maxErrorShare: 0 }), [])
    deepEqual(faultsOf(result, { maxP99: 900 }), ['p99 to the end is 990 ms, above 900 ms.'])
    match(faultsOf(result, { maxP99Accepted: 5 }).join(), /p99 to the 202 is 9\.9 ms, above 5\.0 ms/)
    const tally = { ...result.tally, accepted: 990, refused: { overloaded: 10 }, unexpected: 5 }
    nearly(errorShare(tally), 0.015)
    deepEqual(faultsOf(sampleResult({ tally }), { maxErrorShare: 0.02 }), [])
    deepEqual(faultsOf(sampleResult({ tally }), { maxErrorShare: 0.01 }), [
      '1.5 % of the arrivals failed, above 1 %.',
    ])
  })

  it('fails where checkouts are at no end, where none was accepted, and where nothing can be judged', () => {
    match(
      faultsOf(sampleResult({ tally: { ...result.tally, open: 2 } }), {}).join(),
      /2 accepted .* at no end/,
    )
    match(
      faultsOf(sampleResult({ tally: { ...result.tally, accepted: 0 } }), {}).join(),
      /No checkout was accepted/,
    )
    deepEqual(faultsOf(sampleResult({ void: true }), {}), [])
    match(faultsOf(sampleResult({ void: true }), { maxP99: 5_000 }).join(), /late itself/)
  })

  it('warns of clocks that differ, of a Kafka that is lost, and of one that is not the system’s', () => {
    const warned = (
      changes: Partial<LoadResult>,
      circumstances: Partial<typeof calm> | { lostKafka: Error },
    ) => warningsOf(sampleResult(changes), { ...calm, ...circumstances }).join('\n')
    equal(warned({}, {}), '')
    match(warned({}, { aheadMillis: 40 }), /40 ms before its own time: the services' clock is ahead/)
    match(
      warned({ ends: { ...result.ends, beforeTheirStart: 3 } }, {}),
      /3 checkouts ended before they were due/,
    )
    match(warned({}, { lostKafka: new Error('gone') }), /Kafka was lost during the load: gone/)
    match(
      warned({ ends: { ...result.ends, missedByKafka: 9 } }, {}),
      /is KAFKA_BROKERS this system's Kafka\?/,
    )
    match(warned({}, { unanswered: 4 }), /4 of them the gateway did not answer/)
  })

  it('is explained by refusals that the gateway gives and variables that there are', () => {
    const variables = new Set(Object.keys(readConfig({})))
    for (const [code, reason] of Object.entries({ ...reasonsForRefusals, ...reasonsForFailures })) {
      const [problem = ''] = code.split('/')
      if (code in reasonsForRefusals) ok((problemCodes as readonly string[]).includes(problem), code)
      for (const [name] of reason.matchAll(/\b[A-Z]+(_[A-Z]+)+\b/g))
        ok(variables.has(name), `${name} of ${code}`)
    }
  })

  it('is a page that needs nothing else, and takes nothing for markup', () => {
    const byKind = { '</script><b>': result.overall }
    const page = toPage(sampleResult({ tag: '</script><b>', byKind }), ['a < b'])
    doesNotMatch(page, /(src|href)=|@import|url\(/)
    doesNotMatch(page, /<b>/)
    match(page, /&lt;\/script>&lt;b>/)
    match(page, /FAILED: a &lt; b/)
    const [, data = ''] = /<script type="application\/json" id="data">(.*?)<\/script>/s.exec(page) ?? []
    const charts = JSON.parse(data) as { title: string; x: number[]; series: [string, (number | null)[]][] }[]
    deepEqual(
      charts.map(({ title }) => title),
      [
        'Rate, by the second in which a checkout was due',
        'Latency, by the second in which a checkout was due',
        'Latency by percentile',
      ],
    )
    for (const { x, series } of charts)
      for (const [label, values] of series) equal(values.length, x.length, label)
    const [, end] = charts[2]?.series.find(([label]) => label === 'end') ?? []
    nearly(end?.[charts[2]?.x.findIndex((inverse) => Math.abs(inverse - 100) < 1e-6) ?? 0] ?? 0, 990)
  })

  it('comes as a line each second while the load lasts', () => {
    const percentiles = { count: 5, p50: 4.25, p99: 9, max: 10 }
    const line = progressLine({
      elapsedMillis: 12_000,
      phase: 'arriving',
      arrived: 120,
      expected: 600,
      ratePerSecond: 10,
      underWay: 3,
      accepted: 100,
      refused: { 'rate_limited/caller': 12 },
      failed: { timeout: 5 },
      ended: 90,
      open: 10,
      toAccepted: percentiles,
      toEnd: { ...percentiles, count: 0 },
      lately: { toAccepted: percentiles, toEnd: percentiles },
    })
    equal(
      line,
      '  12 s  120/600 at 10.0/s  3 under way  90 ended, 10 open  12 refused (rate_limited/caller)  ' +
        '5 failed (timeout)  202 p50 4.3 ms p99 9.0 ms',
    )
  })
})
