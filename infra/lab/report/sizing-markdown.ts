/** The sizing page: from what was measured here to what a larger system needs, step by step. */
import { table } from './markdown-table.ts'
import type { Report } from './make-report.ts'
import type { Assumptions, Recommendation, SizingInputs } from './sizing.ts'
import { inputsOf, recommend, sizeFor, systemSizes, usualAssumptions } from './sizing.ts'
import { bytes, digits, percent } from './wording.ts'

export const sizedRatePerSecond = 10_000

/** @param command that measured the inputs */
export function toSizingMarkdown(
  report: Report,
  command: string,
  assumed: Assumptions = usualAssumptions,
): string {
  const inputs = inputsOf(report)
  const rate = sizedRatePerSecond.toLocaleString('en-US')
  return `${[
    `# ${rate} checkouts a second, on paper`,
    `What a checkout costs on the machine of [the report](report.md), times ${rate} a second. Measured with \`${command}\`; the arithmetic is that of infra/lab/report/sizing.ts. It holds as far as the cost of a checkout stays flat while the system grows, which the growth study is about, and for processors like that one's.`,
    '## What was measured',
    measured(inputs),
    '## What is assumed',
    assumptions(assumed),
    ...sizeFor(sizedRatePerSecond, inputs, assumed).flatMap(({ title, steps }) => [
      `## ${title}`,
      table(
        ['what', 'arithmetic', 'result'],
        steps.map(({ what, arithmetic, shown }) => [what, arithmetic, shown]),
      ),
    ]),
    ...recommendations(report),
  ].join('\n\n')}\n`
}

function measured(inputs: SizingInputs): string {
  const millis = (value: number | undefined) => (value === undefined ? '–' : `${digits(value)} ms`)
  const size = (value: number | undefined) => (value === undefined ? '–' : bytes(value))
  const number = (value: number | undefined) => (value === undefined ? '–' : digits(value))
  const fromAll = 'arm `all`, at saturation'
  const fromVisits = 'arm `all`, both phases of a visit'
  return table(
    ['by checkout, unless told', 'measured', 'where'],
    [
      ...Object.entries(inputs.services).flatMap(([service, { cpuMillis, rssBytes }]) => [
        [`${service}, processor time`, millis(cpuMillis), fromAll],
        [`${service}, resident memory of a process`, size(rssBytes), 'arm `all`, at the end of a visit'],
      ]),
      ['broker, processor time', millis(inputs.brokerCpuMillis), fromAll],
      ['store, processor time', millis(inputs.storeCpuMillis), fromAll],
      ['Collector, processor time', millis(inputs.collectorCpuMillis), fromVisits],
      ['Collector with tail sampling', millis(inputs.tailCollectorCpuMillis), 'arm `tail-sampling`'],
      ['telemetry on the wire', size(inputs.wireBytes), fromVisits],
      ['messages', number(inputs.kafkaMessages), 'study `sizes`'],
      ['bytes of messages, one replica', size(inputs.kafkaBytes), 'study `sizes`'],
      [
        `bytes in the store (${inputs.storeProduct ?? 'not measured'})`,
        size(inputs.storeBytes),
        'study `sizes`',
      ],
      ['log lines', number(inputs.logRecords), 'study `sizes`'],
      ['bytes of log lines, indexed, one copy', size(inputs.logBytes), 'study `sizes`'],
      ['time series of a process', number(inputs.seriesPerInstance), 'study `sizes`'],
      ['spans', number(inputs.spans), 'study `sampling`, the strategy that keeps all'],
      ['bytes of a trace, as the Collector sends it on', size(inputs.traceBytes), 'the same'],
    ],
  )
}

const assumptions = (assumed: Assumptions): string =>
  table(
    ['what', 'value', 'why'],
    [
      ['how busy a core is planned to be', String(assumed.utilisation), 'one pod of three may fail'],
      ['cores of a pod', String(assumed.coresPerPod), 'a Node process runs its code on one'],
      ['cores of a Collector', String(assumed.coresPerCollector), 'a decision'],
      ['cores of a broker', String(assumed.coresPerBroker), 'a decision'],
      [
        'partitions for each pod of the largest consumer',
        String(assumed.partitionsPerPod),
        'twice as many pods are possible without repartitioning, which would move keys',
      ],
      ['replicas on Kafka, and in the store', `${assumed.kafkaReplicas}, ${assumed.storeReplicas}`, 'usual'],
      ['days that messages are kept', String(assumed.kafkaRetentionDays), 'Kafka’s default'],
      [
        'seconds that tail sampling waits',
        String(assumed.tailWaitSeconds),
        '`infra/collector/overlays/tail-sampling.yaml`',
      ],
      ['seconds between scrapes', String(assumed.scrapeIntervalSeconds), 'a decision; the demo has 5'],
      [
        'bytes of a sample',
        String(assumed.bytesPerSample),
        '1 to 2 by [Prometheus’ documentation](https://prometheus.io/docs/prometheus/latest/storage/)',
      ],
    ],
  )

function recommendations({ sampling }: Report): string[] {
  if (sampling.length === 0)
    return ['## Which sampling', 'The sampling study was not made, so nothing is recommended.']
  const sizes = systemSizes.map((size) => recommend(sampling, size))
  return [
    '## Which sampling',
    'The strategy that keeps most of what failed, then of what was slow, then of all, of those whose traces fit; of equals the cheapest. What fits is a decision, all else comes from the sampling study.',
    table(
      ['system', 'checkouts a second', 'traces may take', 'default', 'because'],
      sizes.map((each) => [
        each.size.name,
        each.size.ratePerSecond.toLocaleString('en-US'),
        `${bytes(each.size.traceBytesPerDay)} a day`,
        each.chosen?.strategy.name ?? '–',
        reasonOf(each),
      ]),
    ),
    ...sizes.flatMap(({ size, all }) => [
      `At ${size.ratePerSecond.toLocaleString('en-US')} checkouts a second:`,
      table(
        ['strategy', 'traces a day', 'whole', 'failed kept', 'slow kept', 'added by services and Collector'],
        all.map(({ strategy, traceBytesPerDay, wholeShare, keptOfFailed, keptOfSlow, addedCores }) => [
          strategy.name,
          bytes(traceBytesPerDay),
          percent(wholeShare),
          percent(keptOfFailed),
          percent(keptOfSlow),
          `${digits(addedCores)} cores`,
        ]),
      ),
    ]),
  ]
}

function reasonOf({ size, chosen, all }: Recommendation): string {
  const most = all.toSorted((one, other) => other.traceBytesPerDay - one.traceBytesPerDay)[0]
  const fitting = all.filter(({ traceBytesPerDay }) => traceBytesPerDay <= size.traceBytesPerDay).length
  if (!chosen)
    return `none fits; the smallest needs ${bytes(Math.min(...all.map(({ traceBytesPerDay }) => traceBytesPerDay)))} a day`
  const kept = `it keeps ${percent(chosen.keptOfFailed)} of what failed and ${percent(chosen.keptOfSlow)} of what was slow in ${bytes(chosen.traceBytesPerDay)} a day, for ${digits(chosen.addedCores)} cores`
  return chosen === most || !most
    ? `all fits: ${kept}`
    : `${fitting} of ${all.length} fit, and of those ${kept}; ${most.strategy.name} would need ${bytes(most.traceBytesPerDay)}`
}
