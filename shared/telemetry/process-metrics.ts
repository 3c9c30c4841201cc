/**
 * What the process costs: processor time and memory, by the semantic conventions for processes
 * (https://opentelemetry.io/docs/specs/semconv/system/process-metrics/). The runtime's own metrics (event loop,
 * heap, garbage collection) come from its instrumentation.
 */
import { getHeapStatistics } from 'node:v8'
import { metrics } from '@opentelemetry/api'

/**
 * How often the event loop is asked how late it is. By default it is 100 times a second: with it five idle services took
 * 2.50 % of a core, so they take 2.05 (`npm run lab -- --studies idle`). The values of `nodejs.eventloop.delay` have it in them.
 */
export const eventLoopSampleMillis = 50

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
  // The runtime's own `v8js.memory.heap.*` say what is used and reserved, and not where it ends.
  const limitBytes = oldGenerationLimit()
  meter
    .createObservableUpDownCounter('v8js.memory.heap.old.max', {
      description: 'What all but young objects may take of the heap before the process ends',
      unit: 'By',
    })
    .addCallback((result) => result.observe(limitBytes))
}

const mebibyte = 1_048_576
/** V8's own on 64 bits. */
const largestSemiSpaceMiB = 64

/**
 * Bytes, as `--max-old-space-size` has them. The limit that V8 tells has room for young objects in it, three times the
 * largest semi-space, which no old object gets: in a small heap that is half of it.
 */
export function oldGenerationLimit(
  heapLimitBytes: number = getHeapStatistics().heap_size_limit,
  flags = [...process.execArgv, process.env.NODE_OPTIONS ?? ''].join(' '),
): number {
  const [, semiSpaceMiB = largestSemiSpaceMiB] = /--max[-_]semi[-_]space[-_]size[= ](\d+)/.exec(flags) ?? []
  return heapLimitBytes - 3 * Number(semiSpaceMiB) * mebibyte
}
