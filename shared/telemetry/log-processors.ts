/** What happens to a log record between the line and its export. */
import { metrics } from '@opentelemetry/api'
import { getNumberFromEnv } from '@opentelemetry/core'
import type { LogRecordExporter, LogRecordProcessor, ReadWriteLogRecord } from '@opentelemetry/sdk-logs'
import { BatchLogRecordProcessor } from '@opentelemetry/sdk-logs'
import { createLogExporter } from './otlp-exporters.ts'

/**
 * @param exporter OTEL_LOGS_EXPORTER
 * @param createProcessor what hands records to the exporter
 * @returns undefined for all but `otlp`, the default: the SDK makes those itself
 */
export async function createLogProcessors(
  exporter = 'otlp',
  createProcessor: (exporter: LogRecordExporter) => LogRecordProcessor = createBatchLogProcessor,
): Promise<LogRecordProcessor[] | undefined> {
  if (exporter.trim() !== 'otlp') return undefined
  const logExporter = await createLogExporter()
  return [new OnceUsed(() => createProcessor(logExporter))]
}

/**
 * As the SDK would make it, except that it counts what it drops, `otel.sdk.processor.log.processed`: its queue is
 * bounded, and a record that finds it full is gone without a word.
 */
export const createBatchLogProcessor = (exporter: LogRecordExporter): LogRecordProcessor =>
  new BatchLogRecordProcessor({
    exporter,
    selfObsMeterProvider: metrics.getMeterProvider(),
    scheduledDelayMillis: getNumberFromEnv('OTEL_BLRP_SCHEDULE_DELAY') ?? 1_000,
    exportTimeoutMillis: getNumberFromEnv('OTEL_BLRP_EXPORT_TIMEOUT') ?? 30_000,
    maxQueueSize: getNumberFromEnv('OTEL_BLRP_MAX_QUEUE_SIZE') ?? 2_048,
    maxExportBatchSize: getNumberFromEnv('OTEL_BLRP_MAX_EXPORT_BATCH_SIZE') ?? 512,
  })

/** Makes a processor at the first record: before the SDK has started there is nobody to count what is dropped. */
class OnceUsed implements LogRecordProcessor {
  readonly #create: () => LogRecordProcessor
  #made: LogRecordProcessor | undefined

  constructor(create: () => LogRecordProcessor) {
    this.#create = create
  }
  onEmit(record: ReadWriteLogRecord): void {
    this.#made ??= this.#create()
    this.#made.onEmit(record)
  }
  async forceFlush(): Promise<void> {
    await this.#made?.forceFlush()
  }
  async shutdown(): Promise<void> {
    await this.#made?.shutdown()
  }
}
