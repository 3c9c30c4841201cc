/**
 * So many traces a second and no more, whatever comes: for a bound on what tracing costs. It decides for roots; put
 * it under a ParentBasedSampler, or each span of a trace would be decided on its own.
 *
 * The rate is that of one process. Three gateways with 100 each begin up to 300 traces a second, and one that has
 * little to do leaves its share to nobody.
 *
 * What it passes over it has counted nowhere: rates cannot be estimated from its traces, as they can from those of a
 * probability. It is Jaeger's sampler of that name, with a smaller bucket:
 * https://www.jaegertracing.io/docs/latest/architecture/sampling/
 */
import type { Sampler, SamplingResult } from '@opentelemetry/sdk-trace'
import { SamplingDecision } from '@opentelemetry/sdk-trace'

const sampled: SamplingResult = Object.freeze({ decision: SamplingDecision.RECORD_AND_SAMPLED })
const passedOver: SamplingResult = Object.freeze({ decision: SamplingDecision.NOT_RECORD })

/**
 * What an idle process may save up. It is at most this much above its rate when a burst comes, 5 % of one that lasts
 * 10 s; and what comes in lots no further apart than this is sampled at the whole rate.
 */
const savedSeconds = 0.5
/** With one alone, what is earned between a trace and the next to arrive would be lost: 9 % at ten times the rate. */
const leastSaved = 2

export class RateLimitingSampler implements Sampler {
  readonly #tracesPerSecond: number
  readonly #mostSaved: number
  readonly #nowMillis: () => number
  #saved = 1
  #countedAtMillis: number

  /**
   * @param tracesPerSecond above 0; a fraction is one trace in as many seconds
   * @param nowMillis a clock that only goes forward
   */
  constructor(tracesPerSecond: number, nowMillis: () => number = () => performance.now()) {
    this.#tracesPerSecond = tracesPerSecond
    this.#mostSaved = Math.max(leastSaved, tracesPerSecond * savedSeconds)
    this.#nowMillis = nowMillis
    this.#countedAtMillis = nowMillis()
  }

  shouldSample(): SamplingResult {
    const now = this.#nowMillis()
    const earned = ((now - this.#countedAtMillis) / 1_000) * this.#tracesPerSecond
    this.#countedAtMillis = now
    this.#saved = Math.min(this.#mostSaved, this.#saved + earned)
    if (this.#saved < 1) return passedOver
    this.#saved -= 1
    return sampled
  }

  toString(): string {
    return `RateLimitingSampler{${this.#tracesPerSecond}}`
  }
}
