import { deepEqual, equal, ok } from 'node:assert/strict'
import { readProcessUsage, secondsOf } from './process-usage.ts'

describe('what a process uses', () => {
  it('is read for one that runs', async () => {
    const usage = await readProcessUsage(process.pid)
    ok(usage)
    const { rss } = process.memoryUsage()
    ok(Math.abs(usage.rssBytes - rss) < rss / 2, `${usage.rssBytes} is far from ${rss}`)
    const { user, system } = process.cpuUsage()
    ok(Math.abs(usage.cpuSeconds - (user + system) / 1e6) < 1)
    if (process.platform === 'linux') ok((usage.openFiles ?? 0) >= 3)
  })

  it('is nothing for one that does not', async () => {
    equal(await readProcessUsage(2 ** 22 + 1), undefined)
  })

  it('counts the time that ps writes', () => {
    deepEqual(['0:07.25', '01:02:03', '2-01:00:00', '12:00'].map(secondsOf), [7.25, 3_723, 176_400, 720])
  })
})
