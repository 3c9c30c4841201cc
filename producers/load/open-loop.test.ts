import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { openLoop } from './open-loop.ts'

describe('an open loop', () => {
  it('sends at its rate although nothing is answered', async () => {
    const answers: (() => void)[] = []
    const dueAts: number[] = []
    const looping = openLoop({ ratePerSecond: 1_000, total: 20 }, (_index, dueAt) => {
      dueAts.push(dueAt)
      return new Promise((resolve) => {
        answers.push(resolve)
        if (answers.length === 20) answers.forEach((answer) => answer())
      })
    })
    equal(await looping, 20)
    const steps = dueAts.slice(1).map((dueAt, index) => Math.round(dueAt - (dueAts[index] ?? 0)))
    deepEqual(steps, Array<number>(19).fill(1))
  })

  it('is due at its time also where the process was late', async () => {
    const late: number[] = []
    await openLoop({ ratePerSecond: 1_000, total: 3 }, (index, dueAt) => {
      if (index === 0) while (performance.now() < dueAt + 20) Math.sqrt(2)
      late.push(performance.now() - dueAt)
      return Promise.resolve()
    })
    ok((late[1] ?? 0) > 10, `the second arrived ${late[1] ?? 0} ms after it was due`)
  })

  it('ends early when told to, and waits for what is under way', async () => {
    const stop = new AbortController()
    let settled = 0
    const arrived = await openLoop(
      { ratePerSecond: 1_000, total: 1_000, signal: stop.signal },
      async (index) => {
        if (index === 4) stop.abort()
        await Promise.resolve()
        settled += 1
      },
    )
    deepEqual([arrived, settled], [5, 5])
  })

  it('fails with the first failure, after the others', async () => {
    let settled = 0
    const looping = openLoop({ ratePerSecond: 1_000, total: 3 }, async (index) => {
      await Promise.resolve()
      if (index === 0) throw new Error('refused')
      settled += 1
    })
    await rejects(looping, /refused/)
    equal(settled, 2)
  })
})
