/** What the lab has measured: one shape for the harness, the file and the report. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

const count = z.number().int().nonnegative()
const amount = z.number()

/** What a sample's processor time and memory are split into. */
export const parts = ['services', 'collector', 'broker', 'store'] as const
export type Part = (typeof parts)[number]

export const forEachPart = <Value>(of: (part: Part) => Value): Record<Part, Value> =>
  Object.fromEntries(parts.map((part) => [part, of(part)])) as Record<Part, Value>

const byPart = z.record(z.enum(parts), amount)

/** What is measured while checkouts come, however they come. */
const usage = z.object({
  seconds: amount,
  /** Checkouts that came to their end within the window. */
  checkouts: count,
  /** Processor time in the window by checkouts ended in it: user and system, milliseconds. */
  cpuMillisPerCheckout: byPart,
  /** The same, of each service. */
  serviceCpuMillisPerCheckout: z.record(z.string(), amount),
  /** Bytes that services sent to the receiver of their telemetry and that it sent back, as a relay counted them. */
  wireBytes: z.object({ sent: count, received: count }),
  /** Of the service with the longest, milliseconds. */
  eventLoopDelayMillis: z.object({ p50: amount, p99: amount, max: amount }),
})

/** As many in flight as saturate it: what it can do. */
const saturation = usage.extend({
  inFlight: count,
  checkoutsPerSecond: amount,
})

/** An open loop at half of what the slower of the two can do: how long a checkout takes. */
const halfLoad = usage.extend({
  ratePerSecond: amount,
  /**
   * From when it was due to its end, milliseconds; `each` checkout's, for visits to be looked at together, which the first
   * results do not have.
   */
  toEndMillis: z.object({ p50: amount, p95: amount, p99: amount, each: z.array(amount).optional() }),
  toAcceptedMillis: z.object({ p50: amount, p95: amount, p99: amount }),
})

/** Spans of a whole visit, both phases: `ended` = `received` + `dropped`, or the sample says that they are not. */
const spans = z.object({
  /** Ended in the services and sampled. */
  ended: count,
  /** As the receiver counted them. */
  received: count,
  /** By full queues and failed exports, as the services counted them. */
  dropped: count,
  /** From the first to the last of them, with everything else that was sent in that time. */
  wireBytes: z.object({ sent: count, received: count }),
})

export const sample = z.object({
  saturation,
  halfLoad,
  spans: spans.nullable(),
  /** At the end of the visit: resident memory in bytes, summed over the part's processes. */
  rssBytes: byPart,
  serviceRssBytes: z.record(z.string(), amount),
})
export type Sample = z.infer<typeof sample>

/** One arm beside its baseline, visited in turn: A B, B A, A B, ... */
export const comparison = z.object({
  arm: z.string(),
  against: z.string(),
  what: z.string(),
  group: z.string(),
  /** Of the code that was measured, with `-dirty` where it was not that alone. */
  commit: z.string(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  pairs: z.array(z.object({ first: z.enum(['arm', 'against']), arm: sample, against: sample })),
})
export type Comparison = z.infer<typeof comparison>

export const machine = z.object({
  cores: count,
  memoryBytes: count,
  processor: z.string(),
  node: z.string(),
  platform: z.string(),
  /** Which cores the system under test had, and which the observers; null where processes cannot be pinned. */
  pinned: z.object({ system: z.string(), observers: z.string() }).nullable(),
})

export const resultFormat = 'sagascope-lab/1'

export const labResult = z.object({
  format: z.literal(resultFormat),
  form: z.enum(['full', 'short', 'custom']),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  machine,
  comparisons: z.array(comparison),
})
export type Machine = z.infer<typeof machine>
export type LabResult = z.infer<typeof labResult>

/** @throws Error when the file is not there, or no result of the lab */
export function readLabResult(path: string): LabResult {
  return labResult.parse(JSON.parse(readFileSync(path, 'utf8')))
}

/**
 * Of a whole visit where its spans were counted, from one flush to the next: what is sent within a phase was collected in
 * part before it, and what is left at its end goes in nobody's.
 * @returns undefined where nothing came to its end
 */
export function wireBytesPerCheckout({ saturation, halfLoad, spans }: Sample): number | undefined {
  const checkouts = saturation.checkouts + halfLoad.checkouts
  const bytes = spans?.wireBytes.sent ?? saturation.wireBytes.sent + halfLoad.wireBytes.sent
  return checkouts === 0 ? undefined : bytes / checkouts
}
