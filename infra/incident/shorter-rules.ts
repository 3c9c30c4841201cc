/**
 * The alert rules as they are, with Prometheus' clock turned faster: every window, offset and `for` is divided, and so is
 * the time between scrapes and evaluations; expressions and thresholds stay. An incident that takes eleven minutes to be
 * told of then takes one.
 */
import { readdirSync, readFileSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse, stringify } from 'yaml'

const secondsIn: Readonly<Record<string, number>> = { ms: 0.001, s: 1, m: 60, h: 3_600, d: 86_400 }

/** What services report every second cannot be seen oftener. */
const shortestSeconds = 1

/** @param duration as Prometheus writes it, one number and one unit: `5m` */
export function divided(duration: string, by: number): string {
  const { count, unit = '' } = /^(?<count>\d+)(?<unit>ms|s|m|h|d)$/.exec(duration)?.groups ?? {}
  const seconds = Number(count) * (secondsIn[unit] ?? NaN)
  if (Number.isNaN(seconds)) throw new Error(`${duration} is no duration that is understood`)
  return `${Math.round(Math.max(shortestSeconds, seconds / by) * 1_000)}ms`
}

/** `[5m]`, `[6h:5m]` and `offset 15m`; a number that is no duration stays. */
const withShorterWindows = (promql: string, by: number): string =>
  promql
    .replaceAll(
      /\[(\w+)(?::(\w*))?\]/g,
      (whole, range: string, step?: string) =>
        `[${divided(range, by)}${whole.includes(':') ? `:${step ? divided(step, by) : ''}` : ''}]`,
    )
    .replaceAll(/\boffset (\w+)/g, (_, offset: string) => `offset ${divided(offset, by)}`)

interface Rule {
  readonly expr: string
  readonly for?: string
}
interface RuleFile {
  readonly groups: readonly { readonly name: string; readonly rules: readonly Rule[] }[]
}

export function shorterRules(yaml: string, by: number): string {
  const { groups } = parse(yaml) as RuleFile
  return stringify({
    groups: groups.map(({ rules, ...group }) => ({
      ...group,
      rules: rules.map((rule) => ({
        ...rule,
        expr: withShorterWindows(rule.expr, by),
        ...(rule.for !== undefined && { for: divided(rule.for, by) }),
      })),
    })),
  })
}

export function shorterConfiguration(yaml: string, by: number): string {
  const configuration = parse(yaml) as { readonly global: Readonly<Record<string, string>> }
  return stringify({
    ...configuration,
    global: Object.fromEntries(
      Object.entries(configuration.global).map(([name, duration]) => [name, divided(duration, by)]),
    ),
  })
}

const shared = join(import.meta.dirname, '..', 'prometheus')

/** Writes Prometheus' whole configuration, but for its targets, into a folder. */
export function writeShorterRules(folder: string, by: number): void {
  mkdirSync(join(folder, 'rules'), { recursive: true })
  const render = (file: string, change: (yaml: string, by: number) => string) =>
    writeFileSync(join(folder, file), change(readFileSync(join(shared, file), 'utf8'), by))
  render('prometheus.yml', shorterConfiguration)
  for (const file of readdirSync(join(shared, 'rules'))) render(join('rules', file), shorterRules)
}
