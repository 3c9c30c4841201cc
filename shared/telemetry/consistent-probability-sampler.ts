/**
 * A share of traces, and each sampled span says which: `ot=th:...` in its tracestate is the threshold that the trace's
 * randomness has reached. So a reader knows for how many a span stands, and a Collector that samples further keeps
 * the same traces wherever it runs. It decides for roots; put it under a ParentBasedSampler, and all of a trace's spans
 * have their root's decision and threshold.
 *
 * - https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/
 * - https://opentelemetry.io/docs/specs/otel/trace/tracestate-handling/
 *
 * The randomness is the last 56 bits of the trace id, which the SDK draws at random, though it does not say so by the
 * flag of W3C's level 2 (https://www.w3.org/TR/trace-context-2/#random-trace-id-flag): it is presumed, as the
 * specification has it. `@opentelemetry/sampler-composite` does the same and more, for the SDK before this one.
 */
import type { Context, SpanContext, TraceState } from '@opentelemetry/api'
import { TraceState as ParsedTraceState } from '@opentelemetry/core'
import type { Sampler, SamplingResult } from '@opentelemetry/sdk-trace'
import { SamplingDecision } from '@opentelemetry/sdk-trace'

/** Of randomness and of thresholds: 56 bits. */
const hexDigits = 14
const everything = 1n << 56n

export class ConsistentProbabilitySampler implements Sampler {
  readonly #probability: number
  /** In hex, all digits: what has as many digits compares as text. Undefined where nothing reaches it. */
  readonly #threshold: string | undefined
  readonly #sampled: SamplingResult
  readonly #passedOver: SamplingResult = Object.freeze({ decision: SamplingDecision.NOT_RECORD })

  /** @param probability from 0 to 1; the share is exact to 4 hexadecimal digits */
  constructor(probability: number) {
    this.#probability = probability
    this.#threshold = thresholdOf(probability)
    this.#sampled = Object.freeze({
      decision: SamplingDecision.RECORD_AND_SAMPLED,
      traceState: new ParsedTraceState(`ot=th:${withoutTrailingZeros(this.#threshold ?? '')}`),
    })
  }

  shouldSample(_context: Context, traceId: string): SamplingResult {
    const isReached = this.#threshold !== undefined && randomnessOf(traceId) >= this.#threshold
    return isReached ? this.#sampled : this.#passedOver
  }

  toString(): string {
    return `ConsistentProbabilitySampler{${this.#probability}}`
  }
}

const randomnessOf = (traceId: string): string => traceId.slice(-hexDigits)

/**
 * `[threshold, everything)` is sampled. Four digits are as exact as anybody needs and short on the wire; more where
 * the first ones are all `f` or `0`, so that a small probability is as exact as a large one. See
 * https://opentelemetry.io/docs/specs/otel/trace/tracestate-probability-sampling/#converting-floating-point-probability-to-threshold-value
 */
function thresholdOf(probability: number): string | undefined {
  const exact = everything - BigInt(Math.round(probability * Number(everything)))
  const digits = Math.min(hexDigits, 4 + leadingDigits(probability) + leadingDigits(1 - probability))
  const unit = 1n << BigInt(4 * (hexDigits - digits))
  const rounded = ((exact + unit / 2n) / unit) * unit
  return rounded < everything ? rounded.toString(16).padStart(hexDigits, '0') : undefined
}

/** How many digits of a share's threshold, or of the rest's, say only that it is small. */
const leadingDigits = (share: number): number =>
  share > 0 && share < 1 ? Math.floor(-Math.log2(share) / 4) : 0

const withoutTrailingZeros = (threshold: string): string => threshold.replace(/0+$/, '') || '0'

const thresholdMember = /(?:^|;)th:/
const randomnessMember = /(?:^|;)rv:/

/**
 * What a trace that follows another's decision says of it. Its own id is random anew, so the randomness that the
 * decision was made by goes along, as `rv`: who samples further decides for both alike.
 * @returns undefined where the other says no threshold
 */
export function probabilityOf({ traceId, traceState }: SpanContext): TraceState | undefined {
  const members = traceState?.get('ot')
  if (members === undefined || !thresholdMember.test(members)) return undefined
  const randomness = randomnessMember.test(members) ? '' : `;rv:${randomnessOf(traceId)}`
  return new ParsedTraceState(`ot=${members}${randomness}`)
}
