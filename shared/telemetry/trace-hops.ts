/**
 * Which trace a hop over Kafka is in, TRACE_HOPS: the producer's, as a child of its span (`parent`, the default),
 * or one of its own (`link`). The consumer's span links to the producer's in both. See README.md.
 */
import type {
  Context,
  SpanContext,
  TextMapGetter,
  TextMapPropagator,
  TextMapSetter,
} from '@opentelemetry/api'
import { createContextKey, trace, TraceFlags } from '@opentelemetry/api'
import type { Sampler, SamplingResult } from '@opentelemetry/sdk-trace'
import {
  AlwaysOffSampler,
  AlwaysOnSampler,
  ParentBasedSampler,
  SamplingDecision,
  TraceIdRatioBasedSampler,
} from '@opentelemetry/sdk-trace'
import { isKafkaCarrier } from './carriers.ts'

const linkedProducer = createContextKey('the producer span that is linked to and is no parent')

/** The span that sent a message, by the context that was extracted from it. */
export const producerOf = (extracted: Context): SpanContext | undefined =>
  trace.getSpanContext(extracted) ?? linkedProducerOf(extracted)

const linkedProducerOf = (extracted: Context): SpanContext | undefined =>
  extracted.getValue(linkedProducer) as SpanContext | undefined

/**
 * Makes a root of what continues a Kafka message, and only of that: a commit that is published later, or
 * a checkout that expires, continues its own hop. Baggage goes on.
 */
export class OwnTracePerHop implements TextMapPropagator {
  readonly #next: TextMapPropagator

  constructor(next: TextMapPropagator) {
    this.#next = next
  }

  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    this.#next.inject(context, carrier, setter)
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    const extracted = this.#next.extract(context, carrier, getter)
    const producer = trace.getSpanContext(extracted)
    if (!producer || !isKafkaCarrier(carrier)) return extracted
    return trace.deleteSpan(extracted).setValue(linkedProducer, producer)
  }

  fields(): string[] {
    return this.#next.fields()
  }
}

const rootSamplers: Readonly<Record<string, (ratio: number) => Sampler>> = {
  parentbased_always_on: () => new AlwaysOnSampler(),
  parentbased_always_off: () => new AlwaysOffSampler(),
  parentbased_traceidratio: (ratio) => new TraceIdRatioBasedSampler(ratio),
}

/**
 * The samplers that follow a parent, following a linked producer too: one decision a checkout, made at
 * its first span, although every hop is a trace.
 * @param name OTEL_TRACES_SAMPLER
 * @param ratio OTEL_TRACES_SAMPLER_ARG
 * @returns undefined for a sampler that follows nobody: the SDK's own does
 */
export function createHopSampler(name = 'parentbased_always_on', ratio = 1): Sampler | undefined {
  const root = rootSamplers[name]?.(ratio)
  return root && new ParentBasedSampler({ root: new LikeItsProducer(root) })
}

class LikeItsProducer implements Sampler {
  readonly #otherwise: Sampler

  constructor(otherwise: Sampler) {
    this.#otherwise = otherwise
  }

  shouldSample(...asked: Parameters<Sampler['shouldSample']>): SamplingResult {
    const producer = linkedProducerOf(asked[0])
    if (!producer) return this.#otherwise.shouldSample(...asked)
    const isSampled = (producer.traceFlags & TraceFlags.SAMPLED) !== 0
    return { decision: isSampled ? SamplingDecision.RECORD_AND_SAMPLED : SamplingDecision.NOT_RECORD }
  }

  toString(): string {
    return `LikeItsProducer{${this.#otherwise.toString()}}`
  }
}
