/** The report as Markdown. Every figure in it comes from the results; the command that measures them stands beside. */
import { table } from './markdown-table.ts'
import type { ComparisonAnalysed, SpanSums } from './analyse.ts'
import { controlBounds, controlGroup } from './analyse.ts'
import { burstError } from './analyse-studies.ts'
import { cpuKey, phases, phaseTitles, rssKey, serviceRssKey } from './figures.ts'
import type { Report } from './make-report.ts'
import { byGroup } from './make-report.ts'
import {
  addedWithInterval,
  amount,
  axisTitles,
  bytes,
  digits,
  limitOf,
  measuredOf,
  moment,
  percent,
  times,
  timesWithInterval,
  titleOfGroup,
  withInterval,
} from './wording.ts'

/** @param command that measures it, as a reader would type it */
export function toMarkdown(report: Report, command: string): string {
  const sections = [
    introduction(report, command),
    theControl(report),
    theTargets(report),
    notReached(report),
    ...byGroup(report.lab.comparisons)
      .filter(([group]) => group !== controlGroup)
      .map(([group, comparisons]) => aGroup(group, comparisons)),
    spanSums(report),
    idle(report),
    outbox(report),
    outage(report),
    sampling(report),
    growth(report),
    profile(report),
    changes(report),
  ]
  return `${sections.filter((section) => section !== '').join('\n\n')}\n`
}

const section = (title: string, ...paragraphs: readonly string[]): string =>
  [`## ${title}`, ...paragraphs.filter((paragraph) => paragraph !== '')].join('\n\n')

function introduction({ lab }: Report, command: string): string {
  const { machine, comparisons, form } = lab
  const commits = [...new Set(comparisons.map(({ commit }) => commit))]
  const pairs = [...new Set(comparisons.map(({ pairCount }) => pairCount))]
  const pinned = machine.pinned
    ? `services, broker and store on core ${machine.pinned.system}, Collector and load on ${machine.pinned.observers}`
    : 'not pinned to cores, so that load and Collector take from what is measured'
  return [
    '# What telemetry costs',
    `Measured with \`${command}\` (${form} form), from ${moment(lab.startedAt)} to ${moment(lab.endedAt)}.`,
    [
      `- Machine: ${machine.cores} cores (${machine.processor}), ${bytes(machine.memoryBytes)}, ${machine.platform}, Node ${machine.node.replace(/^v/, '')}; processes: ${pinned}.`,
      `- Code: ${commits.map((commit) => `\`${commit}\``).join(', ')}.`,
      `- Method: each arm and its baseline run side by side, each on servers of its own, and are visited in turn, A B, B A, A B and so on, ${pairs.join(' or ')} pairs. A visit is a closed loop that saturates the arm, then an open loop at half of what the slower of the two can do.`,
      '- Figures are medians. A ratio is the median of the ratios of pairs, arm by baseline, and what an arm adds the median of the differences; in brackets stands the 95 % interval (bootstrap over the pairs). A ratio whose interval has 1 in it may be no difference at all. p95 and p99 to the end are of the checkouts of all visits together: one visit has too few for them.',
      '- Processor time is user and system time of the processes, by checkouts that came to their end meanwhile.',
    ].join('\n'),
  ].join('\n\n')
}

function theControl({ lab: { control, voidBecause, form } }: Report): string {
  const { lower, upper } = controlBounds
  if (!control)
    return section(
      'The control',
      voidBecause === undefined ? 'There was none.' : `**This run is void**: ${voidBecause}.`,
    )
  const width = percent(control.throughput.upper - control.throughput.lower)
  return section(
    'The control',
    `The baseline beside itself: throughput ${timesWithInterval(control.throughput)} in ${control.pairCount} pairs. The interval is ${width} wide: of differences smaller than that this run can say little.`,
    voidBecause === undefined
      ? form === 'short'
        ? 'The short form does not judge by it.'
        : `It had to be within ${lower} and ${upper}, and is.`
      : `**This run is void**: ${voidBecause}.`,
  )
}

function theTargets({ targets }: Report): string {
  return section(
    'The numbers to reach',
    table(
      ['what', 'limit', 'measured', 'verdict', 'how'],
      targets.map((target) => [
        target.what,
        limitOf(target),
        measuredOf(target, target.measured),
        target.verdict === 'not met' ? '**not met**' : target.verdict,
        target.how,
      ]),
    ),
    'Met: the whole interval is on the right side of the limit. Undecided: the limit lies within it.',
  )
}

function notReached({ targets, studies }: Report): string {
  const limits = studies.changes?.limits ?? []
  const open = targets.filter(({ verdict }) => verdict === 'not met' || verdict === 'undecided')
  if (open.length === 0) return ''
  const lines = open.map((target) => {
    const limit = limits.find(({ target: key }) => key === target.key)
    const files = (limit?.files ?? []).map((file) => `[${file}](${file})`)
    const proof = files.length > 0 ? ` Seen in ${files.join(', ')}.` : ''
    const why = limit ? `${limit.because}${proof}` : 'Why is not written down yet.'
    return `- **${target.what}** (${target.verdict}: ${measuredOf(target, target.measured)}, wanted ${limitOf(target)}). ${why}`
  })
  return section('What is not reached, and why', lines.join('\n'))
}

type Column = readonly [title: string, key: string]

const ratioColumns: readonly Column[] = [
  ['checkouts a second', 'throughput'],
  ['p50 to the end', 'toEnd.p50'],
  ['p95', 'toEnd.p95'],
  ['p99', 'toEnd.p99'],
  ['services’ processor time', cpuKey('saturation', 'services')],
  ['all processor time', cpuKey('saturation', 'all')],
  ['services’ memory', rssKey('services')],
]

function aGroup(group: string, comparisons: readonly ComparisonAnalysed[]): string {
  const byBaseline = [...Map.groupBy(comparisons, ({ against }) => against)]
  return section(
    titleOfGroup(group),
    comparisons.map(({ arm, what }) => `- \`${arm}\`: ${what}.`).join('\n'),
    ...byBaseline.flatMap(([against, arms]) => [
      `Ratios to \`${against}\`; throughput and processor time at saturation, durations at half load.`,
      table(
        ['arm', ...ratioColumns.map(([title]) => title)],
        arms.map((each) => [
          each.arm,
          ...ratioColumns.map(([, key]) => timesWithInterval(each.figures.get(key)?.ratio)),
        ]),
      ),
      'Medians of the arms themselves, and of the baseline in the same visits.',
      absolutes(arms),
      'Added processor time, milliseconds a checkout.',
      added(arms),
    ]),
    memory(comparisons),
  )
}

const absoluteColumns: readonly Column[] = [
  ['checkouts a second', 'throughput'],
  ['p50 to the end', 'toEnd.p50'],
  ['p99', 'toEnd.p99'],
  ['p99 to the 202', 'toAccepted.p99'],
  ['services, a checkout', cpuKey('saturation', 'services')],
  ['bytes of telemetry a checkout', 'wire.perCheckout'],
  ['a span', 'wire.perSpan'],
  ['event-loop delay, p99', 'eventLoop.saturation.p99'],
]

function absolutes(arms: readonly ComparisonAnalysed[]): string {
  const cells = (each: ComparisonAnalysed, side: 'arm' | 'against') =>
    absoluteColumns.map(([, key]) => {
      const figure = each.figures.get(key)
      return figure ? amount(figure[side], figure.unit) : '–'
    })
  return table(
    ['arm', ...absoluteColumns.map(([title]) => title)],
    arms.flatMap((each) => [
      [each.arm, ...cells(each, 'arm')],
      [`(${each.against})`, ...cells(each, 'against')],
    ]),
  )
}

function added(arms: readonly ComparisonAnalysed[]): string {
  const columns = phases.flatMap((phase) =>
    (['services', 'collector', 'all'] as const).map(
      (part) => [`${part}, ${phaseTitles[phase]}`, cpuKey(phase, part)] as const,
    ),
  )
  return table(
    ['arm', ...columns.map(([title]) => title)],
    arms.map((each) => [
      each.arm,
      ...columns.map(([, key]) => {
        const figure = each.figures.get(key)
        return figure ? addedWithInterval(figure.added, figure.unit) : '–'
      }),
    ]),
  )
}

function memory(comparisons: readonly ComparisonAnalysed[]): string {
  const services = [...new Set(comparisons.flatMap((each) => each.services))]
  return [
    'Resident memory at the end of a visit, arm by baseline, of each service.',
    table(
      ['arm', ...services],
      comparisons.map((each) => [
        each.arm,
        ...services.map((service) => {
          const figure = each.figures.get(serviceRssKey(service))
          return figure ? `${bytes(figure.arm)}, ${timesWithInterval(figure.ratio)}` : '–'
        }),
      ]),
    ),
  ].join('\n\n')
}

function spanSums({ lab }: Report): string {
  const rows = lab.comparisons.flatMap(({ arm, against, spans }) => {
    const row = (name: string, sums: SpanSums | undefined): string[][] => {
      if (!sums) return []
      const { ended, received, dropped, visitsThatDiffer } = sums
      const verdict =
        visitsThatDiffer === 0
          ? 'they match'
          : `**they do not match**, in ${visitsThatDiffer} visits: ${String(ended - received - dropped)} more ended`
      return [[name, String(ended), String(received), String(dropped), verdict]]
    }
    return [...row(arm, spans.arm), ...row(`(${against}, beside ${arm})`, spans.against)]
  })
  if (rows.length === 0) return ''
  return section(
    'Spans: ended, received, dropped',
    'What ended in the services and was sampled must have been received by the Collector, or dropped and counted.',
    table(['arm', 'ended', 'received', 'dropped', ''], rows),
  )
}

function idle({ studies }: Report): string {
  const { idle: study } = studies
  if (!study) return ''
  const services = Object.keys(study.conditions[0]?.windows[0]?.cpuShare ?? {})
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / values.length
  return section(
    'Idle',
    'Processor time by time, of a core, while nobody asks for anything; means over the windows.',
    table(
      ['', 'windows', ...services, 'together'],
      study.conditions.map(({ name, what, windows }) => {
        const shares = services.map((service) => mean(windows.map(({ cpuShare }) => cpuShare[service] ?? 0)))
        return [
          `${name}: ${what}`,
          `${windows.length} of ${digits(mean(windows.map(({ seconds }) => seconds)))} s`,
          ...shares.map(percent),
          percent(shares.reduce((sum, share) => sum + share, 0)),
        ]
      }),
    ),
  )
}

function outbox({ studies }: Report): string {
  const { outbox: study } = studies
  if (!study) return ''
  const row = (name: 'immediate' | 'polling', title: string) => [
    title,
    ...(['p50', 'p95', 'p99'] as const).map((percentile) => {
      const values = study.rounds.map((round) => round[name][percentile]).toSorted((a, b) => a - b)
      return `${digits(values[Math.floor(values.length / 2)] ?? NaN)} ms (${digits(values[0] ?? NaN)} to ${digits(values.at(-1) ?? NaN)})`
    }),
  ]
  return section(
    'From the commit to the broker’s acknowledgement',
    `${study.rounds.length} rounds in turn at ${digits(study.ratePerSecond)} commits a second; the median round, and in brackets the least and the most.`,
    table(
      ['', 'p50', 'p95', 'p99'],
      [row('immediate', 'published at once'), row('polling', `polled each ${study.pollingEveryMillis} ms`)],
    ),
  )
}

function outage({ studies }: Report): string {
  const { outage: study } = studies
  if (!study) return ''
  const most = (growth: Readonly<Record<string, number>>) => Math.max(...Object.values(growth))
  return section(
    'When telemetry has nowhere to go',
    'Each pair saturates the services for the same while, with and without the fault; the services have the heap that docker-compose.yaml gives them. Growth is that of the service that grew most.',
    table(
      ['fault', 'pair', 'checkouts a second', 'without', 'growth', 'without'],
      study.faults.flatMap(({ fault, seconds, pairs }) =>
        pairs.map((pair, index) => [
          `${fault}, ${digits(seconds)} s`,
          String(index + 1),
          digits(pair.fault.checkoutsPerSecond),
          digits(pair.against.checkoutsPerSecond),
          bytes(most(pair.fault.memoryGrowthBytes)),
          bytes(most(pair.against.memoryGrowthBytes)),
        ]),
      ),
    ),
  )
}

function sampling({ sampling: strategies, studies }: Report): string {
  const { sampling: study } = studies
  if (!study) return ''
  const shareOf = (share: number | undefined) => (share === undefined ? '–' : percent(share))
  const estimated = [...new Set(strategies.flatMap(({ errors }) => errors.map(({ what }) => what)))]
  const burst = burstError(study)
  return section(
    'What each sampler leaves of the truth',
    `${digits(study.ratePerSecond)} checkouts a second; slow is ${digits(study.slowFromMillis)} ms and longer. A trace is whole when it has all that the telemetry contract wants. Errors are those of rates that are estimated from what was kept.`,
    table(
      [
        'strategy',
        'checkouts',
        'whole',
        'broken of kept',
        'failed kept',
        'slow kept',
        ...estimated.map((what) => `error of ${what}`),
        'bytes to the Collector',
        'bytes to the backend',
        'services, added',
        'Collector, added',
      ],
      strategies.map((strategy) => [
        `${strategy.name}: ${strategy.what}`,
        String(strategy.offered),
        percent(strategy.wholeShare),
        percent(strategy.brokenShare),
        shareOf(strategy.keptOfFailed),
        shareOf(strategy.keptOfSlow),
        ...estimated.map((what) => shareOf(strategy.errors.find((each) => each.what === what)?.error)),
        bytes(strategy.wireBytesPerCheckout),
        bytes(strategy.backendBytesPerCheckout),
        `${digits(strategy.addedCpuMillis.services ?? NaN)} ms`,
        `${digits(strategy.addedCpuMillis.collector ?? NaN)} ms`,
      ]),
    ),
    study.burst && burst !== undefined
      ? `The sampler that holds a rate of ${digits(study.burst.limitPerSecond)} traces a second was offered ${digits(study.burst.offeredPerSecond)} for ${digits(study.burst.seconds)} s, ${study.burst.sampledPerSecond.length} times, and was ${percent(burst)} from it at most.`
      : '',
  )
}

function growth({ growth: series, studies }: Report): string {
  if (series.length === 0) return ''
  return section(
    'Cost as it grows',
    'Processor time a checkout of all parts together, by that of the first row.',
    ...series.map(({ axis, steps, isFlat, bentBy }) => {
      const parts = Object.keys(steps[0]?.cpuMillis ?? {})
      const verdict = isFlat
        ? 'It stays within 10 %.'
        : `It does not stay within 10 %${bentBy ? `: most of the change is ${bentBy.part}, from ${digits(bentBy.fromMillis)} to ${digits(bentBy.toMillis)} ms a checkout` : ''}.`
      const because = studies.changes?.bends.find((bend) => bend.axis === axis)?.because
      return [
        [`**${axisTitles[axis]}.** ${verdict}`, because].filter(Boolean).join(' '),
        table(
          [axisTitles[axis], 'checkouts a second', ...parts, 'all', 'by the first'],
          steps.map((step) => [
            step.at.toLocaleString('en-US'),
            digits(step.checkoutsPerSecond),
            ...parts.map((part) => `${digits(step.cpuMillis[part] ?? NaN)} ms`),
            `${digits(step.cpuMillisOfAll)} ms`,
            step.ratio ? withInterval(step.ratio, times) : '–',
          ]),
        ),
      ].join('\n\n')
    }),
  )
}

/** Of the rest, each is less than this in every arm. */
const leastProfiledMillis = 0.05

function profile({ studies }: Report): string {
  const { profile: study } = studies
  if (!study) return ''
  type Arm = (typeof study.arms)[number]
  const of = ({ millisPerCheckout }: Arm, names: readonly string[]) =>
    names.reduce((sum, name) => sum + (millisPerCheckout[name] ?? 0), 0)
  const owners = [...new Set(study.arms.flatMap(({ millisPerCheckout }) => Object.keys(millisPerCheckout)))]
  const isShown = (owner: string) => study.arms.some((arm) => of(arm, [owner]) >= leastProfiledMillis)
  const rest = owners.filter((owner) => !isShown(owner))
  const row = (title: string, names: readonly string[]) => [
    title,
    ...study.arms.map((arm) => `${of(arm, names).toFixed(2)} ms`),
  ]
  return section(
    'Where the services’ time goes',
    `Sampled at ${digits(study.ratePerSecond)} checkouts a second: by whose function was at work, what Node did for it included; \`program\` is native code that no function of JavaScript is behind. Flame graphs: ${study.arms.map(({ arm, file }) => `[${arm}](${file})`).join(', ')}.`,
    table(
      ['a checkout', ...study.arms.map(({ arm }) => `\`${arm}\``)],
      [
        ...owners.filter(isShown).map((owner) => row(owner, [owner])),
        row(`${rest.length} others`, rest),
        row('all', owners),
      ],
    ),
  )
}

function changes({ studies }: Report): string {
  const { changes: study } = studies
  if (!study || study.changes.length === 0) return ''
  return section(
    'What profiles named, and what changing it brought',
    ...study.changes.map(({ title, profile, change, commit, figures, files }) =>
      [
        `### ${title}`,
        `${profile} ${change} (\`${commit}\`)`,
        figures.length === 0
          ? ''
          : table(
              ['figure', 'before', 'after', 'by before'],
              figures.map(({ what, unit, before, after }) => [
                what,
                `${digits(before)} ${unit}`,
                `${digits(after)} ${unit}`,
                before === 0 ? '–' : times(after / before),
              ]),
            ),
        files.length === 0 ? '' : `Kept: ${files.map((file) => `[${file}](${file})`).join(', ')}`,
      ]
        .filter((paragraph) => paragraph !== '')
        .join('\n\n'),
    ),
  )
}
