import { deepEqual, match, ok } from 'node:assert/strict'
import { readdir, readFile } from 'node:fs/promises'
import { parse } from 'yaml'

interface Alert {
  readonly alert: string
  readonly labels: { readonly severity: string }
  readonly annotations: Readonly<Record<'summary' | 'description' | 'runbook', string>>
}

const read = (name: string) => readFile(new URL(name, import.meta.url), 'utf8')

describe('every alert', () => {
  let alerts: readonly Alert[]
  before(async () => {
    const { groups } = parse(await read('rules/alerts.yml')) as { groups: { rules: Alert[] }[] }
    alerts = groups.flatMap(({ rules }) => rules)
    ok(alerts.length > 0)
  })

  it('says how urgent it is, what is wrong, and where to read on', () => {
    for (const { alert, labels, annotations } of alerts) {
      match(labels.severity, /^(warning|critical)$/, alert)
      for (const name of ['summary', 'description'] as const)
        ok(annotations[name].length > 10, `${alert}: ${name}`)
      ok(annotations.runbook === `RUNBOOK.md#${alert.toLowerCase()}`, alert)
    }
  })

  it('has its chapter in the runbook, in the same order, and no chapter is without its alert', async () => {
    const chapters = [...(await read('RUNBOOK.md')).matchAll(/^## (\w+)$/gm)].map(([, chapter]) => chapter)
    deepEqual(
      chapters,
      alerts.map(({ alert }) => alert),
    )
  })

  it('has a test', async () => {
    const files = await readdir(new URL('tests/', import.meta.url))
    const tests = (await Promise.all(files.map((file) => read(`tests/${file}`)))).join('\n')
    for (const { alert } of alerts) {
      // Named as alertname in a test of alerts or in a query for ALERTS.
      const tested = new RegExp(`alertname(: |=")${alert}\\b`).test(tests)
      ok(tested, alert)
    }
  })
})
