/**
 * What a larger system needs, on paper: what a checkout costs here, times as many of them. Each step keeps its arithmetic, so
 * that whoever doubts it can do it again. It holds as far as the cost of a checkout stays flat, which the growth study is for.
 */
import type { StrategyAnalysed } from './analyse-studies.ts'
import { cpuKey, serviceCpuKey, serviceRssKey } from './figures.ts'
import type { Report } from './make-report.ts'
import { bytes, digits } from './wording.ts'

/** What was measured, by checkout unless told; undefined what was not. */
export interface SizingInputs {
  /** Milliseconds of processor time at saturation, and resident bytes, of each service with telemetry always on. */
  readonly services: Readonly<Record<string, { readonly cpuMillis: number; readonly rssBytes: number }>>
  readonly brokerCpuMillis: number | undefined
  readonly storeCpuMillis: number | undefined
  readonly collectorCpuMillis: number | undefined
  /** With tail sampling. */
  readonly tailCollectorCpuMillis: number | undefined
  readonly wireBytes: number | undefined
  readonly spans: number | undefined
  /** Of whole traces, as the Collector sends them to their backend. */
  readonly traceBytes: number | undefined
  readonly kafkaMessages: number | undefined
  readonly kafkaBytes: number | undefined
  readonly storeBytes: number | undefined
  readonly storeProduct: string | undefined
  readonly logRecords: number | undefined
  readonly logBytes: number | undefined
  /** Time series of one process. */
  readonly seriesPerInstance: number | undefined
}

/** What nobody measured here: decisions, and figures of others. */
export interface Assumptions {
  /** How busy a core is planned to be, so that a pod that fails leaves room. */
  readonly utilisation: number
  /** A Node process runs its code on one. */
  readonly coresPerPod: number
  readonly coresPerCollector: number
  readonly coresPerBroker: number
  /** Partitions for each pod of the largest service: it may grow to so many times its size without repartitioning. */
  readonly partitionsPerPod: number
  readonly kafkaReplicas: number
  readonly kafkaRetentionDays: number
  readonly storeReplicas: number
  /** How long tail sampling holds a trace before it decides; COLLECTOR_SAMPLING_WAIT. */
  readonly tailWaitSeconds: number
  readonly scrapeIntervalSeconds: number
  /** https://prometheus.io/docs/prometheus/latest/storage/ says 1 to 2. */
  readonly bytesPerSample: number
}

export const usualAssumptions: Assumptions = {
  utilisation: 0.6,
  coresPerPod: 1,
  coresPerCollector: 2,
  coresPerBroker: 4,
  partitionsPerPod: 2,
  kafkaReplicas: 3,
  kafkaRetentionDays: 7,
  storeReplicas: 3,
  tailWaitSeconds: 10,
  scrapeIntervalSeconds: 30,
  bytesPerSample: 2,
}

export interface Step {
  readonly what: string
  /** With the numbers in it; which input is missing where there is no value. */
  readonly arithmetic: string
  readonly value: number | undefined
  readonly shown: string
}

export interface SizingSection {
  readonly title: string
  readonly steps: readonly Step[]
}

const secondsPerDay = 86_400

export function inputsOf({ lab, studies, sampling }: Report): SizingInputs {
  const all = lab.comparisons.find(({ arm }) => arm === 'all')
  const tail = lab.comparisons.find(({ arm }) => arm === 'tail-sampling')
  const figure = (key: string) => all?.figures.get(key)?.arm
  const { sizes } = studies
  const whole = sampling.find(({ wholeShare }) => wholeShare > 0.99)
  const perCheckout = (total: number | undefined) =>
    total === undefined || !sizes ? undefined : total / sizes.checkouts
  return {
    services: Object.fromEntries(
      (all?.services ?? []).map((service) => [
        service,
        {
          cpuMillis: figure(serviceCpuKey('saturation', service)) ?? 0,
          rssBytes: figure(serviceRssKey(service)) ?? 0,
        },
      ]),
    ),
    brokerCpuMillis: figure(cpuKey('saturation', 'broker')),
    storeCpuMillis: figure(cpuKey('saturation', 'store')),
    collectorCpuMillis: figure('cpu.visit.collector'),
    tailCollectorCpuMillis: tail?.figures.get('cpu.visit.collector')?.arm,
    wireBytes: figure('wire.perCheckout'),
    spans: whole?.spansPerCheckout,
    traceBytes: whole?.backendBytesPerCheckout,
    kafkaMessages: perCheckout(sizes?.kafka.messages),
    kafkaBytes: perCheckout(sizes?.kafka.bytes),
    storeBytes: perCheckout(sizes?.store.bytes),
    storeProduct: sizes?.store.product,
    logRecords: perCheckout(sizes?.logs.records),
    logBytes: perCheckout(sizes?.logs.bytes),
    seriesPerInstance: sizes && sizes.metrics.series / sizes.metrics.instances,
  }
}

/** A value with how it came about; a step that lacks an input says which. */
interface Known {
  readonly value: number
  readonly text: string
}
type Input = Known | { readonly missing: string }

const known = (name: string, value: number | undefined, write = digits): Input =>
  value === undefined ? { missing: name } : { value, text: write(value) }

function step(
  what: string,
  inputs: readonly Input[],
  write: (value: number) => string,
  compute: (values: readonly number[]) => number,
  arithmetic: (texts: readonly string[]) => string,
): Step {
  const missing = inputs.flatMap((input) => ('missing' in input ? [input.missing] : []))
  if (missing.length > 0)
    return { what, arithmetic: `not measured: ${missing.join(', ')}`, value: undefined, shown: '–' }
  const given = inputs.flatMap((input) => ('missing' in input ? [] : [input]))
  const value = compute(given.map((input) => input.value))
  return { what, arithmetic: arithmetic(given.map(({ text }) => text)), value, shown: write(value) }
}

/** @param ratePerSecond checkouts */
export function sizeFor(
  ratePerSecond: number,
  inputs: SizingInputs,
  assumed: Assumptions = usualAssumptions,
): SizingSection[] {
  const rate: Known = { value: ratePerSecond, text: ratePerSecond.toLocaleString('en-US') }
  const cores = (what: string, name: string, millis: number | undefined) =>
    step(
      what,
      [rate, known(name, millis)],
      (value) => `${digits(value)} cores`,
      ([perSecond = 0, cost = 0]) => (perSecond * cost) / 1_000,
      ([perSecond, cost]) => `${perSecond} / s × ${cost} ms ÷ 1,000 ms`,
    )
  const instances = (what: string, needed: Step, coresEach: number, unit: string) =>
    step(
      what,
      [fromStep(needed)],
      (value) => `${value.toLocaleString('en-US')} ${unit}`,
      ([value = 0]) => Math.max(1, Math.ceil(value / (coresEach * assumed.utilisation))),
      ([text]) => `${text} ÷ (${coresEach} × ${assumed.utilisation}), rounded up`,
    )
  const stored = (
    what: string,
    name: string,
    size: number | undefined,
    { copies = 1, days }: { readonly copies?: number; readonly days?: number } = {},
  ) =>
    step(
      what,
      [rate, known(name, size, bytes)],
      (value) => (days === undefined ? `${bytes(value)} a day` : bytes(value)),
      ([perSecond = 0, each = 0]) => perSecond * each * secondsPerDay * copies * (days ?? 1),
      ([perSecond, each]) =>
        [
          `${perSecond} / s × ${each} × 86,400 s`,
          ...(copies === 1 ? [] : [`${copies} replicas`]),
          ...(days === undefined ? [] : [`${days} days`]),
        ].join(' × '),
    )

  const pods = Object.entries(inputs.services).map(([service, { cpuMillis, rssBytes }]) => {
    const needed = cores(`${service}: processor time`, service, cpuMillis)
    const count = instances(`${service}: pods`, needed, assumed.coresPerPod, 'pods')
    const memory = step(
      `${service}: memory`,
      [fromStep(count), known('memory', rssBytes, bytes)],
      bytes,
      ([value = 0, each = 0]) => value * each,
      ([value, each]) => `${value} × ${each}`,
    )
    return { service, needed, count, memory }
  })
  const consumers = pods.filter(({ service }) => service !== 'gateway')
  const largest = consumers.toSorted((a, b) => (b.count.value ?? 0) - (a.count.value ?? 0))[0]
  const brokerCores = cores('broker: processor time', 'broker', inputs.brokerCpuMillis)
  const storeCores = cores('store: processor time', 'store', inputs.storeCpuMillis)
  const collectorCores = cores('Collectors: processor time', 'Collector', inputs.collectorCpuMillis)
  const tailCores = cores(
    'second tier: processor time',
    'Collector with tail sampling',
    inputs.tailCollectorCpuMillis,
  )
  const tailInstances = instances(
    'second tier: instances',
    tailCores,
    assumed.coresPerCollector,
    'Collectors',
  )
  const held = step(
    'traces held until they are decided on',
    [rate, known('wait', assumed.tailWaitSeconds)],
    (value) => `${Math.ceil(value).toLocaleString('en-US')} traces`,
    ([perSecond = 0, wait = 0]) => perSecond * wait,
    ([perSecond, wait]) => `${perSecond} / s × ${wait} s`,
  )
  const instanceCount = pods.reduce((sum, { count }) => sum + (count.value ?? 0), 0)

  return [
    { title: 'Services', steps: pods.flatMap(({ needed, count, memory }) => [needed, count, memory]) },
    {
      title: 'Kafka',
      steps: [
        step(
          'partitions of each topic',
          [largest ? fromStep(largest.count) : { missing: 'services' }],
          (value) => `${value.toLocaleString('en-US')} partitions`,
          ([count = 0]) => count * assumed.partitionsPerPod,
          ([count]) => `${count} of ${largest?.service ?? ''} × ${assumed.partitionsPerPod}`,
        ),
        step(
          'messages',
          [rate, known('messages', inputs.kafkaMessages)],
          (value) => `${digits(value)} a second`,
          ([perSecond = 0, each = 0]) => perSecond * each,
          ([perSecond, each]) => `${perSecond} / s × ${each}`,
        ),
        brokerCores,
        instances('brokers, for processor time alone', brokerCores, assumed.coresPerBroker, 'brokers'),
        stored('log', 'bytes of messages', inputs.kafkaBytes, { copies: assumed.kafkaReplicas }),
        stored('log, as long as it is kept', 'bytes of messages', inputs.kafkaBytes, {
          copies: assumed.kafkaReplicas,
          days: assumed.kafkaRetentionDays,
        }),
      ],
    },
    {
      title: 'Store',
      steps: [
        storeCores,
        stored('commits and registers', 'bytes in the store', inputs.storeBytes, {
          copies: assumed.storeReplicas,
        }),
      ],
    },
    {
      title: 'Collectors',
      steps: [
        collectorCores,
        instances(
          'instances: all there are with head sampling; before a second tier, those that route by trace id',
          collectorCores,
          assumed.coresPerCollector,
          'Collectors',
        ),
        step(
          'into them, from the services',
          [rate, known('bytes of telemetry', inputs.wireBytes, bytes)],
          (value) => `${bytes(value)} a second`,
          ([perSecond = 0, each = 0]) => perSecond * each,
          ([perSecond, each]) => `${perSecond} / s × ${each}`,
        ),
        tailCores,
        tailInstances,
        held,
        step(
          'num_traces of each instance of the second tier, at least',
          [fromStep(held), fromStep(tailInstances)],
          (value) => Math.ceil(value).toLocaleString('en-US'),
          ([traces = 0, count = 1]) => traces / count,
          ([traces, count]) => `${traces} ÷ ${count}`,
        ),
      ],
    },
    {
      title: 'Telemetry that is kept',
      steps: [
        stored('traces, all of them', 'bytes of a trace', inputs.traceBytes),
        step(
          'spans',
          [rate, known('spans', inputs.spans)],
          (value) => `${digits(value)} a second`,
          ([perSecond = 0, each = 0]) => perSecond * each,
          ([perSecond, each]) => `${perSecond} / s × ${each}`,
        ),
        stored('log lines', 'bytes of log lines', inputs.logBytes),
        step(
          'metrics',
          [
            { value: instanceCount, text: instanceCount.toLocaleString('en-US') },
            known('time series of a process', inputs.seriesPerInstance),
          ],
          (value) => `${bytes(value)} a day`,
          ([count = 0, series = 0]) =>
            (count * series * secondsPerDay * assumed.bytesPerSample) / assumed.scrapeIntervalSeconds,
          ([count, series]) =>
            `${count} pods × ${series} series × 86,400 s ÷ ${assumed.scrapeIntervalSeconds} s × ${assumed.bytesPerSample} bytes`,
        ),
      ],
    },
  ]
}

const fromStep = ({ what, value, shown }: Step): Input =>
  value === undefined ? { missing: what } : { value, text: shown }

export interface SystemSize {
  readonly name: string
  readonly ratePerSecond: number
  /** What traces may take; a decision. */
  readonly traceBytesPerDay: number
}

const gibibytes = 2 ** 30
export const systemSizes: readonly SystemSize[] = [
  { name: 'small', ratePerSecond: 1, traceBytesPerDay: 5 * gibibytes },
  { name: 'medium', ratePerSecond: 100, traceBytesPerDay: 50 * gibibytes },
  { name: 'large', ratePerSecond: 10_000, traceBytesPerDay: 500 * gibibytes },
]

export interface Projected {
  readonly strategy: StrategyAnalysed
  readonly traceBytesPerDay: number
  readonly keptOfFailed: number
  readonly keptOfSlow: number
  readonly wholeShare: number
  /** Of the services and the Collector together, cores. */
  readonly addedCores: number
}

/**
 * What a strategy would do at another rate. A sampler that holds its own keeps another share of the checkouts, and is taken
 * to cost as much more as it keeps more; that it would cost less where it keeps less was not measured.
 */
export function project(strategy: StrategyAnalysed, ratePerSecond: number): Projected {
  const { wholeShare, keptOfFailed = 0, keptOfSlow = 0, backendBytesPerCheckout, tracesPerSecond } = strategy
  const { services = 0, collector = 0 } = strategy.addedCpuMillis
  const cores = (ratePerSecond * (services + collector)) / 1_000
  const bytesPerDay = backendBytesPerCheckout * ratePerSecond * secondsPerDay
  if (tracesPerSecond === undefined || wholeShare === 0)
    return {
      strategy,
      traceBytesPerDay: bytesPerDay,
      keptOfFailed,
      keptOfSlow,
      wholeShare,
      addedCores: cores,
    }
  const share = Math.min(1, tracesPerSecond / ratePerSecond)
  const more = share / wholeShare
  return {
    strategy,
    traceBytesPerDay: bytesPerDay * more,
    // Chosen at the root, where nobody knows yet how a checkout will end.
    keptOfFailed: share,
    keptOfSlow: share,
    wholeShare: share,
    addedCores: cores * Math.max(1, more),
  }
}

export interface Recommendation {
  readonly size: SystemSize
  /** Undefined when none fits. */
  readonly chosen: Projected | undefined
  readonly all: readonly Projected[]
}

/**
 * Of the strategies whose traces fit, the one that keeps most of what failed, then of what was slow, then of all; and of
 * those that are equal in that, the one that costs the services and the Collector least.
 */
export function recommend(strategies: readonly StrategyAnalysed[], size: SystemSize): Recommendation {
  const all = strategies.map((strategy) => project(strategy, size.ratePerSecond))
  const rank = ({ keptOfFailed, keptOfSlow, wholeShare }: Projected) =>
    [keptOfFailed, keptOfSlow, wholeShare].map((share) => Math.round(share * 100))
  const fitting = all.filter(({ traceBytesPerDay }) => traceBytesPerDay <= size.traceBytesPerDay)
  const [chosen] = fitting.toSorted((one, other) => {
    const [ofOne, ofOther] = [rank(one), rank(other)]
    const first = ofOne.findIndex((share, index) => share !== ofOther[index])
    return first === -1 ? one.addedCores - other.addedCores : (ofOther[first] ?? 0) - (ofOne[first] ?? 0)
  })
  return { size, chosen, all }
}
