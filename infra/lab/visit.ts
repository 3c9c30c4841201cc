/** One visit of a rig: as much as it can do for a while, then a fixed rate, with a reading before and after each. */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { seededRandom } from '../chaos/random.ts'
import { GatewayClient } from '../../producers/load/gateway-client.ts'
import { LatencyHistogram } from '../../producers/load/latency-histogram.ts'
import type { End, Mix } from '../../producers/load/mix.ts'
import { checkoutsOf } from '../../producers/load/mix.ts'
import { openLoop } from '../../producers/load/open-loop.ts'
import { readWallClock } from '../../producers/load/wall-clock.ts'
import { EndWatch } from '../../producers/load/watch-ends.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { createLogger } from '../../shared/telemetry/logger.ts'
import { within } from '../../shared/process/deadline.ts'
import type { LabPhase } from './announce.ts'
import { startClosedLoop } from './closed-loop.ts'
import type { Sample } from './lab-result.ts'
import { forEachPart } from './lab-result.ts'
import { placeAccepted } from './place-accepted.ts'
import type { WireBytes } from './relay.ts'
import type { Reading, Rig } from './rig.ts'
import { growthByService } from './rig.ts'

export interface SaturationPlan {
  readonly inFlight: number
  /** How long new checkouts are placed; all of them are waited for, and count. */
  readonly saturationMillis: number
}

export interface VisitPlan extends SaturationPlan {
  readonly halfLoadMillis: number
}

/** Of producers/load/mix.ts: how a checkout ends, and through which services it gets there. */
export type LoadKind = 'completed' | 'out-of-stock' | 'blocked'

export interface HoldOptions {
  /** What checkouts come; all of them complete unless told. */
  readonly mix?: Mix
  readonly onEnd?: (ended: CheckoutEnded) => void
}

export interface CheckoutEnded {
  readonly checkoutId: string
  readonly end: End
  /** From when it was due. */
  readonly millis: number
}

/** A thousand in flight take a minute to come to their ends. */
const settleMillis = 120_000
const requestTimeoutMillis = 10_000
/** Every visit places the same checkouts, but for their emails. */
const seed = 7

/**
 * The load of one rig, from its first visit to its last: one group follows the ends. Between visits it has no connection to
 * the gateway, which would close one that waits for so long just when it is used again.
 */
export class Visitor {
  readonly #rig: Rig
  readonly #client: GatewayClient
  readonly #watch: EndWatch

  private constructor(rig: Rig) {
    this.#rig = rig
    this.#client = new GatewayClient(rig.gatewayUrl, requestTimeoutMillis)
    this.#watch = new EndWatch(this.#client, requestTimeoutMillis)
  }

  static async of(rig: Rig): Promise<Visitor> {
    const visitor = new Visitor(rig)
    const log = createLogger('lab', 'error')
    const kafka = new KafkaConnection({ brokers: [rig.stack.urls.kafkaBrokers], clientId: 'lab' }, log)
    await visitor.#watch.start({ by: 'kafka', kafka })
    return visitor
  }

  /**
   * From the first checkout to the end of the last, so that what was used was used for just these: a window cut out of
   * the middle would take the work for those that end after it, and leave that for those that began before.
   */
  async saturate(
    { inFlight, saturationMillis }: SaturationPlan,
    kind?: LoadKind,
  ): Promise<Sample['saturation']> {
    const [before, beganAt] = [await this.#rig.read(), performance.now()]
    const loop = startClosedLoop({
      client: this.#client,
      watch: this.#watch,
      nextRequest: this.#requests(kind && { [kind]: 1 }),
      inFlight,
    })
    await delay(saturationMillis)
    await within(settleMillis, 'waiting for the last checkouts', loop.stop())
    this.#client.close()
    const [{ ended }, seconds] = [loop, (performance.now() - beganAt) / 1_000]
    const after = await this.#rig.read()
    return { ...used(before, after, { ended, seconds }), inFlight, checkoutsPerSecond: ended / seconds }
  }

  /** An open loop, whose checkouts are all waited for. */
  async hold(
    ratePerSecond: number,
    durationMillis: number,
    { mix, onEnd }: HoldOptions = {},
  ): Promise<Sample['halfLoad']> {
    const total = Math.round((ratePerSecond * durationMillis) / 1_000)
    const nextRequest = this.#requests(mix)
    const [toEnd, toAccepted] = [new LatencyHistogram(), new LatencyHistogram()]
    const each: number[] = []
    const wallClock = readWallClock()
    const before = await this.#rig.read()
    const beganAt = performance.now()
    const ends: Promise<void>[] = []
    await openLoop({ ratePerSecond, total }, async (_, dueAt) => {
      const checkoutId = await placeAccepted(this.#client, nextRequest())
      toAccepted.record(performance.now() - dueAt)
      ends.push(
        new Promise((resolve) =>
          this.#watch.watch(checkoutId, ({ end, atMillis }) => {
            const millis = Math.max(0, atMillis - wallClock(dueAt))
            toEnd.record(millis)
            each.push(Math.round(millis * 10) / 10)
            onEnd?.({ checkoutId, end, millis })
            resolve()
          }),
        ),
      )
    })
    await within(settleMillis, 'waiting for the last checkouts', Promise.all(ends))
    this.#client.close()
    const seconds = (performance.now() - beganAt) / 1_000
    const after = await this.#rig.read()
    return {
      ...used(before, after, { ended: total, seconds }),
      ratePerSecond,
      toEndMillis: { ...percentiles(toEnd), each },
      toAcceptedMillis: percentiles(toAccepted),
    }
  }

  async stop(): Promise<void> {
    await this.#watch.stop()
    this.#client.close()
  }

  #requests(mix: Mix = { completed: 1 }) {
    const run = randomBytes(6).toString('hex')
    const next = checkoutsOf(mix, { run }, seededRandom(seed))
    return () => next().request
  }
}

interface SpanCounts {
  readonly ended: number
  readonly dropped: number
  readonly received: number
  readonly wire: WireBytes
}

/** All that the rig's spans have come to so far, none of them under way any more; undefined without a Collector. */
async function countSpans(rig: Rig): Promise<SpanCounts | undefined> {
  const { probes, wire } = await rig.read('flush')
  const readings = Object.values(probes)
  const ended = readings.reduce((sum, { spansEnded }) => sum + spansEnded, 0)
  const dropped = readings.reduce((sum, { spansDropped }) => sum + spansDropped, 0)
  const received = await rig.spansReceived()
  return received === undefined ? undefined : { ended, dropped, received, wire }
}

export interface VisitOptions {
  /** Of the second phase. */
  readonly ratePerSecond: number
  readonly onPhase?: (phase: LabPhase) => void
}

export async function visit(
  rig: Rig,
  visitor: Visitor,
  plan: VisitPlan,
  { ratePerSecond, onPhase }: VisitOptions,
): Promise<Sample> {
  const before = await countSpans(rig)
  onPhase?.('saturation')
  const saturation = await visitor.saturate(plan)
  onPhase?.('half load')
  const halfLoad = await visitor.hold(ratePerSecond, plan.halfLoadMillis)
  const after = await countSpans(rig)
  const { rssBytes, serviceRssBytes } = await rig.read()
  return {
    saturation,
    halfLoad,
    spans:
      before && after
        ? {
            ended: after.ended - before.ended,
            dropped: after.dropped - before.dropped,
            received: after.received - before.received,
            wireBytes: {
              sent: after.wire.sent - before.wire.sent,
              received: after.wire.received - before.wire.received,
            },
          }
        : null,
    rssBytes,
    serviceRssBytes,
  }
}

function used(
  before: Reading,
  after: Reading,
  { ended, seconds }: { readonly ended: number; readonly seconds: number },
) {
  /** Seconds by so many are milliseconds by one. */
  const thousandsEnded = Math.max(1, ended) / 1_000
  const delays = Object.values(after.probes).map(({ eventLoopDelayMillis }) => eventLoopDelayMillis)
  const longest = (name: 'p50' | 'p99' | 'max') => Math.max(...delays.map((each) => each[name]))
  return {
    seconds,
    checkouts: ended,
    cpuMillisPerCheckout: forEachPart(
      (part) => (after.cpuSeconds[part] - before.cpuSeconds[part]) / thousandsEnded,
    ),
    serviceCpuMillisPerCheckout: growthByService(
      before.serviceCpuSeconds,
      after.serviceCpuSeconds,
      thousandsEnded,
    ),
    wireBytes: {
      sent: after.wire.sent - before.wire.sent,
      received: after.wire.received - before.wire.received,
    },
    eventLoopDelayMillis: { p50: longest('p50'), p99: longest('p99'), max: longest('max') },
  }
}

const percentiles = (histogram: LatencyHistogram) => {
  const { p50, p95, p99 } = histogram.summary()
  return { p50, p95, p99 }
}
