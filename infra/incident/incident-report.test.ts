import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { describeEntry, describePlan, describeResult, withOutput } from './incident-report.ts'
import type { IncidentResult, Link, LinkName } from './incident-result.ts'
import { brokenLink, isWhole, linkNames, recovery } from './incident-result.ts'
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
