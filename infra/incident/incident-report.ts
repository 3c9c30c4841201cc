/** An incident as text: its timeline while it goes on, and the table of what was measured. */
import { alignColumns } from '../../shared/process/text-table.ts'
import type { IncidentResult, TimelineEntry } from './incident-result.ts'
import { brokenLink, isWhole, linkNames, phaseNames } from './incident-result.ts'
import type { IncidentOptions } from './run-incident.ts'

export function describePlan({
  scenario,
  ratePerSecond,
  speed,
}: Pick<IncidentOptions, 'scenario' | 'ratePerSecond' | 'speed'>): string[] {
  return [
    `${scenario.name}: ${scenario.what}`,
    ...(scenario.note === undefined ? [] : [scenario.note]),
    `${ratePerSecond} checkouts a second, all of which should complete.`,
    speed === 1
      ? 'The alert rules are those of infra/prometheus, as they are.'
      : `The alert rules are those of infra/prometheus with every window and waiting time divided by ${speed}; thresholds are as they are.`,
  ]
}

/** The same for programs. */
export const planOf = ({ scenario, ratePerSecond, speed, steadyMillis }: IncidentOptions) => ({
  dryRun: true,
  scenario: scenario.name,
  what: scenario.what,
  alert: scenario.alert,
  panels: scenario.panels,
  ratePerSecond,
  speed,
  steadyMillis,
})

/** `+12.3 s  firing     CheckoutsSlow: ...` */
export function describeEntry({ atMillis, what, lines }: TimelineEntry): string[] {
  const time = `${atMillis < 0 ? '-' : '+'}${(Math.abs(atMillis) / 1_000).toFixed(1)} s`.padStart(9)
  const [first = '', ...others] = lines
  const margin = ' '.repeat(time.length + 2 + whatWidth)
  return [`${time}  ${what.padEnd(whatWidth)}${first}`, ...others.map((line) => `${margin}${line}`)]
}
const whatWidth = 11

export function describeResult(result: IncidentResult): string[] {
  const { figures, phases, alsoFired, guilty } = result
  const seconds = (millis: number | undefined) =>
    millis === undefined ? 'never' : `${(millis / 1_000).toFixed(1)} s`
  return [
    ...alignColumns([
      ['from the fault to the alert pending', seconds(figures.faultToPendingMillis)],
      ['from the fault to the alert firing', seconds(figures.faultToFiringMillis)],
      ['from the alert to the trace', seconds(figures.alertToTraceMillis)],
      ['from the alert to the guilty span', seconds(figures.alertToGuiltyMillis)],
      ['from the fix to the end of the alert', seconds(figures.fixToResolvedMillis)],
      ['from the fix to the latency as before', seconds(figures.fixToBackMillis)],
    ]),
    '',
    ...alignColumns([
      [
        'arrived',
        'checkouts',
        'to the 202: p50',
        'p99',
        'to the end: p50',
        'p99',
        'max',
        'slower than any before',
      ],
      ...phaseNames.flatMap((name) => {
        const phase = phases[name]
        if (!phase) return []
        const { toAccepted, toEnd, tally, slowerThanAnyBefore } = phase
        return [
          [
            name,
            String(tally.accepted),
            ...[toAccepted.p50, toAccepted.p99, toEnd.p50, toEnd.p99, toEnd.max].map(duration),
            name === 'before' ? '' : String(slowerThanAnyBefore),
          ],
        ]
      }),
    ]),
    '',
    ...(guilty
      ? [`Guilty: ${guilty.name}; ${guilty.agrees ? 'it is what was broken' : 'it is NOT what was broken'}.`]
      : []),
    ...result.links.filter(({ name }) => name === 'whole').map(({ detail }) => `${detail}.`),
    ...(alsoFired.length > 0 ? [`Also fired: ${alsoFired.join(', ')}.`] : []),
    ...(result.generatorLateMillis === undefined
      ? []
      : [
          `The load itself was late by ${duration(result.generatorLateMillis)} (p99): the machine had too little to give, and the latencies have that in them.`,
        ]),
    verdict(result),
  ]
}

function verdict(result: IncidentResult): string {
  const took = `All of it took ${(result.tookMillis / 1_000).toFixed(0)} s.`
  if (isWhole(result)) return `Each of the ${result.links.length} links of the chain was found. ${took}`
  const broken = brokenLink(result)
  const which = broken
    ? `"${linkNames[broken.name]}" is not so: ${broken.detail}`
    : 'not every link was looked for'
  return `FAILED: ${which.replace(/\.$/, '')}. ${took}`
}

export const describePages = ({ pages }: Pick<IncidentResult, 'pages'>): string[] =>
  alignColumns([...new Map(pages.map(({ title, url }) => [url, [title, url]])).values()])

export function duration(millis: number): string {
  return millis >= 1_000 ? `${(millis / 1_000).toFixed(1)} s` : `${millis.toFixed(0)} ms`
}

/** Between its markers, in a fence. @throws Error when the text has no such markers */
export function withOutput(markdown: string, name: string, output: readonly string[]): string {
  const [begin, end] = [`<!-- output: ${name} -->`, '<!-- /output -->']
  const from = markdown.indexOf(begin)
  const to = markdown.indexOf(end, from)
  if (from < 0 || to < 0) throw new Error(`there is no ${begin} with its ${end}`)
  const fence = ['', '', '```', ...output, '```', '', ''].join('\n')
  return `${markdown.slice(0, from + begin.length)}${fence}${markdown.slice(to)}`
}
