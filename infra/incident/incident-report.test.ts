import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { describeEntry, describePlan, describeResult, withOutput } from './incident-report.ts'
import type { IncidentResult, Link, LinkName } from './incident-result.ts'
import { brokenLink, hasSettled, isWhole, linkNames, recovery } from './incident-result.ts'
import { scenarios } from './scenarios.ts'

const links = (broken?: LinkName): Link[] =>
  (Object.keys(linkNames) as LinkName[]).map((name) => ({
    name,
    isFound: name !== broken,
    detail: `${name}!`,
  }))

const result = (changes: Partial<IncidentResult> = {}): IncidentResult => ({
  scenario: 'slow-payment-network',
  startedAt: '2026-01-01T00:00:00.000Z',
  speed: 10,
  ratePerSecond: 5,
  links: links(),
  figures: { faultToPendingMillis: 17_140, faultToFiringMillis: 47_300 },
  phases: {},
  alsoFired: [],
  pages: [],
  timeline: [],
  tookMillis: 180_000,
  ...changes,
})

describe('an incident', () => {
  it('is whole when each link of the chain was looked for and found', () => {
    ok(isWhole(result()))
    match(describeResult(result()).join('\n'), /Each of the 12 links of the chain was found/)
  })

  it('is not whole when a link is broken, which is named', () => {
    const broken = result({ links: links('exemplar') })
    equal(isWhole(broken), false)
    equal(brokenLink(broken)?.name, 'exemplar')
    match(describeResult(broken).join('\n'), /FAILED: "an exemplar names a trace" is not so: exemplar!/)
  })

  it('is not whole when a link was never looked for', () => {
    const cut = result({ links: links().slice(0, 5) })
    equal(isWhole(cut), false)
    match(describeResult(cut).join('\n'), /FAILED: not every link was looked for/)
  })

  it('is not whole when the cause that was found is another than was broken', () => {
    const wrong = result({
      links: links('agreement'),
      guilty: { name: 'users: process checkouts', because: '', agrees: false },
    })
    match(describeResult(wrong).join('\n'), /Guilty: users: process checkouts; it is NOT what was broken/)
    equal(isWhole(wrong), false)
  })

  it('says never of what did not happen', () => {
    match(describeResult(result()).join('\n'), /from the fix to the end of the alert +never/)
    match(describeResult(result()).join('\n'), /from the fix to the latency as before +never/)
  })

  it('says which rules Prometheus had', () => {
    const scenario = scenarios['slow-payment-network']
    ok(scenario)
    const plan = (speed: number) => describePlan({ scenario, ratePerSecond: 5, speed }).join('\n')
    match(plan(1), /rules are those of infra\/prometheus, as they are/)
    match(plan(10), /every window and waiting time divided by 10; thresholds are as they are/)
  })

  it('has a time line that counts from the fault', () => {
    deepEqual(describeEntry({ atMillis: 47_310, what: 'firing', lines: ['CheckoutsSlow', 'RUNBOOK'] }), [
      '  +47.3 s  firing     CheckoutsSlow',
      '                      RUNBOOK',
    ])
    deepEqual(describeEntry({ atMillis: -900, what: 'load', lines: ['begins'] }), [
      '   -0.9 s  load       begins',
    ])
  })
})

describe('the latency', () => {
  it('is back at twice of what it was, and no later', () => {
    const before = { p50: 40, p99: 700 }
    ok(recovery(before, { p50: 100, p99: 1_400 }).isBack)
    equal(recovery(before, { p50: 101, p99: 100 }).isBack, false)
    equal(recovery(before, { p50: 40, p99: 1_401 }).isBack, false)
  })

  it('is back within a second at the 99th percentile, where before it was a moment', () => {
    ok(recovery({ p50: 40, p99: 80 }, { p50: 40, p99: 999 }).isBack)
    equal(recovery({ p50: 40, p99: 80 }, { p50: 40, p99: 1_001 }).isBack, false)
  })
})

describe('a recovery', () => {
  const toEnd = (p50: number, count = 5) => ({
    count,
    min: p50,
    p50,
    p90: p50,
    p99: p50,
    p999: p50,
    max: p50,
  })
  const before = { toEnd: toEnd(80) }
  const now = (p50: number, open: number, count?: number) => ({
    open,
    lately: { toAccepted: toEnd(1), toEnd: toEnd(p50, count) },
  })
  const settled = (leftOpen: number, seen: ReturnType<typeof now>) =>
    hasSettled({ before, leftOpen, now: seen, ratePerSecond: 5 })

  it('is over when what ends takes as long as before, and nothing older is open', () => {
    equal(settled(0, now(150, 3)), true)
    equal(settled(0, now(200, 3)), false)
    equal(settled(1, now(80, 3)), false)
  })

  it('is not over when nothing ends, or more waits than before, however fast the others are', () => {
    equal(settled(0, now(0, 0, 0)), false)
    equal(settled(0, now(80, 6)), false)
  })
})

describe('the docs', () => {
  const page = 'a\n<!-- output: one -->\nold\n<!-- /output -->\nb\n<!-- output: two -->\n<!-- /output -->\n'

  it('take the output between the markers of its scenario, and nothing else', () => {
    equal(
      withOutput(page, 'two', ['x', 'y']),
      'a\n<!-- output: one -->\nold\n<!-- /output -->\nb\n<!-- output: two -->\n\n```\nx\ny\n```\n\n<!-- /output -->\n',
    )
    match(
      withOutput(page, 'one', ['new']),
      /^a\n<!-- output: one -->\n\n```\nnew\n```\n\n<!-- \/output -->\nb\n/,
    )
  })

  it('are refused where they have no such markers', () => {
    throws(() => withOutput(page, 'three', []), /there is no <!-- output: three -->/)
  })
})
