import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { readLabResult } from './lab-result.ts'

const run = promisify(execFile)
const program = join(import.meta.dirname, 'lab.ts')

/** The smallest that measures anything: whether it measures, not what. */
describe('npm run lab', function () {
  this.timeout(5 * 60_000)

  let folder: string

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'sagascope-lab-'))
    const smallest = ['--pairs', '1', '--seconds', '2', '--warm-up', '2']
    await run(process.execPath, [program, '--short', ...smallest, '--out', folder])
  })
  after(() => rm(folder, { recursive: true, force: true }))

  it('measures the control and always-on beside telemetry off, and loses no span', () => {
    const { form, comparisons } = readLabResult(join(folder, 'lab.json'))
    equal(form, 'short')
    deepEqual(
      comparisons.map(({ arm, against, pairs }) => ({ arm, against, pairs: pairs.length })),
      [
        { arm: 'off-again', against: 'off', pairs: 1 },
        { arm: 'all', against: 'off', pairs: 1 },
      ],
    )
    for (const { arm, pairs } of comparisons) {
      for (const pair of pairs) {
        for (const sample of [pair.arm, pair.against]) {
          ok(sample.saturation.checkouts > 0 && sample.halfLoad.checkouts > 0)
          ok(Object.values(sample.serviceRssBytes).every((bytes) => bytes > 0))
          ok(sample.halfLoad.toEndMillis.p50 > 0)
        }
        equal(pair.against.spans, null)
        if (arm !== 'all') continue
        const { spans } = pair.arm
        ok(spans && spans.ended > 0 && spans.wireBytes.sent > 0)
        equal(spans.received + spans.dropped, spans.ended)
        equal(spans.dropped, 0)
      }
    }
  })

  it('writes the report in words and as a page that needs nothing else', async () => {
    const files = (await readdir(folder)).toSorted()
    ok(
      ['lab.json', 'report.html', 'report.md'].every((file) => files.includes(file)),
      files.join(', '),
    )
    const text = await readFile(join(folder, 'report.md'), 'utf8')
    match(text, /The baseline beside itself: throughput \d/)
    match(text, /\n\| all +\| \d+ +\| \d+ +\| 0 +\| they match \|\n/)
    const page = await readFile(join(folder, 'report.html'), 'utf8')
    ok(!/(?:src|href)="https?:/.test(page.replaceAll(/<a [^>]*>/g, '')))
  })
})
