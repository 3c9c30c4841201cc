/** What a sampler has left of the traces of known checkouts, and what one who has only these traces would believe. */
import type { OtlpSpan } from '../../../shared/backends/otlp-spans.ts'
import { ATTR_SAGA_ID } from '../../../shared/telemetry/saga-id.ts'
import { quantile, sorted } from '../../statistics/quantiles.ts'
import { isWhole } from '../../verify/checkout-report.ts'
import type { CheckoutView } from '../../verify/checkouts.ts'
import type { SamplingStrategy } from '../study-results.ts'

export interface CheckoutSeen {
  readonly checkoutId: string
  readonly hasFailed: boolean
  /** From when it was due to its terminal event. */
  readonly millis: number
  /** As the store has them. */
  readonly steps: CheckoutView['steps']
}

type Round = SamplingStrategy['rounds'][number]
export type Judged = Pick<Round, 'offered' | 'traced' | 'whole' | 'failed' | 'slow' | 'estimates' | 'spans'>

export function judgeTraces(
  checkouts: readonly CheckoutSeen[],
  spans: readonly OtlpSpan[],
  slowFromMillis: number,
): Judged {
  const traces = traceByCheckout(spans)
  const seen = checkouts.map((checkout) => {
    const trace = traces.get(checkout.checkoutId) ?? []
    return {
      ...checkout,
      isSlow: checkout.millis >= slowFromMillis,
      spans: trace.length,
      isWhole: isWhole(trace, checkout),
      weight: weightOf(trace),
    }
  })
  const traced = seen.filter((checkout) => checkout.spans > 0)
  const kept = (isOne: (checkout: (typeof seen)[number]) => boolean) => {
    const offered = seen.filter(isOne)
    return { offered: offered.length, kept: offered.filter((checkout) => checkout.isWhole).length }
  }
  const sampled = traced.reduce((sum, { weight }) => sum + weight, 0)
  const share = (isOne: (checkout: (typeof seen)[number]) => boolean) => ({
    truth: seen.filter(isOne).length / seen.length,
    estimate: traced.filter(isOne).reduce((sum, { weight }) => sum + weight, 0) / sampled,
  })
  return {
    offered: seen.length,
    traced: traced.length,
    whole: kept(() => true).kept,
    failed: kept(({ hasFailed }) => hasFailed),
    slow: kept(({ isSlow }) => isSlow),
    spans: seen.reduce((sum, checkout) => sum + checkout.spans, 0),
    estimates: [
      { what: 'checkouts', truth: seen.length, estimate: sampled },
      // Nobody who has no trace would say anything of these.
      ...(traced.length === 0
        ? []
        : [
            { what: 'share that failed', ...share(({ hasFailed }) => hasFailed) },
            { what: 'share that was slow', ...share(({ isSlow }) => isSlow) },
            {
              what: 'p95 to the end',
              truth: p95(seen, () => 1),
              estimate: p95(traced, ({ weight }) => weight),
            },
          ]),
    ],
  }
}

/** Spans without a checkout's id, such as those before it is known, belong to the checkout of the others of their trace. */
function traceByCheckout(spans: readonly OtlpSpan[]): Map<string, OtlpSpan[]> {
  const checkouts = new Map<string, string>()
  for (const { traceId, attributes } of spans) {
    const checkoutId = attributes[ATTR_SAGA_ID]
    if (checkoutId !== undefined) checkouts.set(traceId, checkoutId)
  }
  const traces = new Map<string, OtlpSpan[]>()
  for (const span of spans) {
    const checkoutId = checkouts.get(span.traceId)
    if (checkoutId === undefined) continue
    const trace = traces.get(checkoutId)
    if (trace) trace.push(span)
    else traces.set(checkoutId, [span])
  }
  return traces
}

const everything = 2 ** 56

/**
 * For how many checkouts a trace stands, by what its sampler has written into `tracestate`; 1 where it has written nothing.
 * See https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
 */
function weightOf(trace: readonly OtlpSpan[]): number {
  const threshold = /(?:^|,)ot=(?:[^,]*;)?th:([0-9a-f]{1,14})/.exec(trace[0]?.traceState ?? '')?.[1]
  if (threshold === undefined) return 1
  return 1 / (1 - Number.parseInt(threshold.padEnd(14, '0'), 16) / everything)
}

/** Each counts as often as it weighs. */
function p95<Seen extends { readonly millis: number }>(
  checkouts: readonly Seen[],
  weigh: (checkout: Seen) => number,
): number {
  const each = checkouts.flatMap((checkout) =>
    Array<number>(Math.round(weigh(checkout))).fill(checkout.millis),
  )
  return quantile(sorted(each), 0.95)
}
