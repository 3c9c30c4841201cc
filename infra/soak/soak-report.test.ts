import { deepEqual, equal, match, ok } from 'node:assert/strict'
import type { Load, ProbeSample, Sample, WatchedProcess } from './soak-report.ts'
import { judge, toMarkdown, toSvg } from './soak-report.ts'

const mebibyte = 1024 ** 2

const load: Load = {
  minutes: 30,
  warmUpMinutes: 10,
  ratePerSecond: 10,
  placed: 18_000,
  accepted: 18_000,
  followed: 1_800,
  astray: [],
}

interface Growing {
  readonly mebibytesInTenMinutes?: number
  readonly openFiles?: (seconds: number) => number
}

/** Thirty minutes of a process; what it grows by in its first ten minutes does not count. */
function watched(name: string, growing: Growing = {}, changes: Partial<WatchedProcess> = {}): WatchedProcess {
  const { mebibytesInTenMinutes = 0, openFiles = () => 40 } = growing
  const bytes = (seconds: number) =>
    (50 + Math.min(seconds, 600) / 60 + (mebibytesInTenMinutes * seconds) / 600) * mebibyte
  const times = Array.from({ length: 120 }, (_, index) => index * 15)
  const samples = times.map((seconds): Sample => ({
    seconds,
    life: 1,
    rssBytes: bytes(seconds) + 100 * mebibyte,
    cpuSeconds: seconds * 0.1,
    openFiles: openFiles(seconds),
  }))
  const probes = times.map((seconds): ProbeSample => ({
    seconds,
    life: 1,
    heapUsedBytes: bytes(seconds) + ((seconds * 7) % 20) * mebibyte,
    heapUsedAfterGcBytes: bytes(seconds) - 5 * mebibyte,
    externalAfterGcBytes: 5 * mebibyte,
    eventLoopDelayP99Millis: 12,
    activeResources: 20,
    majorCollections: 1,
  }))
  return { name, isService: true, samples, probes, endings: [], ...changes }
}

describe('a soak', () => {
  it('passes when nothing grows once the warm-up is over', () => {
    const { passed, processes, faults } = judge(load, [watched('users'), watched('orders')])
    deepEqual([passed, faults], [true, []])
    const [users] = processes
    equal(users?.inUse?.mebibytes, 0)
    equal(users.cores.toFixed(3), '0.100')
    equal(users.majorCollections, 120)
  })

  it('fails when a service grows by a megabyte in ten minutes, and passes just below', () => {
    equal(judge(load, [watched('users', { mebibytesInTenMinutes: 0.95 })]).passed, true)
    const { passed, processes } = judge(load, [
      watched('users', { mebibytesInTenMinutes: 1.05 }),
      watched('orders'),
    ])
    equal(passed, false)
    deepEqual(
      processes.map(({ faults }) => faults),
      [['users grows by 1.05 MiB in ten minutes'], []],
    )
  })

  it('leaves a server’s growth to its makers', () => {
    const kafka = watched('kafka', { mebibytesInTenMinutes: 50 }, { isService: false, probes: [] })
    equal(judge(load, [kafka]).passed, true)
  })

  it('fails when a process ended, or opens files for ever', () => {
    const ended = judge(load, [watched('users', {}, { endings: ['exit code 1'] })])
    deepEqual(ended.processes[0]?.faults, ['users ended: exit code 1'])
    const leaking = judge(load, [watched('users', { openFiles: (seconds) => 40 + Math.floor(seconds / 10) })])
    match(leaking.processes[0]?.faults.join() ?? '', /^users has 218 open files, 100 after/)
    equal(ended.passed || leaking.passed, false)
  })

  it('fails when checkouts are refused or go astray, and when there is too little to tell', () => {
    equal(judge({ ...load, accepted: 17_000 }, [watched('users')]).passed, false)
    equal(
      judge({ ...load, astray: ['checkout 1 should be completed: expired'] }, [watched('users')]).passed,
      false,
    )
    const astray = Array.from({ length: 50 }, (_, index) => `checkout ${index} should be completed: expired`)
    deepEqual(judge({ ...load, astray }, []).faults.slice(4), [astray[4], 'and 45 more went astray'])
    equal(judge({ ...load, warmUpMinutes: 29.9 }, [watched('users')]).passed, false)
  })

  it('is told in Markdown and drawn', () => {
    const users = watched('users', { mebibytesInTenMinutes: 2 })
    const text = toMarkdown(judge(load, [users]))
    match(text, /^# Soak: failed\n/)
    match(text, /- users grows by 2\.00 MiB in ten minutes/)
    match(text, /\| users \| \+2\.00 \(\+2\.00 to \+2\.00\) \|/)
    const svg = toSvg(users)
    equal(svg.match(/<polyline/g)?.length, 3)
    ok(!svg.includes('NaN'))
    ok(!toSvg(watched('kafka', {}, { probes: [], samples: [] })).includes('NaN'))
  })
})
