import { deepEqual, ok } from 'node:assert/strict'
import { smallChaos } from './chaos-options.ts'
import { describeResult, hasPassed } from './chaos-report.ts'
import { runChaos } from './run-chaos.ts'

/** The faults of this one fall on every server and most services. */
const seed = 4

describe('a thousand checkouts under ten faults', () => {
  const said: string[] = []
  const stops: (() => Promise<void>)[] = []
  afterEach(function () {
    if (this.currentTest?.isFailed()) console.log(said.join('\n'))
  })
  after(async function () {
    this.timeout(60_000)
    for (const stop of stops.reverse()) await stop()
  })

  // Its own servers, not those of the other tests: it kills them.
  it('all end as promised, and what happened twice had no effect twice', async function () {
    this.timeout(300_000)
    const result = await runChaos(smallChaos(seed), {
      onStop: (stop) => stops.push(stop),
      say: (line) => said.push(line),
    })
    said.push('', describeResult(result))
    deepEqual(result.findings, [])
    ok(hasPassed(result))
  })
})
