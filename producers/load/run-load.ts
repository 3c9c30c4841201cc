/**
 * Drives a running system with checkouts, and measures until each is at its end. No console, no process: for callers.
 *
 * The tools that there are for load measure an answer, and a checkout has only begun with its answer: none counts up to a
 * terminal event on Kafka. k6 has an open model and ramps, but is a Go program with scripts of its own, needs an
 * extension for Kafka, and measures from when a request is sent; autocannon is a closed loop of connections that corrects
 * for it by inventing values; artillery has arrival rates, and measures HTTP. What is left to write is small: due times,
 * a loop, and histograms, which are a library's.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { seededRandom } from '../../infra/chaos/random.ts'
import type { Schedule, Stage } from './arrival-times.ts'
import { dueTimes, expectedArrivals, scheduledRate } from './arrival-times.ts'
import { GatewayClient } from './gateway-client.ts'
import type { Percentiles } from './latency-histogram.ts'
import { LoadRecorder } from './load-recorder.ts'
import type { LoadResult, LoadSettings } from './load-result.ts'
import { resultFormat } from './load-result.ts'
import { isVoid, warningsOf } from './load-warnings.ts'
import type { Mix } from './mix.ts'
import { checkoutsOf, defaultMix } from './mix.ts'
import { arriveAt } from './open-loop.ts'
import type { EndSource } from './watch-ends.ts'
import { readWallClock } from './wall-clock.ts'
import { EndWatch } from './watch-ends.ts'

export interface LoadOptions {
  readonly gatewayUrl: string
  /** From which the first stage leads on; 0 unless told, so a steady load says its rate here and in its stage. */
  readonly startRatePerSecond?: number
  readonly stages: readonly Stage[]
  /** `uniform` unless told. */
  readonly arrivals?: 'uniform' | 'poisson'
  /** Ends the arrivals with this one; the last stage's rate goes on until then. */
  readonly total?: number
  /** Weights of the kinds in mix.ts, in any unit; its defaultMix unless told. */
  readonly mix?: Mix
  /** The same arrivals, kinds and orders for the same seed. Random unless told, and in the result. */
  readonly seed?: number
  /** How many emails all checkouts share; each has its own unless told. */
  readonly sharedEmails?: number
  /**
   * Where the ends are seen: on Kafka as they come, or at the gateway, which is asked for some during the load and for
   * all afterwards. The latency is the same in both: up to the terminal event's own time.
   */
  readonly ends: EndSource
  /** How long after the last arrival every accepted checkout must be at its end; 30 s unless told. */
  readonly settleMillis?: number
  /** 10 s unless told. */
  readonly requestTimeoutMillis?: number
  /** Only goes into the result. */
  readonly tag?: string
  /** Begins although the gateway does not say that it is ready: how it does then is what is measured. */
  readonly evenIfNotReady?: boolean
  /** Ends the arrivals; what is under way is waited for, and there is a result all the same. */
  readonly signal?: AbortSignal
  /** Gives up waiting for ends as well. */
  readonly settleSignal?: AbortSignal
  /** About once a second, until the last checkout is at its end. */
  readonly onSecond?: (progress: LoadProgress) => void
}

export interface LoadProgress {
  readonly elapsedMillis: number
  /** Arriving, or all have arrived and their ends are waited for. */
  readonly phase: 'arriving' | 'settling'
  readonly arrived: number
  /** How many will arrive in all; by expectation with Poisson arrivals. */
  readonly expected: number
  /** What arrived in the last second. */
  readonly ratePerSecond: number
  /** Requests without an answer yet. */
  readonly underWay: number
  readonly accepted: number
  /** By the problem's code. */
  readonly refused: Readonly<Record<string, number>>
  /** By the error's code. */
  readonly failed: Readonly<Record<string, number>>
  readonly ended: number
  /** Accepted and not seen at their end. */
  readonly open: number
  /** So far, in milliseconds from when a checkout was due; all 0 where the count is. */
  readonly toAccepted: Percentiles
  readonly toEnd: Percentiles
  /** Of those that were answered, or seen at their end, since the last progress. */
  readonly lately: { readonly toAccepted: Percentiles; readonly toEnd: Percentiles }
}

export const defaults = { settleMillis: 30_000, requestTimeoutMillis: 10_000 } as const

const tickMillis = 1_000

/**
 * @throws GatewayAway when the gateway does not say before the load that it is ready, unless told that this does not
 *   matter; KafkaAway; Error when the options make no sense. Refused and failed requests are part of the result.
 */
export async function runLoad(options: LoadOptions): Promise<LoadResult> {
  const { signal, settleSignal, onSecond } = options
  const settings = settingsOf(options)
  const run = randomBytes(4).toString('hex')
  // Two streams of numbers, so that another rate gives the same checkouts, and another mix the same times.
  const times = dueTimes(scheduleOf(settings), seededRandom(settings.seed))
  const { mix, sharedEmails: shared, requestTimeoutMillis } = settings
  const emails = { run, ...(shared !== undefined && { shared }) }
  const nextCheckout = checkoutsOf(mix, emails, seededRandom(settings.seed + 1))
  const client = new GatewayClient(settings.gatewayUrl, requestTimeoutMillis)
  const watch = new EndWatch(client, requestTimeoutMillis + tickMillis)
  let ticking: NodeJS.Timeout | undefined
  try {
    if (options.evenIfNotReady !== true) await client.requireReady()
    await watch.start(options.ends)

    const recorder = new LoadRecorder()
    const details: Record<string, string> = {}
    const clocks = { beforeTheirStart: 0, aheadMillis: 0 }
    const expected = Math.round(expectedArrivals(scheduleOf(settings)))
    const wallClock = readWallClock()
    const timestamp = (at: number) => new Date(wallClock(at)).toISOString()
    const startedAt = performance.now()
    let firstSentAt = startedAt
    let lastSentAt = startedAt
    let phase: LoadProgress['phase'] = 'arriving'
    let tickedAt = startedAt
    const tick = () => {
      watch.forgetStrangers()
      const now = performance.now()
      const seconds = (now - tickedAt) / 1_000
      tickedAt = now
      const { tally, arrivedLately, ...seen } = recorder.look()
      onSecond?.({
        elapsedMillis: now - startedAt,
        phase,
        expected,
        ratePerSecond: arrivedLately / seconds,
        arrived: tally.arrived,
        accepted: tally.accepted,
        refused: tally.refused,
        failed: tally.failed,
        ended: tally.accepted - tally.open,
        open: tally.open,
        ...seen,
      })
    }
    ticking = setInterval(tick, tickMillis)

    const place = async (index: number, dueAt: number): Promise<void> => {
      const checkout = nextCheckout()
      lastSentAt = performance.now()
      if (index === 0) firstSentAt = lastSentAt
      const arriving = recorder.arrived(checkout, dueAt - startedAt, lastSentAt - dueAt)
      const answer = await client.place(checkout.request)
      switch (answer.kind) {
        case 'accepted':
          arriving.accepted(performance.now() - dueAt)
          watch.watch(answer.checkoutId, ({ end, atMillis }) => {
            const millis = atMillis - wallClock(dueAt)
            if (millis < 0) clocks.beforeTheirStart += 1
            clocks.aheadMillis = Math.max(clocks.aheadMillis, atMillis - wallClock(performance.now()))
            arriving.ended(end, Math.max(0, millis))
          })
          return
        case 'refused':
          details[answer.code] ??= answer.detail
          arriving.refused(answer.code)
          return
        case 'failed':
          arriving.failed(answer.code)
      }
    }
    const arrived = await arriveAt(times, place, { startedAt, ...(signal && { signal }) })
    const isCut = signal?.aborted === true
    phase = 'settling'
    await watch.settle(lastSentAt + settings.settleMillis, settleSignal)
    clearInterval(ticking)
    tick()

    const endedAt = performance.now()
    const seen = await watch.stop()
    const recorded = recorder.result((atMillis) => scheduledRate(scheduleOf(settings), atMillis))
    const { missedByKafka, gatewayReads } = seen
    const result: Omit<LoadResult, 'warnings'> = {
      format: resultFormat,
      run,
      ...(options.tag !== undefined && { tag: options.tag }),
      settings,
      startedAt: timestamp(startedAt),
      arrivalsEndedAt: timestamp(lastSentAt),
      endedAt: timestamp(endedAt),
      interrupted: isCut || settleSignal?.aborted === true,
      arrivalRatePerSecond: arrived < 2 ? 0 : ((arrived - 1) * 1_000) / (lastSentAt - firstSentAt),
      ends: {
        by: options.ends.by,
        upTo: 'event time',
        resolutionMillis: 1,
        missedByKafka,
        gatewayReads,
        beforeTheirStart: clocks.beforeTheirStart,
      },
      void: isVoid(recorded),
      ...recorded,
    }
    return { ...result, warnings: warningsOf(result, { details, ...seen, ...clocks }) }
  } finally {
    clearInterval(ticking)
    await watch.stop()
    client.close()
  }
}

function settingsOf(options: LoadOptions): LoadSettings {
  const { gatewayUrl, stages, startRatePerSecond = 0, arrivals = 'uniform', total, sharedEmails } = options
  const rates = [startRatePerSecond, ...stages.map(({ ratePerSecond }) => ratePerSecond)]
  if (total !== undefined && rates.at(-1) === 0)
    throw new Error('a total would never be reached at a rate of 0')
  return {
    gatewayUrl,
    startRatePerSecond,
    stages: [...stages],
    arrivals,
    ...(total !== undefined && { total }),
    mix: { ...(options.mix ?? defaultMix) },
    seed: options.seed ?? randomInt(2 ** 31),
    ...(sharedEmails !== undefined && { sharedEmails }),
    settleMillis: options.settleMillis ?? defaults.settleMillis,
    requestTimeoutMillis: options.requestTimeoutMillis ?? defaults.requestTimeoutMillis,
  }
}

const scheduleOf = ({ startRatePerSecond, stages, arrivals, total }: LoadSettings): Schedule => ({
  startRatePerSecond,
  stages,
  arrivals,
  ...(total !== undefined && { total }),
})
