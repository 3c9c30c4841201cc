/** What happens to a span between its start and its export. */
import type { Context } from '@opentelemetry/api'
import { metrics, SpanKind, trace } from '@opentelemetry/api'
import { getNumberFromEnv } from '@opentelemetry/core'
import type { ReadableSpan, Span, SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import { BatchSpanProcessor } from '@opentelemetry/sdk-trace'
import { SpanProcessorOnceUsed } from './once-used.ts'
import { createTraceExporter } from './otlp-exporters.ts'
import { ATTR_SAGA_ID, sagaIdOf } from './saga-id.ts'
import { producerOf } from './trace-hops.ts'

/**
 * @param exporter OTEL_TRACES_EXPORTER: `otlp` (default) or `none`
 * @param createProcessor what hands spans to the exporter
 */
export async function createSpanProcessors(
  exporter = 'otlp',
  createProcessor: (exporter: SpanExporter) => SpanProcessor = createBatchProcessor,
): Promise<SpanProcessor[]> {
  if (exporter === 'none') return []
  const traceExporter = await createTraceExporter()
  return [
    new SagaIdProcessor(),
    new ProducerLinkProcessor(),
    new WithoutForgotten(new SpanProcessorOnceUsed(() => createProcessor(traceExporter))),
  ]
}

/**
 * As the SDK would make it: the variables and their defaults are the specification's. Its queue is bounded; what
 * finds it full is dropped and counted, `otel.sdk.processor.span.processed`. The SDK's other metrics of
 * itself are left off: counting each span that starts doubles its cost.
 */
export const createBatchProcessor = (exporter: SpanExporter): SpanProcessor =>
  new BatchSpanProcessor({
    exporter,
    selfObsMeterProvider: metrics.getMeterProvider(),
    scheduledDelayMillis: getNumberFromEnv('OTEL_BSP_SCHEDULE_DELAY') ?? 5_000,
    exportTimeoutMillis: getNumberFromEnv('OTEL_BSP_EXPORT_TIMEOUT') ?? 30_000,
    maxQueueSize: getNumberFromEnv('OTEL_BSP_MAX_QUEUE_SIZE') ?? 2_048,
    maxExportBatchSize: getNumberFromEnv('OTEL_BSP_MAX_EXPORT_BATCH_SIZE') ?? 512,
  })

/** Copies `saga.id` from the context in which a span starts. */
export class SagaIdProcessor implements SpanProcessor {
  onStart(span: Span, parent: Context): void {
    const sagaId = sagaIdOf(parent)
    if (sagaId !== undefined) span.setAttribute(ATTR_SAGA_ID, sagaId)
  }
  onEnd(): void {}
  forceFlush(): Promise<void> {
    return Promise.resolve()
  }
  shutdown(): Promise<void> {
    return Promise.resolve()
  }
}

/**
 * Links a consumer's span to the producer's, whether it is its child or not, so that both kinds of reader find it. The
 * instrumentation has read the message's headers already, into the context in which the span starts.
 */
export class ProducerLinkProcessor implements SpanProcessor {
  onStart(span: Span, parent: Context): void {
    if (span.kind !== SpanKind.CONSUMER) return
    const producer = producerOf(parent)
    if (producer) span.addLink({ context: producer })
  }
  onEnd(): void {}
  forceFlush(): Promise<void> {
    return Promise.resolve()
  }
  shutdown(): Promise<void> {
    return Promise.resolve()
  }
}

const forgotten = new WeakSet<object>()

/**
 * Keeps the active span from being exported. For what is no step of a checkout: a tool that looks at a message, a page
 * that is served. The caller sees to it that the span has no children.
 */
export function forgetActiveSpan(): void {
  const span = trace.getActiveSpan()
  if (span) forgotten.add(span)
}

export class WithoutForgotten implements SpanProcessor {
  readonly #next: SpanProcessor

  constructor(next: SpanProcessor) {
    this.#next = next
  }
  onStart(span: Span, parent: Context): void {
    this.#next.onStart(span, parent)
  }
  onEnd(span: ReadableSpan): void {
    if (!forgotten.has(span)) this.#next.onEnd(span)
  }
  forceFlush(): Promise<void> {
    return this.#next.forceFlush()
  }
  shutdown(): Promise<void> {
    return this.#next.shutdown()
  }
}
