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
import { SamplingDecision } from '@opentelemetry/sdk-trace'
import { isKafkaCarrier } from './carriers.ts'
import { probabilityOf } from './consistent-probability-sampler.ts'

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

/** The decision on the producer where there is one, with what that says of its probability; otherwise another's. */
export class LikeItsProducer implements Sampler {
  readonly #otherwise: Sampler

  constructor(otherwise: Sampler) {
    this.#otherwise = otherwise
  }

  shouldSample(...asked: Parameters<Sampler['shouldSample']>): SamplingResult {
    const producer = linkedProducerOf(asked[0])
    if (!producer) return this.#otherwise.shouldSample(...asked)
    if ((producer.traceFlags & TraceFlags.SAMPLED) === 0) return { decision: SamplingDecision.NOT_RECORD }
    const traceState = probabilityOf(producer)
    return { decision: SamplingDecision.RECORD_AND_SAMPLED, ...(traceState && { traceState }) }
  }

  toString(): string {
    return `LikeItsProducer{${this.#otherwise.toString()}}`
  }
}
