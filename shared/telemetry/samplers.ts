/**
 * Which traces are recorded, OTEL_TRACES_SAMPLER: by the specification's names, and by two that others in the field
 * have as well, `parentbased_rate_limiting` and `parentbased_consistent_probability`. See README.md.
 */
import type { Sampler } from '@opentelemetry/sdk-trace'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace'
import { ConsistentProbabilitySampler } from './consistent-probability-sampler.ts'
import { RateLimitingSampler } from './rate-limiting-sampler.ts'
import { LikeItsProducer } from './trace-hops.ts'

/** What decides for the first span of a trace, by OTEL_TRACES_SAMPLER_ARG; a missing one keeps every trace, or 100 a second. */
const rootSamplers: Readonly<Record<string, (argument?: number) => Sampler>> = {
  parentbased_always_on: () => new AlwaysOnSampler(),
  parentbased_always_off: () => new AlwaysOffSampler(),
  parentbased_traceidratio: (ratio = 1) => new TraceIdRatioBasedSampler(ratio),
  parentbased_consistent_probability: (probability = 1) => new ConsistentProbabilitySampler(probability),
  parentbased_rate_limiting: (tracesPerSecond = 100) => new RateLimitingSampler(tracesPerSecond),
}

/**
 * @param name OTEL_TRACES_SAMPLER
 * @param argument OTEL_TRACES_SAMPLER_ARG
 * @param hopsAreLinks whether each hop over Kafka is a trace: then it follows the producer that it links to, so that there
 * is one decision a checkout all the same
 * @returns undefined for a sampler that follows nobody: the SDK makes it
 */
export function createSampler(
  name = 'parentbased_always_on',
  argument?: number,
  hopsAreLinks = false,
): Sampler | undefined {
  const root = rootSamplers[name]?.(argument)
  return root && new ParentBasedSampler({ root: hopsAreLinks ? new LikeItsProducer(root) : root })
}
