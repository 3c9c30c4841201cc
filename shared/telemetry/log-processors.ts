/** What happens to a log record between the line and its export. */
import type { Context } from '@opentelemetry/api'
import { isSpanContextValid, metrics, trace, TraceFlags } from '@opentelemetry/api'
import { getNumberFromEnv } from '@opentelemetry/core'
import type { LogRecordExporter, LogRecordProcessor, ReadWriteLogRecord } from '@opentelemetry/sdk-logs'
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { LogRecordProcessorOnceUsed } from './once-used.ts'
import { createLogExporter } from './otlp-exporters.ts'

/**
 * @param exporter OTEL_LOGS_EXPORTER
 * @param createProcessor what hands records to the exporter
 * @param traceBased TRACE_BASED_LOGS: with `on` records of unsampled traces are left out
 * @returns undefined for all but `otlp`, the default: the SDK makes those itself
 */
export async function createLogProcessors(
  exporter = 'otlp',
  createProcessor: (exporter: LogRecordExporter) => LogRecordProcessor = createBatchLogProcessor,
  traceBased = 'off',
): Promise<LogRecordProcessor[] | undefined> {
  if (exporter.trim() !== 'otlp') return undefined
  const logExporter = await createLogExporter()
  const processor = new LogRecordProcessorOnceUsed(() => createProcessor(logExporter))
  return [traceBased === 'on' ? new OfSampledTraces(processor) : processor]
}

/**
 * As the SDK would make it, except that it counts what it drops, `otel.sdk.processor.log.processed`: its queue is
 * bounded, and a record that finds it full is gone without a word. And unless told, records wait as long as spans do, not
 * 1 s: few in a request compress badly, and each request takes its time.
 */
export const createBatchLogProcessor = (exporter: LogRecordExporter): LogRecordProcessor =>
  new BatchLogRecordProcessor({
    exporter,
    selfObsMeterProvider: metrics.getMeterProvider(),
    scheduledDelayMillis: getNumberFromEnv('OTEL_BLRP_SCHEDULE_DELAY') ?? 5_000,
    exportTimeoutMillis: getNumberFromEnv('OTEL_BLRP_EXPORT_TIMEOUT') ?? 30_000,
    maxQueueSize: getNumberFromEnv('OTEL_BLRP_MAX_QUEUE_SIZE') ?? 2_048,
    maxExportBatchSize: getNumberFromEnv('OTEL_BLRP_MAX_EXPORT_BATCH_SIZE') ?? 512,
  })

/**
 * Leaves out what is logged within a trace that is not sampled; what is logged outside of any trace stays. It is what
 * a LoggerConfig calls `trace_based`, which NodeSDK has no option for:
 * https://opentelemetry.io/docs/specs/otel/logs/sdk/#loggerconfig
 */
export class OfSampledTraces implements LogRecordProcessor {
  readonly #next: LogRecordProcessor

  constructor(next: LogRecordProcessor) {
    this.#next = next
  }
  /** Asked before a record is made. */
  enabled({ context }: { readonly context: Context }): boolean {
    const span = trace.getSpanContext(context)
    return !span || !isSpanContextValid(span) || (span.traceFlags & TraceFlags.SAMPLED) !== 0
  }
  onEmit(record: ReadWriteLogRecord, context?: Context): void {
    this.#next.onEmit(record, context)
  }
  forceFlush(): Promise<void> {
    return this.#next.forceFlush()
  }
  shutdown(): Promise<void> {
    return this.#next.shutdown()
  }
}
