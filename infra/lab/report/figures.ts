/** What the lab's report compares of two visits: each figure with its name, its unit and where it stands in a sample. */
import type { Part, Sample } from '../lab-result.ts'
import { parts, wireBytesPerCheckout } from '../lab-result.ts'

export const phases = ['saturation', 'halfLoad'] as const
export type Phase = (typeof phases)[number]
export const phaseTitles: Readonly<Record<Phase, string>> = {
  saturation: 'at saturation',
  halfLoad: 'at half load',
}

export type Unit = 'a second' | 'ms' | 'bytes'

export interface Figure {
  readonly key: string
  readonly title: string
  readonly unit: Unit
  /** @returns undefined where this visit has no such figure */
  readonly of: (sample: Sample) => number | undefined
  /** A quantile that one visit has too few checkouts for: of those of all visits together. */
  readonly pooled?: {
    readonly share: number
    readonly samplesOf: (sample: Sample) => readonly number[] | undefined
  }
}

const throughput: Figure = {
  key: 'throughput',
  title: 'checkouts at saturation',
  unit: 'a second',
  of: ({ saturation }) => saturation.checkoutsPerSecond,
}

const latencies: readonly Figure[] = [
  ...(
    [
      ['p50', undefined],
      ['p95', 0.95],
      ['p99', 0.99],
    ] as const
  ).map(([percentile, share]): Figure => {
    return {
      key: `toEnd.${percentile}`,
      title: `${percentile} to the end, at half load`,
      unit: 'ms',
      of: ({ halfLoad }) => halfLoad.toEndMillis[percentile],
      ...(share !== undefined && {
        pooled: { share, samplesOf: ({ halfLoad }) => halfLoad.toEndMillis.each },
      }),
    }
  }),
  ...(['p50', 'p99'] as const).map((percentile): Figure => {
    return {
      key: `toAccepted.${percentile}`,
      title: `${percentile} to the 202, at half load`,
      unit: 'ms',
      of: ({ halfLoad }) => halfLoad.toAcceptedMillis[percentile],
    }
  }),
]

export const cpuKey = (phase: Phase, part: Part | 'all'): string => `cpu.${phase}.${part}`
export const serviceCpuKey = (phase: Phase, service: string): string => `cpu.${phase}.service.${service}`
export const rssKey = (part: Part): string => `rss.${part}`
export const serviceRssKey = (service: string): string => `rss.service.${service}`

const cpu = (phase: Phase): Figure[] => [
  ...parts.map((part): Figure => {
    return {
      key: cpuKey(phase, part),
      title: `processor time of ${partTitles[part]} a checkout, ${phaseTitles[phase]}`,
      unit: 'ms',
      of: (sample) => sample[phase].cpuMillisPerCheckout[part],
    }
  }),
  {
    key: cpuKey(phase, 'all'),
    title: `processor time of all a checkout, ${phaseTitles[phase]}`,
    unit: 'ms',
    of: (sample) => parts.reduce((sum, part) => sum + sample[phase].cpuMillisPerCheckout[part], 0),
  },
]

/** Of both phases: what the services export waits for seconds, and much of the first is the Collector's work in the second. */
const cpuOfCollector: Figure = {
  key: 'cpu.visit.collector',
  title: 'processor time of the Collector a checkout, of a visit',
  unit: 'ms',
  of(sample) {
    const checkouts = phases.reduce((sum, phase) => sum + sample[phase].checkouts, 0)
    const millis = phases.reduce(
      (sum, phase) => sum + sample[phase].cpuMillisPerCheckout.collector * sample[phase].checkouts,
      0,
    )
    return checkouts === 0 ? undefined : millis / checkouts
  },
}

export const partTitles: Readonly<Record<Part, string>> = {
  services: 'the services',
  collector: 'the Collector',
  broker: 'the broker',
  store: 'the store',
}

const memory: readonly Figure[] = parts.map((part): Figure => {
  return {
    key: rssKey(part),
    title: `resident memory of ${partTitles[part]}`,
    unit: 'bytes',
    of: ({ rssBytes }) => rssBytes[part],
  }
})

const bytesPerCheckout: Figure = {
  key: 'wire.perCheckout',
  title: 'bytes of telemetry a checkout',
  unit: 'bytes',
  of: wireBytesPerCheckout,
}

const bytesPerSpan: Figure = {
  key: 'wire.perSpan',
  title: 'bytes of telemetry a span',
  unit: 'bytes',
  of: ({ spans }) =>
    spans === null || spans.received === 0 ? undefined : spans.wireBytes.sent / spans.received,
}

const eventLoop = phases.flatMap((phase) =>
  (['p50', 'p99', 'max'] as const).map((percentile): Figure => {
    return {
      key: `eventLoop.${phase}.${percentile}`,
      title: `event-loop delay, ${percentile}, ${phaseTitles[phase]}`,
      unit: 'ms',
      of: (sample) => sample[phase].eventLoopDelayMillis[percentile],
    }
  }),
)

const ofServices = (names: readonly string[]): Figure[] =>
  names.flatMap((service) => [
    ...phases.map((phase): Figure => {
      return {
        key: serviceCpuKey(phase, service),
        title: `processor time of ${service} a checkout, ${phaseTitles[phase]}`,
        unit: 'ms',
        of: (sample) => sample[phase].serviceCpuMillisPerCheckout[service],
      }
    }),
    {
      key: serviceRssKey(service),
      title: `resident memory of ${service}`,
      unit: 'bytes',
      of: ({ serviceRssBytes }) => serviceRssBytes[service],
    },
  ])

/** @param services those that the samples have figures of */
export const figuresFor = (services: readonly string[]): Figure[] => [
  throughput,
  ...latencies,
  ...phases.flatMap(cpu),
  ...memory,
  cpuOfCollector,
  bytesPerCheckout,
  bytesPerSpan,
  ...eventLoop,
  ...ofServices(services),
]
