/** Studies as the lab could have made them, made up: the truth is told, the noise comes from a seed. */
import { seededRandom } from '../../chaos/random.ts'
import type { GrowthAxis, GrowthPoint, SamplingStrategy, StudyResults } from '../study-results.ts'
import { idleAsItShips, outageFaults } from '../study-results.ts'

const about = {
  startedAt: '2026-11-26T21:00:00.000Z',
  endedAt: '2026-11-26T22:00:00.000Z',
  commit: '0123456',
}
const services = ['gateway', 'users', 'orders', 'payments', 'checkout']

/** What grows, and the processor time of the services by what it has grown to. */
const grown: Readonly<Partial<Record<GrowthAxis, readonly (readonly [at: number, millis: number])[]>>> = {
  partitions: [
    [1, 3],
    [4, 3.05],
    [16, 3.1],
  ],
  inFlight: [
    [1, 3.2],
    [32, 3.1],
    [1_000, 3.15],
  ],
  storedCommits: [
    [0, 3],
    [100_000, 3.3],
    [1_000_000, 4.8],
  ],
}

const failedShare = 0.1
const slowShare = 0.02
const spansPerCheckout = 34
const bytesPerSpan = 60

interface Sampler {
  readonly what: string
  readonly kept: number
  readonly keptOfFailed: number
  readonly keptOfSlow: number
  /** Of all spans, what goes to the Collector. */
  readonly sent: number
  readonly addedMillis: { readonly services: number; readonly collector: number }
  readonly tracesPerSecond?: number
}

const samplers: Readonly<Record<string, Sampler>> = {
  'always on': {
    what: 'every trace',
    kept: 1,
    keptOfFailed: 1,
    keptOfSlow: 1,
    sent: 1,
    addedMillis: { services: 0.3, collector: 0.2 },
  },
  'ratio 10 %': {
    what: 'a tenth, chosen by trace id',
    kept: 0.1,
    keptOfFailed: 0.1,
    keptOfSlow: 0.1,
    sent: 0.1,
    addedMillis: { services: 0.05, collector: 0.03 },
  },
  'rate limited': {
    what: 'five traces a second',
    kept: 0.25,
    keptOfFailed: 0.25,
    keptOfSlow: 0.25,
    sent: 0.25,
    addedMillis: { services: 0.09, collector: 0.06 },
    tracesPerSecond: 5,
  },
  'tail sampling': {
    what: 'the Collector keeps what failed or was slow, and a tenth',
    kept: 0.2,
    keptOfFailed: 1,
    keptOfSlow: 1,
    sent: 1,
    addedMillis: { services: 0.3, collector: 0.35 },
  },
}

export type AllStudies = { readonly [Name in keyof StudyResults]-?: NonNullable<StudyResults[Name]> }

/** All studies. @param noise the standard deviation of each figure's logarithm */
export function madeUpStudies({ seed = 1, noise = 0.01, rounds = 6 } = {}): AllStudies {
  const random = seededRandom(seed)
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
  const noisy = (value: number): number => value * Math.exp(noise * normal())
  const times = <Item>(count: number, make: (index: number) => Item): Item[] =>
    Array.from({ length: count }, (_, index) => make(index))
  const perService = (value: number) => Object.fromEntries(services.map((name) => [name, noisy(value)]))
  const millis = (p50: number) => ({ count: 500, p50: noisy(p50), p95: noisy(2 * p50), p99: noisy(4 * p50) })

  const point = (axis: GrowthAxis, at: number, servicesMillis: number): GrowthPoint => ({
    services: 5,
    replicas: 1,
    partitions: 6,
    inFlight: 48,
    storedCommits: 0,
    [axis]: at,
    axis,
    rounds: times(rounds, () => ({
      seconds: 10,
      checkouts: 2_000,
      checkoutsPerSecond: noisy(200),
      cpuMillisPerCheckout: { services: noisy(servicesMillis), broker: noisy(1.5), store: noisy(2) },
    })),
  })

  const strategy = (name: string, sampler: Sampler): SamplingStrategy => {
    const { what, kept, keptOfFailed, keptOfSlow, sent, addedMillis, tracesPerSecond } = sampler
    return {
      name,
      what,
      environment: {},
      overlay: null,
      ...(tracesPerSecond !== undefined && { tracesPerSecond }),
      rounds: times(rounds, () => {
        const offered = 1_000
        const whole = Math.round(kept * offered)
        return {
          offered,
          traced: whole,
          whole,
          failed: { offered: offered * failedShare, kept: Math.round(offered * failedShare * keptOfFailed) },
          slow: { offered: offered * slowShare, kept: Math.round(offered * slowShare * keptOfSlow) },
          estimates: [{ what: 'failures', truth: failedShare, estimate: noisy(failedShare) }],
          wireBytes: Math.round(offered * sent * spansPerCheckout * bytesPerSpan),
          backendBytes: Math.round(whole * spansPerCheckout * bytesPerSpan),
          spans: whole * spansPerCheckout,
          addedCpuMillisPerCheckout: {
            services: noisy(addedMillis.services),
            collector: noisy(addedMillis.collector),
          },
        }
      }),
    }
  }

  const side = (perSecond: number, growthBytes: number) => ({
    checkoutsPerSecond: noisy(perSecond),
    memoryGrowthBytes: perService(growthBytes),
  })

  return {
    idle: {
      ...about,
      conditions: [
        {
          name: idleAsItShips,
          what: 'telemetry always on',
          windows: times(rounds, () => ({ seconds: 10, cpuShare: perService(0.004) })),
        },
      ],
    },
    outbox: {
      ...about,
      ratePerSecond: 50,
      pollingEveryMillis: 500,
      rounds: times(rounds, (index) => ({
        first: index % 2 === 0 ? 'immediate' : 'polling',
        immediate: millis(2),
        polling: millis(260),
      })),
    },
    outage: {
      ...about,
      faults: outageFaults.map((fault) => ({
        fault,
        seconds: 60,
        pairs: times(3, (index) => ({
          first: index % 2 === 0 ? 'fault' : 'against',
          fault: side(200, 12 * 2 ** 20),
          against: side(200, 2 * 2 ** 20),
        })),
      })),
    },
    growth: {
      ...about,
      points: Object.entries(grown).flatMap(([axis, steps]) =>
        steps.map(([at, servicesMillis]) => point(axis as GrowthAxis, at, servicesMillis)),
      ),
    },
    sampling: {
      ...about,
      ratePerSecond: 20,
      slowFromMillis: 1_000,
      strategies: Object.entries(samplers).map(([name, sampler]) => strategy(name, sampler)),
      burst: { limitPerSecond: 5, offeredPerSecond: 50, seconds: 10, sampledPerSecond: [5.1, 4.95] },
    },
    sizes: {
      ...about,
      checkouts: 1_000,
      kafka: { messages: 6_000, bytes: 4_200_000 },
      store: { product: 'made up', documents: 7_000, bytes: 6_000_000 },
      logs: { records: 7_000, bytes: 1_400_000 },
      metrics: { series: 4_000, instances: 5, scrapeIntervalSeconds: 5 },
    },
    profile: {
      ...about,
      ratePerSecond: 15,
      arms: [
        {
          arm: 'off',
          checkouts: 450,
          millisPerCheckout: { kafkajs: 4, 'garbage collector': 0.5, 'one-of-many': 0.01 },
          file: 'profile-off.svg',
        },
        {
          arm: 'all',
          checkouts: 450,
          millisPerCheckout: { kafkajs: 4.2, '@opentelemetry/sdk-trace': 1.5, 'another-of-many': 0.02 },
          file: 'profile-all.svg',
        },
      ],
    },
    changes: {
      ...about,
      changes: [
        {
          title: 'Less of something',
          profile: 'A tenth of the time went into something.',
          change: 'It is done once.',
          commit: '0123456',
          figures: [{ what: 'services, a checkout', unit: 'ms', before: 3.3, after: 3 }],
          files: ['before.html', 'after.html'],
        },
      ],
      limits: [{ target: 'p99', because: 'The queue of exports is behind it.', files: ['p99.html'] }],
      bends: [{ axis: 'storedCommits', because: 'Something reads all of them.' }],
    },
  }
}
