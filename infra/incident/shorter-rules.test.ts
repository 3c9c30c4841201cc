import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parse } from 'yaml'
import { divided, shorterRules, writeShorterRules } from './shorter-rules.ts'

interface RuleFile {
  readonly groups: readonly { readonly rules: readonly Readonly<Record<string, unknown>>[] }[]
}
const rulesOf = (yaml: string) => (parse(yaml) as RuleFile).groups.flatMap(({ rules }) => rules)
const shared = (file: string) => readFileSync(new URL(`../prometheus/${file}`, import.meta.url), 'utf8')

describe('rules whose windows are shorter', () => {
  it('have every window, offset and waiting time divided, and nothing else changed', () => {
    const yaml = `groups: [{ name: g, rules: [{ alert: A, for: 5m, labels: { severity: warning },
      expr: 'max_over_time(x_5m[10m]) - (x offset 15m) > 120 * avg_over_time(y[6h:5m]) * 300' }] }]`
    deepEqual(rulesOf(shorterRules(yaml, 10)), [
      {
        alert: 'A',
        labels: { severity: 'warning' },
        expr: 'max_over_time(x_5m[60000ms]) - (x offset 90000ms) > 120 * avg_over_time(y[2160000ms:30000ms]) * 300',
        for: '30000ms',
      },
    ])
  })

  it('are never shorter than what can be seen', () => {
    equal(divided('5s', 30), '1000ms')
  })

  it('are refused where a duration is not understood, rather than left as they are', () => {
    throws(() => divided('1h30m', 10), /1h30m is no duration/)
  })

  it('are those of the real files, rule by rule', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sagascope-rules-'))
    try {
      writeShorterRules(folder, 10)
      for (const file of ['rules/alerts.yml', 'rules/recording.yml']) {
        const real = rulesOf(shared(file))
        const shorter = rulesOf(readFileSync(join(folder, file), 'utf8'))
        ok(real.length > 5)
        const [durations, anything] = [/\[\w+:?\w*\]|offset \w+/g, 'window']
        const stripped = (rules: typeof real) =>
          rules.map((rule) => ({
            ...rule,
            ...('for' in rule && { for: anything }),
            expr: String(rule.expr).replaceAll(durations, anything),
          }))
        deepEqual(stripped(shorter), stripped(real))
        const forOf = (rules: typeof real) => rules.find(({ alert }) => alert === 'CheckoutsSlow')?.for
        if (file.includes('alerts')) deepEqual([forOf(real), forOf(shorter)], ['5m', '30000ms'])
      }
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
