import { equal, match, ok } from 'node:assert/strict'
import { format, resolveConfig } from 'prettier'
import { madeUpResult } from './lab-result-for-tests.ts'
import { table } from './markdown-table.ts'
import { toMarkdown } from './markdown.ts'
import { makeReport } from './make-report.ts'
import { madeUpStudies } from './studies-for-tests.ts'
import { addedWithInterval, bytes, digits, times, withInterval } from './wording.ts'

const command = 'npm run lab'
const written = toMarkdown(makeReport(madeUpResult(), madeUpStudies()), command)

describe('the lab’s report as text', function () {
  this.timeout(20_000)

  it('says how it was measured, with the command that does it again', () => {
    match(written, /Measured with `npm run lab` \(full form\), from 26 November 2026, 20:00 UTC/)
    match(written, /Code: `0123456`/)
    match(written, /throughput 1\.0\d\d \([\d.]+ to [\d.]+\) in 10 pairs/)
  })

  it('has a verdict on each number to reach, and why of those that are not reached', () => {
    match(
      written,
      /\| p99 to the end at half load with all of them on, by that without telemetry +\| at most 1\.05 +\| 1\.\d+ \(.*\) +\| \*\*not met\*\*/,
    )
    match(
      written,
      /- \*\*p99 to the end at half load with all of them on, by that without telemetry\*\* \(not met: .*\)\. The queue of exports is behind it\. Seen in \[p99\.html\]\(p99\.html\)\./,
    )
    match(toMarkdown(makeReport(madeUpResult(), {}), command), /Why is not written down yet\./)
  })

  it('has a table for each group, of ratios, of medians and of what is added', () => {
    for (const title of ['Signals', 'Sampling', 'What people would use instead', 'Without a saga'])
      ok(written.includes(`\n## ${title}\n`), title)
    match(written, /\| auto-instrumentations \| 0\.7\d\d \(0\.\d+ to 0\.\d+\)/)
    match(written, /\| all +\| \+0\.\d+ ms \(\+0\.\d+ to \+0\.\d+\)/)
  })

  it('says whether the spans add up', () => {
    match(written, /they match/)
    const result = madeUpResult()
    const spans = result.comparisons[1]?.pairs[0]?.arm.spans
    ok(spans)
    spans.ended += 5
    match(toMarkdown(makeReport(result, {}), command), /\*\*they do not match\*\*, in 1 visits: 5 more ended/)
  })

  it('says whose functions take the time, those that hardly do together', () => {
    match(written, /Flame graphs: \[off\]\(profile-off\.svg\), \[all\]\(profile-all\.svg\)/)
    match(written, /\| @opentelemetry\/sdk-trace +\| 0\.00 ms \| 1\.50 ms \|/)
    match(written, /\| 2 others +\| 0\.01 ms \| 0\.02 ms \|\n\| all +\| 4\.51 ms \| 5\.72 ms \|/)
  })

  it('names what bends the cost, and what profiles changed', () => {
    match(
      written,
      /\*\*commits in the store\.\*\* It does not stay within 10 %: most of the change is services, .* Something reads all of them\.\n/,
    )
    match(written, /### Less of something[^]*\| services, a checkout \| 3\.30 ms \| 3\.00 ms \| 0\.909/)
  })

  it('is void where its control says so', () => {
    match(toMarkdown(makeReport(madeUpResult({ comparisons: [] }), {}), command), /\*\*This run is void\*\*/)
  })

  it('is formatted as everything here is', async () => {
    const style = await resolveConfig(import.meta.filename)
    equal(await format(written, { ...style, parser: 'markdown' }), written)
  })
})

describe('figures as they are written', () => {
  it('have three digits that count, and their unit once', () => {
    equal(
      [0, 0.00123, 0.0456, 1.234, 12.34, 123.4, 12_345].map(digits).join(' '),
      '0 0.00123 0.0456 1.23 12.3 123 12,345',
    )
    equal([0.0077, 0.5, 1.05].map(times).join(' '), '0.00770 0.500 1.050')
    equal([0, 80, 30 * 2 ** 20].map(bytes).join(', '), '0 bytes, 80.0 bytes, 30.0 MiB')
    const interval = { estimate: 1_000, lower: 900, upper: 2_000 }
    equal(withInterval(interval, bytes), '1,000 bytes (900 bytes to 1.95 KiB)')
    equal(
      addedWithInterval({ estimate: -0.1, lower: -0.2, upper: 0.1 }, 'ms'),
      '−0.100 ms (−0.200 to +0.100)',
    )
  })

  it('break no table', () => {
    equal(table(['a'], [['x|y\nz']]), '| a      |\n| ------ |\n| x\\|y z |')
  })
})
