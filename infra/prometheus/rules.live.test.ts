import { equal, match, ok } from 'node:assert/strict'
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promtoolPath, runPromtool } from '../verify/promtool.ts'

const folder = import.meta.dirname
const filesIn = async (name: string) => (await readdir(join(folder, name))).map((file) => join(name, file))

describe('the rules, by promtool', function () {
  // Where it is not cached yet, it is compiled first.
  this.timeout(15 * 60_000)
  before(() => promtoolPath())

  it('are valid, and so is the configuration that names them', async () => {
    const rules = await runPromtool(['check', 'rules', '--lint-fatal', ...(await filesIn('rules'))], folder)
    ok(rules.ok, rules.report)
    const config = await runPromtool(['check', 'config', 'prometheus.yml'], folder)
    ok(config.ok, config.report)
    match(config.report, /2 rule files found/)
  })

  it('do what their tests say', async () => {
    const verdict = await runPromtool(['test', 'rules', ...(await filesIn('tests'))], folder)
    ok(verdict.ok, verdict.report)
  })

  it('fail their tests when a threshold is changed', async () => {
    const copy = await mkdtemp(join(tmpdir(), 'sagascope-rules-'))
    try {
      for (const name of ['rules', 'tests'])
        await cp(join(folder, name), join(copy, name), { recursive: true })
      const alerts = join(copy, 'rules', 'alerts.yml')
      const text = await readFile(alerts, 'utf8')
      await writeFile(alerts, text.replace('ratio_rate5m > 0.25', 'ratio_rate5m > 0.5'))
      const verdict = await runPromtool(['test', 'rules', ...(await filesIn('tests'))], copy)
      equal(verdict.ok, false)
      match(verdict.report, /CompensationRateHigh/)
    } finally {
      await rm(copy, { recursive: true })
    }
  })
})
