import { deepEqual, equal } from 'node:assert/strict'
import { small } from './rolling-update-options.ts'
import { describeResult, faultsOf, runRollingUpdate } from './run-rolling-update.ts'

describe('a rolling update under load', () => {
  const said: string[] = []
  const stops: (() => Promise<void>)[] = []
  afterEach(function () {
    if (this.currentTest?.isFailed()) console.log(said.join('\n'))
  })
  after(async function () {
    this.timeout(60_000)
    for (const stop of stops.reverse()) await stop()
  })

  it('of one replica of every service, with another beside it, cuts off no request, loses nothing and does nothing twice', async function () {
    this.timeout(300_000)
    const result = await runRollingUpdate(
      { ...small, seed: 5 },
      { onStop: (stop) => stops.push(stop), say: (line) => said.push(line) },
    )
    said.push('', describeResult(result))
    deepEqual(faultsOf(result), [])
    equal(result.restarts.length, 5)
  })
})
