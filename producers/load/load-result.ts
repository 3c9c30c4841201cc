/** What a load has measured: one shape for the caller, for `--json` and for the file. Times in it are milliseconds. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

const count = z.int().nonnegative()
const millis = z.number()

/** All of it counts from when a checkout was due, whenever it was really sent. */
export const latency = z.object({
  count,
  min: millis,
  mean: millis,
  p50: millis,
  p75: millis,
  p90: millis,
  p95: millis,
  p99: millis,
  p999: millis,
  max: millis,
  /** The whole distribution in microseconds: HdrHistogram's V2 format, compressed, base64, as all of its ports read it. */
  hdr: z.string(),
})
export type Latency = z.infer<typeof latency>

/** Where a straight line of the arrival rate leads, and for how long. */
const stage = z.object({ ratePerSecond: z.number().nonnegative(), durationMillis: z.number().nonnegative() })

const settings = z.object({
  gatewayUrl: z.string(),
  /** The rate at the beginning, from which the first stage leads on. */
  startRatePerSecond: z.number().nonnegative(),
  stages: z.array(stage),
  arrivals: z.enum(['uniform', 'poisson']),
  /** The arrivals end with this one, although the stages go on. */
  total: count.optional(),
  /** Weights by kind of checkout. */
  mix: z.record(z.string(), z.number()),
  seed: count,
  /** Among how many emails the checkouts are spread; each has its own where this is missing. */
  sharedEmails: count.optional(),
  settleMillis: count,
  requestTimeoutMillis: count,
})

const tally = z.object({
  arrived: count,
  accepted: count,
  /** Answered, but not with a 202: by the problem's code, or `http_<status>`. */
  refused: z.record(z.string(), count),
  /** No answer: by the error's code, `timeout` among them. Some may have become checkouts all the same. */
  failed: z.record(z.string(), count),
  /** Checkouts at their end, by how they ended. */
  ended: z.object({ completed: count, compensated: count, rejected: count }),
  /** Of those: ended otherwise than their kind should, as checkouts past their deadline do. */
  unexpected: count,
  /** Accepted, and at no end when the load was over. No latency has them. */
  open: count,
})
export type Tally = z.infer<typeof tally>

const distribution = z.object({ toAccepted: latency, toEnd: latency })

/** Of the checkouts that were due in one second, whenever they were answered and ended. */
const secondOfArrivals = z.object({
  /** Since the beginning; the second begins here. */
  second: count,
  /** What the schedule wanted at this time. */
  scheduledRatePerSecond: z.number(),
  arrived: count,
  accepted: count,
  refused: count,
  failed: count,
  ended: count,
  open: count,
  toAccepted: z.object({ p50: millis, p99: millis, max: millis }).nullable(),
  toEnd: z.object({ p50: millis, p99: millis, max: millis }).nullable(),
  /** How late the latest was sent. */
  generatorLagMax: millis,
})
export type SecondOfArrivals = z.infer<typeof secondOfArrivals>

export const resultFormat = 'sagascope-load/1'

export const loadResult = z.object({
  format: z.literal(resultFormat),
  /** Also in the emails of its checkouts, `load-<run>-<index>@...`, and so in the store. */
  run: z.string(),
  tag: z.string().optional(),
  settings,
  startedAt: z.iso.datetime(),
  /** When the last arrival had been sent. */
  arrivalsEndedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  /** Somebody stopped it before its arrivals were over. */
  interrupted: z.boolean(),
  tally,
  /** By kind of checkout, those of the mix that arrived. */
  tallyByKind: z.record(z.string(), tally),
  /** What arrived, by the time that the arrivals took. */
  arrivalRatePerSecond: z.number(),
  /** Of those that were accepted; what was refused or failed is in the tally alone. */
  overall: distribution,
  byKind: z.record(z.string(), distribution),
  ends: z.object({
    /** Where it was seen that a checkout had ended. */
    by: z.enum(['kafka', 'gateway']),
    /**
     * What `toEnd` counts up to, wherever that was seen: the time that the terminal event has itself, whole
     * milliseconds by the clock of the service that decided it, taken just before its commit.
     */
    upTo: z.literal('event time'),
    resolutionMillis: z.literal(1),
    /** Seen at the gateway, when nothing more came from Kafka. */
    missedByKafka: count,
    /** How many times the gateway was asked for a checkout, which is load as well. */
    gatewayReads: count,
    /** Ends whose time lies before that of their checkout: the clocks differ. They count as 0 ms. */
    beforeTheirStart: count,
  }),
  /** The tool itself: from when a checkout was due to when its request was sent. In every latency above. */
  generatorLag: latency,
  /** It was so late itself that it cannot vouch for the figures. */
  void: z.boolean(),
  /** Sentences for people: what was refused and which variable lifts it, what did not end, what the figures cannot say. */
  warnings: z.array(z.string()),
  seconds: z.array(secondOfArrivals),
})
export type LoadResult = z.infer<typeof loadResult>
export type LoadSettings = LoadResult['settings']

/** @throws Error when the file is not there, or no result of a load */
export function readLoadResult(path: string): LoadResult {
  return loadResult.parse(JSON.parse(readFileSync(path, 'utf8')))
}
