/**
 * What only a process itself knows of its memory. The soak loads it into each service by `--import`; it writes a line
 * of JSON at intervals to the file SOAK_PROBE_FILE.
 *
 * Each time it has the garbage collected first: what is then left of the heap is in use. Measured without, the heap is a
 * saw-tooth whose teeth are longer than a soak: see README.md.
 */
import { appendFileSync } from 'node:fs'
import { constants, monitorEventLoopDelay, PerformanceObserver } from 'node:perf_hooks'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** One line. */
export interface ProbeLine {
  readonly atMillis: number
  /** Before the collection, as a metric would have it. */
  readonly heapUsedBytes: number
  readonly heapUsedAfterGcBytes: number
  /** Outside the heap and held by objects in it: buffers, mostly. */
  readonly externalAfterGcBytes: number
  readonly heapTotalBytes: number
  readonly eventLoopDelayP99Millis: number
  /** Timers, sockets, servers and the like that keep the process alive. */
  readonly activeResources: number
  /** Full collections that V8 has done since the last line by itself. */
  readonly majorCollections: number
}

/** Of `perf_hooks`, whose types leave the details open. */
interface GarbageCollection {
  readonly detail: { readonly kind: number; readonly flags: number }
}

const { SOAK_PROBE_FILE: file = '', SOAK_PROBE_INTERVAL_MILLIS: interval = '30000' } = process.env

if (file !== '') {
  setFlagsFromString('--expose-gc')
  const collectGarbage = runInNewContext('gc') as () => void
  const delay = monitorEventLoopDelay({ resolution: 10 })
  delay.enable()
  let majorCollections = 0
  const { NODE_PERFORMANCE_GC_MAJOR: major, NODE_PERFORMANCE_GC_FLAGS_FORCED: forced } = constants
  new PerformanceObserver((list) => {
    for (const { detail } of list.getEntries() as unknown as GarbageCollection[]) {
      if (detail.kind === major && (detail.flags & forced) === 0) majorCollections += 1
    }
  }).observe({ entryTypes: ['gc'] })

  setInterval(() => {
    const { heapUsed, heapTotal } = process.memoryUsage()
    const eventLoopDelayP99Millis = delay.percentile(99) / 1e6
    collectGarbage()
    const after = process.memoryUsage()
    const line: ProbeLine = {
      atMillis: Date.now(),
      heapUsedBytes: heapUsed,
      heapUsedAfterGcBytes: after.heapUsed,
      externalAfterGcBytes: after.external,
      heapTotalBytes: heapTotal,
      eventLoopDelayP99Millis,
      activeResources: process.getActiveResourcesInfo().length,
      majorCollections,
    }
    majorCollections = 0
    delay.reset()
    appendFileSync(file, `${JSON.stringify(line)}\n`)
  }, Number(interval)).unref()
}
