/** For tests: the API with an SDK behind it that keeps everything in memory. Stop it: it is the process's. */
import { context, logs, metrics, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { InMemoryLogRecordExporter, LoggerProvider, SimpleLogRecordProcessor } from '@opentelemetry/sdk-logs'
import {
  AggregationTemporality,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'
import { ProducerLinkProcessor } from '../../../../shared/telemetry/span-processors.ts'
import { createPropagator } from '../../../../shared/telemetry/propagation.ts'

export function startTelemetryForTests() {
  const spans = new InMemorySpanExporter()
  const records = new InMemoryLogRecordExporter()
  const measured = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE)
  const reader = new PeriodicExportingMetricReader({ exporter: measured, exportIntervalMillis: 3_600_000 })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(createPropagator())
  trace.setGlobalTracerProvider(
    new TracerProvider({
      spanProcessors: [new ProducerLinkProcessor(), new SimpleSpanProcessor({ exporter: spans })],
    }),
  )
  metrics.setGlobalMeterProvider(new MeterProvider({ readers: [reader] }))
  logs.setGlobalLoggerProvider(
    new LoggerProvider({ processors: [new SimpleLogRecordProcessor({ exporter: records })] }),
  )
  return {
    spans: () => spans.getFinishedSpans(),
    records: () => records.getFinishedLogRecords(),
    /** The attributes of all points of a metric, and their values; of a histogram, the counts. */
    async points(name: string) {
      measured.reset()
      await reader.forceFlush()
      return measured
        .getMetrics()
        .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics: all }) => all))
        .filter(({ descriptor }) => descriptor.name === name)
        .flatMap(({ dataPoints }) =>
          dataPoints.map(({ attributes, value }) => ({
            attributes,
            value: typeof value === 'number' ? value : value.count,
          })),
        )
    },
    reset() {
      spans.reset()
      records.reset()
    },
    stop() {
      for (const api of [context, propagation, trace, metrics, logs]) api.disable()
    },
  }
}

export type TelemetryForTests = ReturnType<typeof startTelemetryForTests>
