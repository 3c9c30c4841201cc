/**
 * What the process costs: processor time and memory, by the semantic conventions for processes
 * (https://opentelemetry.io/docs/specs/semconv/system/process-metrics/). The runtime's own metrics (event loop,
 * heap, garbage collection) come from its instrumentation.
 */
import { metrics } from '@opentelemetry/api'

/** Starts observing; call it once the meter provider is set. */
export function observeProcess(): void {
  const meter = metrics.getMeter('sagascope')
  meter
    .createObservableCounter('process.cpu.time', { description: 'Processor time used', unit: 's' })
    .addCallback((result) => {
      const { user, system } = process.cpuUsage()
      result.observe(user / 1e6, { 'cpu.mode': 'user' })
      result.observe(system / 1e6, { 'cpu.mode': 'system' })
    })
  meter
    .createObservableUpDownCounter('process.memory.usage', { description: 'Resident memory', unit: 'By' })
    .addCallback((result) => result.observe(process.memoryUsage.rss()))
}
