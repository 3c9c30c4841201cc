/**
 * What the lab's studies have measured. A study asks what no pair of arms can answer; each is a file of its own beside
 * the lab's result, `<name>.json`, so that each can be run apart. All of them keep what was measured, and not what
 * follows from it: medians and intervals are made by report/.
 */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { z } from 'zod'

const count = z.number().int().nonnegative()
const amount = z.number()

const about = {
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime(),
  commit: z.string(),
}

/** By `services`, `collector`, `broker` and `store`, as in lab-result.ts; a part that was not measured is missing. */
const byPart = z.record(z.string(), amount)
const byService = z.record(z.string(), amount)
const millis = z.object({ count, p50: amount, p95: amount, p99: amount })

/** What the services use while nobody asks for anything, everything connected and subscribed. */
const idle = z.object({
  ...about,
  conditions: z
    .array(
      z.object({
        /** `as it ships` is the one that is judged; others show what would be without a change. */
        name: z.string(),
        what: z.string(),
        /** Processor time by time, user and system, of each service: 0.01 is 1 % of a core. */
        windows: z.array(z.object({ seconds: amount, cpuShare: byService })).min(1),
      }),
    )
    .min(1),
})
export type IdleStudy = z.infer<typeof idle>
export const idleAsItShips = 'as it ships'

/** From when the store has a commit to when the broker has acknowledged its events, milliseconds. */
const outbox = z.object({
  ...about,
  ratePerSecond: amount,
  /** How often the polling outbox looks. */
  pollingEveryMillis: amount,
  /** The two in turn. */
  rounds: z
    .array(z.object({ first: z.enum(['immediate', 'polling']), immediate: millis, polling: millis }))
    .min(1),
})
export type OutboxStudy = z.infer<typeof outbox>

export const outageFaults = ['collector down', 'collector 5 s slow'] as const

const outageSide = z.object({
  checkoutsPerSecond: amount,
  /** Resident memory at the end of the window, less that at its beginning, bytes, of each service. */
  memoryGrowthBytes: byService,
})

/** The receiver of telemetry fails or is slow for a while; `against` is the same while, without the fault. */
const outage = z.object({
  ...about,
  faults: z.array(
    z.object({
      fault: z.enum(outageFaults),
      seconds: amount,
      pairs: z
        .array(z.object({ first: z.enum(['fault', 'against']), fault: outageSide, against: outageSide }))
        .min(1),
    }),
  ),
})
export type OutageStudy = z.infer<typeof outage>

export const growthAxes = ['services', 'replicas', 'partitions', 'inFlight', 'storedCommits'] as const
export type GrowthAxis = (typeof growthAxes)[number]

/** The cost of a checkout while one thing grows and the others stay. */
const growth = z.object({
  ...about,
  points: z.array(
    z.object({
      /** What grows in the series that the point belongs to. */
      axis: z.enum(growthAxes),
      /** Services that a checkout passes, and processes of each. */
      services: count,
      replicas: count,
      partitions: count,
      inFlight: count,
      /** In the store before the first round. */
      storedCommits: count,
      rounds: z
        .array(
          z.object({
            seconds: amount,
            checkouts: count,
            checkoutsPerSecond: amount,
            cpuMillisPerCheckout: byPart,
          }),
        )
        .min(1),
    }),
  ),
})
export type GrowthStudy = z.infer<typeof growth>
export type GrowthPoint = GrowthStudy['points'][number]

const keptOf = z.object({ offered: count, kept: count })

/** Which traces a sampler leaves, and what one can tell from them. */
const sampling = z.object({
  ...about,
  ratePerSecond: amount,
  /** From which time to its end on a checkout counts as slow. */
  slowFromMillis: amount,
  strategies: z.array(
    z.object({
      name: z.string(),
      what: z.string(),
      /** What the services are started with, and the Collector's overlay, if any. */
      environment: z.record(z.string(), z.string()),
      overlay: z.string().nullable(),
      /** Of a sampler that holds a rate: how many traces a second it begins, however many checkouts come. */
      tracesPerSecond: amount.optional(),
      rounds: z
        .array(
          z.object({
            /** Checkouts that came to their end. */
            offered: count,
            /** Of these: with any span in the backend, and with all that the contract wants of them. */
            traced: count,
            whole: count,
            /** Whole traces, of checkouts that were compensated or rejected, and of slow ones. */
            failed: keptOf,
            slow: keptOf,
            /** What the traces say, each weighted by what its sampler says, beside what is so. */
            estimates: z.array(z.object({ what: z.string(), truth: amount, estimate: amount })),
            /** From the services to the Collector, and on to the backend of traces. */
            wireBytes: count,
            backendBytes: count,
            spans: count,
            /** By checkout, more than without telemetry in the same round. */
            addedCpuMillisPerCheckout: byPart,
          }),
        )
        .min(1),
    }),
  ),
  /** The sampler that holds a rate, under ten times of it. */
  burst: z
    .object({
      limitPerSecond: amount,
      offeredPerSecond: amount,
      seconds: amount,
      sampledPerSecond: z.array(amount).min(1),
    })
    .optional(),
})
export type SamplingStudy = z.infer<typeof sampling>
export type SamplingStrategy = SamplingStudy['strategies'][number]

/** What checkouts leave behind where they are kept, for the arithmetic of a larger system. */
const sizes = z.object({
  ...about,
  /** Brought to their end, all of them completed. */
  checkouts: count,
  /** On all topics but the broker's own: their log segments, one replica. */
  kafka: z.object({ messages: count, bytes: count }),
  /** What the store's files grew by; `product` is what it was. */
  store: z.object({ product: z.string(), documents: count, bytes: count }),
  /** What the index grew by, one copy, merged. */
  logs: z.object({ records: count, bytes: count }),
  /** Time series that all instances together have in Prometheus. */
  metrics: z.object({ series: count, instances: count, scrapeIntervalSeconds: amount }),
})
export type SizesStudy = z.infer<typeof sizes>

/** Where the services' processor time goes, all of them together, sampled under the same load. */
const profile = z.object({
  ...about,
  ratePerSecond: amount,
  arms: z.array(
    z.object({
      arm: z.string(),
      checkouts: count,
      /** By whose function was at work: a package, or a folder of this repository. */
      millisPerCheckout: z.record(z.string(), amount),
      /** A flame graph, beside the result. */
      file: z.string(),
    }),
  ),
})
export type ProfileStudy = z.infer<typeof profile>

/** What profiles named, what was changed because of it, and what that brought. */
const changes = z.object({
  ...about,
  changes: z.array(
    z.object({
      title: z.string(),
      /** What the profile said. */
      profile: z.string(),
      change: z.string(),
      commit: z.string(),
      figures: z.array(z.object({ what: z.string(), unit: z.string(), before: amount, after: amount })),
      /** Files beside the result, as flame graphs. */
      files: z.array(z.string()),
    }),
  ),
  /** Targets that were not reached, by their keys in report/targets.ts: what the limit is, and what proves it. */
  limits: z
    .array(z.object({ target: z.string(), because: z.string(), files: z.array(z.string()) }))
    .default([]),
  /** What it is that the cost of a checkout bends with, where the study of growth found that it does not stay. */
  bends: z.array(z.object({ axis: z.enum(growthAxes), because: z.string() })).default([]),
})
export type ChangesStudy = z.infer<typeof changes>

const studies = { idle, outbox, outage, growth, sampling, sizes, profile, changes }
export type StudyName = keyof typeof studies
export const studyNames = Object.keys(studies) as StudyName[]

export const studyResults = z.object(studies).partial()
export type StudyResults = z.infer<typeof studyResults>

export const studyFile = (name: StudyName): string => `${name}.json`

/**
 * @returns the studies whose files lie in the folder
 * @throws Error when one of them is no result of its study
 */
export function readStudies(folder: string): StudyResults {
  const found = studyNames.filter((name) => existsSync(join(folder, studyFile(name))))
  return studyResults.parse(
    Object.fromEntries(
      found.map((name) => [name, JSON.parse(readFileSync(join(folder, studyFile(name)), 'utf8'))]),
    ),
  )
}
