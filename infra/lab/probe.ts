/**
 * What only a process itself knows of itself. The lab loads it into each service by `--import`, last, in every arm alike; it
 * answers a connection to 127.0.0.1:LAB_PROBE_PORT with one line of JSON and begins to count anew. Not over HTTP, which
 * arms with telemetry would trace.
 */
import type { Profiler } from 'node:inspector'
import { createServer } from 'node:net'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { pathToFileURL } from 'node:url'
import { trace } from '@opentelemetry/api'

/** All but `profile`, which ends what `start-profile` began, are answered with a reading. */
export type ProbeCommand = 'read' | 'flush' | 'start-profile' | 'profile'

export interface ProbeReading {
  /** How much later than due timers ran, since the last reading. */
  readonly eventLoopDelayMillis: { readonly p50: number; readonly p99: number; readonly max: number }
  /** Sampled spans that were handed to a processor that exports, since the process began. */
  readonly spansEnded: number
  /** Of those, how many found a full queue, or were in an export that failed. */
  readonly spansDropped: number
}

/** Of the SDK's processors; what is private in them may change, and then the lab's sums do not match. */
interface ExportingProcessor {
  onEnd: (span: { spanContext: () => { traceFlags: number } }) => void
  readonly _exporter?: Exporter
  readonly _finishedSpans?: readonly unknown[]
  readonly _maxQueueSize?: number
}

type ExportDone = (result: { readonly code: number }) => void

interface Exporter {
  export: (spans: readonly unknown[], done: ExportDone) => void
}

interface SdkModule {
  readonly BatchSpanProcessor: { readonly prototype: ExportingProcessor }
  readonly SimpleSpanProcessor: { readonly prototype: ExportingProcessor }
}

/** The SDK's module whose processors export, from the working directory or by its name; empty where there is none. */
const { LAB_PROBE_PORT: port = '', LAB_PROBE_SDK: sdk = '', LAB_PROBE_EVENT_LOOP: watch = 'on' } = process.env
const millis = (nanos: number): number => (Number.isFinite(nanos) ? nanos / 1e6 : 0)
const spans = { ended: 0, dropped: 0 }

/** Counts at the last place that all spans to be exported pass, by whatever way they come there. */
function countSpans(processor: ExportingProcessor): void {
  const { onEnd } = processor
  processor.onEnd = function (span) {
    if ((span.spanContext().traceFlags & 1) === 1) {
      spans.ended += 1
      if ((this._finishedSpans?.length ?? 0) >= (this._maxQueueSize ?? Infinity)) spans.dropped += 1
      if (this._exporter && !watched.has(this._exporter)) countFailures(this._exporter)
    }
    onEnd.call(this, span)
  }
}

const watched = new WeakSet<Exporter>()
/** ExportResultCode.SUCCESS of the SDK, which an arm without one must not load. */
const success = 0

/** An exporter refuses what comes while it has as many requests under way as it may have, and nobody sends that again. */
function countFailures(exporter: Exporter): void {
  watched.add(exporter)
  const send = exporter.export.bind(exporter)
  exporter.export = (batch, done) => {
    send(batch, (result) => {
      if (result.code !== success) spans.dropped += batch.length
      done(result)
    })
  }
}

if (port !== '') {
  // The arm has loaded it already, so it is this very module; an arm without one must not be given one to carry.
  if (sdk !== '') {
    const { BatchSpanProcessor, SimpleSpanProcessor } = (await import(
      sdk.startsWith('./') ? pathToFileURL(sdk).href : sdk
    )) as SdkModule
    const prototypes = [BatchSpanProcessor.prototype, SimpleSpanProcessor.prototype]
    for (const owner of new Set(prototypes.map(ownerOfOnEnd))) countSpans(owner)
  }

  const delay = monitorEventLoopDelay({ resolution: 5 })
  // 200 times a second: 0.3 % of a core, which is no matter under load, and most of what there is without.
  if (watch === 'on') delay.enable()
  createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', (command: Buffer) => {
      answer(command.toString() as ProbeCommand).then(
        (reply) => socket.end(`${JSON.stringify(reply)}\n`),
        (error: unknown) => socket.destroy(error as Error),
      )
    })
  })
    .listen(Number(port), '127.0.0.1')
    .unref()

  const answer = async (command: ProbeCommand): Promise<ProbeReading | Profiler.Profile> => {
    if (command === 'profile') return stopProfile()
    if (command === 'start-profile') await startProfile()
    if (command === 'flush') await flush()
    return read()
  }
  const read = (): ProbeReading => {
    const reading = {
      eventLoopDelayMillis: {
        p50: millis(delay.percentile(50)),
        p99: millis(delay.percentile(99)),
        max: millis(delay.max),
      },
      spansEnded: spans.ended,
      spansDropped: spans.dropped,
    }
    delay.reset()
    return reading
  }
}

/** A subclass inherits from a base that may be another's as well. */
function ownerOfOnEnd(prototype: ExportingProcessor): ExportingProcessor {
  let owner: object = prototype
  while (!Object.hasOwn(owner, 'onEnd')) owner = Object.getPrototypeOf(owner) as object
  return owner as ExportingProcessor
}

interface Flushable {
  getDelegate?: () => Flushable
  forceFlush?: () => Promise<void>
}

/** Of traces; the other signals are not counted. */
async function flush(): Promise<void> {
  const provider = trace.getTracerProvider() as Flushable
  await (provider.getDelegate?.() ?? provider).forceFlush?.().catch(() => undefined)
}

/** Loaded when it is asked for: an arm that is not profiled has no inspector. */
let profiling: import('node:inspector/promises').Session | undefined
const samplingIntervalMicros = 1_000

async function startProfile(): Promise<void> {
  const { Session } = await import('node:inspector/promises')
  profiling = new Session()
  profiling.connect()
  await profiling.post('Profiler.enable')
  await profiling.post('Profiler.setSamplingInterval', { interval: samplingIntervalMicros })
  await profiling.post('Profiler.start')
}

async function stopProfile(): Promise<Profiler.Profile> {
  if (!profiling) throw new Error('no profile was started')
  const { profile } = await profiling.post('Profiler.stop')
  profiling.disconnect()
  profiling = undefined
  return profile
}
