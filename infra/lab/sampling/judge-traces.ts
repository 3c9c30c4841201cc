/** What a sampler has left of the traces of known checkouts, and what one who has only these traces would believe. */
import { quantile, sorted } from '../../statistics/quantiles.ts'
import type { SamplingStrategy } from '../study-results.ts'
import type { KeptSpan } from './trace-backend.ts'

export interface CheckoutSeen {
  readonly checkoutId: string
  readonly hasFailed: boolean
  /** From when it was due to its terminal event. */
  readonly millis: number
  /** The service of each of its events. */
  readonly publishers: readonly string[]
}

type Round = SamplingStrategy['rounds'][number]
export type Judged = Pick<Round, 'offered' | 'traced' | 'whole' | 'failed' | 'slow' | 'estimates' | 'spans'>

export function judgeTraces(
  checkouts: readonly CheckoutSeen[],
  spans: readonly KeptSpan[],
  slowFromMillis: number,
): Judged {
  const traces = traceByCheckout(spans)
  const seen = checkouts.map((checkout) => {
    const trace = traces.get(checkout.checkoutId) ?? []
    return {
      ...checkout,
      isSlow: checkout.millis >= slowFromMillis,
      spans: trace.length,
      isWhole: isWhole(trace, checkout.publishers),
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
function traceByCheckout(spans: readonly KeptSpan[]): Map<string, KeptSpan[]> {
  const checkouts = new Map<string, string>()
  for (const { traceId, sagaId } of spans) if (sagaId !== undefined) checkouts.set(traceId, sagaId)
  const traces = new Map<string, KeptSpan[]>()
  for (const span of spans) {
    const checkoutId = checkouts.get(span.traceId)
    if (checkoutId === undefined) continue
    const trace = traces.get(checkoutId)
    if (trace) trace.push(span)
    else traces.set(checkoutId, [span])
  }
  return traces
}

/** One root, no span whose parent is missing, and a producer's span for every event, by the service that published it. */
function isWhole(trace: readonly KeptSpan[], publishers: readonly string[]): boolean {
  const ids = new Set(trace.map(({ spanId }) => spanId))
  const roots = trace.filter(({ parentSpanId }) => parentSpanId === '')
  const sent = (service: string) => trace.filter((span) => span.isProducer && span.service === service).length
  return (
    roots.length === 1 &&
    trace.every(({ parentSpanId }) => parentSpanId === '' || ids.has(parentSpanId)) &&
    [...new Set(publishers)].every(
      (service) => sent(service) >= publishers.filter((publisher) => publisher === service).length,
    )
  )
}

const everything = 2 ** 56

/**
 * For how many checkouts a trace stands, by what its sampler has written into `tracestate`; 1 where it has written nothing.
 * See https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
 */
function weightOf(trace: readonly KeptSpan[]): number {
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
