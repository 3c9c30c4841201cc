/** Results as the lab could have measured them, made up: the truth is told, the noise comes from a seed. */
import { seededRandom } from '../../chaos/random.ts'
import type { Comparison, LabResult, Part, Sample } from '../lab-result.ts'
import { forEachPart, resultFormat } from '../lab-result.ts'

/** What one visit would measure if nothing were noisy. */
export interface Truth {
  readonly checkoutsPerSecond: number
  readonly toEndMillis: { readonly p50: number; readonly p95: number; readonly p99: number }
  readonly cpuMillisPerCheckout: Readonly<Record<Part, number>>
  readonly rssMebibytes: Readonly<Record<Part, number>>
  readonly spansPerCheckout: number
  readonly wireBytesPerCheckout: number
}

const withoutTelemetry: Truth = {
  checkoutsPerSecond: 200,
  toEndMillis: { p50: 20, p95: 45, p99: 80 },
  cpuMillisPerCheckout: { services: 3, collector: 0, broker: 1.5, store: 2 },
  rssMebibytes: { services: 450, collector: 40, broker: 520, store: 60 },
  spansPerCheckout: 0,
  wireBytesPerCheckout: 0,
}

/** @param added the services' processor time, as a share of what they need without telemetry; the rest goes with it */
const telemetryThatCosts = (added: number): Truth => ({
  ...withoutTelemetry,
  checkoutsPerSecond: 200 / (1 + added / 3),
  toEndMillis: { p50: 20 * (1 + added), p95: 45 * (1 + added), p99: 80 * (1 + added) },
  cpuMillisPerCheckout: {
    ...withoutTelemetry.cpuMillisPerCheckout,
    services: 3 * (1 + added),
    collector: 2 * added,
  },
  rssMebibytes: { ...withoutTelemetry.rssMebibytes, services: 450 * (1 + added / 2), collector: 70 },
  spansPerCheckout: 34,
  wireBytesPerCheckout: 34 * 60,
})

export const truths = {
  off: withoutTelemetry,
  all: telemetryThatCosts(0.1),
  'ratio-10': { ...telemetryThatCosts(0.015), spansPerCheckout: 3.4, wireBytesPerCheckout: 34 * 8 },
  'auto-instrumentations': { ...telemetryThatCosts(0.9), wireBytesPerCheckout: 9_000 },
  'bare-chain': {
    ...withoutTelemetry,
    checkoutsPerSecond: 240,
    toEndMillis: { p50: 17, p95: 38, p99: 60 },
  },
} as const satisfies Readonly<Record<string, Truth>>
export type MadeUpArm = keyof typeof truths

export interface MadeUp {
  readonly seed?: number
  readonly form?: LabResult['form']
  readonly pairs?: number
  /** The standard deviation of each figure's logarithm: 0.02 is some 2 %. */
  readonly noise?: number
  readonly comparisons?: readonly Comparison[]
}

const services = ['gateway', 'users', 'orders', 'payments', 'checkout']
const beganAt = Date.parse('2026-11-26T20:00:00.000Z')
const pairMillis = 60_000
const at = (millis: number): string => new Date(millis).toISOString()

/** A hundred checkouts that have these percentiles, all of one visit as fast or slow as it was. */
function latenciesOf({ p50, p95, p99 }: Truth['toEndMillis'], noisy: (value: number) => number): number[] {
  const known = [
    [0, p50 / 2],
    [0.5, p50],
    [0.95, p95],
    [0.99, p99],
    [1, p99 * 1.2],
  ] as const
  const at = (share: number): number => {
    const next = known.findIndex(([of]) => of >= share)
    const [[from, low], [to, high]] = [known[Math.max(0, next - 1)] ?? known[0], known[next] ?? known[0]]
    return to === from ? high : low + ((high - low) * (share - from)) / (to - from)
  }
  const factor = noisy(1)
  return Array.from({ length: 100 }, (_, index) => at((index + 1) / 100) * factor)
}

/** One visit. @param noisy multiplies by what chance did to it */
function sampleOf(truth: Truth, noisy: (value: number) => number): Sample {
  const perPart = (values: Readonly<Record<Part, number>>, factor = 1) =>
    forEachPart((part) => noisy(values[part] * factor))
  const perService = (sum: number) =>
    Object.fromEntries(services.map((name) => [name, sum / services.length]))
  const usage = (seconds: number, ratePerSecond: number) => {
    const checkouts = Math.round(ratePerSecond * seconds)
    const cpuMillisPerCheckout = perPart(truth.cpuMillisPerCheckout)
    return {
      seconds,
      checkouts,
      cpuMillisPerCheckout,
      serviceCpuMillisPerCheckout: perService(cpuMillisPerCheckout.services),
      wireBytes: { sent: Math.round(truth.wireBytesPerCheckout * checkouts), received: 400 },
      eventLoopDelayMillis: { p50: noisy(1.1), p99: noisy(9), max: noisy(20) },
    }
  }
  const checkoutsPerSecond = noisy(truth.checkoutsPerSecond)
  const saturation = { ...usage(20, checkoutsPerSecond), inFlight: 64, checkoutsPerSecond }
  const halfLoad = {
    ...usage(20, 100),
    ratePerSecond: 100,
    toEndMillis: {
      p50: noisy(truth.toEndMillis.p50),
      p95: noisy(truth.toEndMillis.p95),
      p99: noisy(truth.toEndMillis.p99),
      each: latenciesOf(truth.toEndMillis, noisy),
    },
    toAcceptedMillis: { p50: noisy(3), p95: noisy(6), p99: noisy(12) },
  }
  const checkouts = saturation.checkouts + halfLoad.checkouts
  const ended = Math.round(truth.spansPerCheckout * checkouts)
  const wireBytes = { sent: Math.round(truth.wireBytesPerCheckout * checkouts), received: 800 }
  const rssBytes = perPart(truth.rssMebibytes, 2 ** 20)
  return {
    saturation,
    halfLoad,
    spans: ended === 0 ? null : { ended, received: ended, dropped: 0, wireBytes },
    rssBytes,
    serviceRssBytes: perService(rssBytes.services),
  }
}

export interface MadeUpComparison extends Omit<MadeUp, 'comparisons' | 'form'> {
  readonly arm: string
  readonly against: string
  readonly group?: string
  readonly truth: Truth
  readonly againstTruth: Truth
  /** When the first pair begins, in pairs since the run did. */
  readonly after?: number
}

/** Arms whose pairs lie within one drift of the machine, which is the same for both of a pair. */
export function comparisonOf(about: MadeUpComparison): Comparison {
  const { arm, against, truth, againstTruth, group = 'arms', seed = 1, pairs = 10, noise = 0.01 } = about
  const random = seededRandom(seed)
  const normal = (): number =>
    Math.sqrt(-2 * Math.log(1 - random.next())) * Math.cos(2 * Math.PI * random.next())
  const from = beganAt + (about.after ?? 0) * pairMillis
  return {
    arm,
    against,
    what: `${arm} beside ${against}`,
    group,
    commit: '0123456',
    startedAt: at(from),
    endedAt: at(from + pairs * pairMillis),
    pairs: Array.from({ length: pairs }, (_, index) => {
      const drift = Math.exp(0.2 * Math.sin(index / 3))
      const noisy = (value: number): number => value * drift * Math.exp(noise * normal())
      return {
        first: index % 2 === 0 ? ('against' as const) : ('arm' as const),
        arm: sampleOf(truth, noisy),
        against: sampleOf(againstTruth, noisy),
      }
    }),
  }
}

/** Made-up arms against their baselines, an A/A control among them. */
export function madeUpResult({
  seed = 1,
  form = 'full',
  pairs = 10,
  noise = 0.01,
  comparisons,
}: MadeUp = {}): LabResult {
  const chosen: readonly [string, MadeUpArm, MadeUpArm, string][] = [
    ['off-again', 'off', 'off', 'control'],
    ['all', 'all', 'off', 'signals'],
    ['ratio-10', 'ratio-10', 'off', 'sampling'],
    ['auto-instrumentations', 'auto-instrumentations', 'off', 'alternatives'],
    ['saga-over-bare', 'off', 'bare-chain', 'bare'],
  ]
  const made = comparisons
    ? [...comparisons]
    : chosen.map(([arm, truth, against, group], index) =>
        comparisonOf({
          arm,
          against,
          group,
          truth: truths[truth],
          againstTruth: truths[against],
          seed: seed * 100 + index,
          pairs,
          noise,
          after: index * pairs,
        }),
      )
  return {
    format: resultFormat,
    form,
    startedAt: at(beganAt),
    endedAt: at(beganAt + made.length * pairs * pairMillis),
    machine: {
      cores: 2,
      memoryBytes: 24 * 2 ** 30,
      processor: 'made up',
      node: 'v24.0.0',
      platform: 'linux',
      pinned: null,
    },
    comparisons: made,
  }
}
