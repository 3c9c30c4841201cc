/** For tests: context and spans as in a running service, with the exported spans kept in memory. */
import { context, trace } from '@opentelemetry/api'
import type { Tracer } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import type { SpanExporter, SpanProcessor } from '@opentelemetry/sdk-trace'
import { InMemorySpanExporter, SimpleSpanProcessor, TracerProvider } from '@opentelemetry/sdk-trace'

const exporting = (exporter: SpanExporter): SpanProcessor[] => [new SimpleSpanProcessor({ exporter })]

export interface RecordedSpans {
  /** Of a provider that is not the global one: tests share a process. */
  readonly tracer: Tracer
  readonly exporter: InMemorySpanExporter
  stop(): void
}

/** Stop it when the test ends: the context manager is the process's. */
export function recordSpans(
  createProcessors: (exporter: SpanExporter) => SpanProcessor[] = exporting,
): RecordedSpans {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({ spanProcessors: createProcessors(exporter) })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  return { tracer: provider.getTracer('tests'), exporter, stop: () => context.disable() }
}

/** The same, of everything that asks the global provider for its tracer while it records. */
export function recordGlobalSpans(): RecordedSpans {
  const exporter = new InMemorySpanExporter()
  const provider = new TracerProvider({ spanProcessors: exporting(exporter) })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  trace.setGlobalTracerProvider(provider)
  const stop = (): void => {
    trace.disable()
    context.disable()
  }
  return { tracer: provider.getTracer('tests'), exporter, stop }
}
