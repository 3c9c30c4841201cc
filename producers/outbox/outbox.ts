/**
 * The outbox: publishes commits to Kafka, right away on the hot path, and by a sweep what a crash left behind.
 *
 * A commit is in the store before it comes here, so nothing is lost whatever happens here; event ids come
 * from the commit, so publishing twice is harmless.
 */
import { context, metrics, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import { toMessage } from '../../shared/messaging/cloud-events.ts'
import type { Send } from '../../shared/messaging/kafka.ts'
import type { Commit, EventStore } from '../../shared/store/event-store.ts'
import type { Logger } from '../../shared/telemetry/logger.ts'
import { withSagaId } from '../../shared/telemetry/saga-id.ts'

export interface OutboxOptions {
  readonly store: EventStore
  readonly send: Send
  readonly log: Logger
  readonly sweepIntervalMillis: number
  readonly sweepGraceMillis: number
  readonly markIntervalMillis?: number
}

const sweepLimit = 500
/** Looking for what is left may scan the whole store where no index helps; it may take this share of the time. */
const lookTimeShare = 0.05

const tracer = trace.getTracer('sagascope')
const meter = metrics.getMeter('sagascope')
const backlog = meter.createGauge('outbox.backlog', {
  description: `Commits that the last sweep found unpublished, at most ${sweepLimit}`,
  unit: '{commit}',
})
const oldestAge = meter.createGauge('outbox.oldest.age', {
  description: 'Age of the oldest commit that the last sweep found unpublished',
  unit: 's',
})

export class Outbox {
  readonly #options: OutboxOptions
  readonly #underWay = new Set<Promise<void>>()
  /** Being sent, or sent and not marked yet: no work for a sweep. */
  readonly #inHand = new Set<string>()
  #toMark: string[] = []
  #markTimer: NodeJS.Timeout | undefined
  #sweepTimer: NodeJS.Timeout | undefined
  #sweeping: Promise<void> = Promise.resolve()
  #marking: Promise<void> = Promise.resolve()
  #lookMillis = 0
  #stopped = false

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Sweeps once, for what an earlier process left behind, and from then on at intervals. */
  start(): void {
    this.#markTimer = setInterval(() => void this.#mark(), this.#options.markIntervalMillis ?? 250)
    this.#scheduleSweep(0)
  }

  /** Lets sends under way finish and marks what was published. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#markTimer)
    clearTimeout(this.#sweepTimer)
    await Promise.allSettled([...this.#underWay, this.#sweeping])
    await this.#mark()
  }

  /** Publishes a commit in the active context. Never rejects: what fails here is left to the sweep. */
  publish(commit: Commit): Promise<void> {
    const sending = this.#send(commit).catch((error: unknown) => {
      this.#options.log.warn(
        { 'event.name': 'outbox.publish_failed', err: error, 'saga.id': commit.checkoutId },
        'not published; the sweep will',
      )
    })
    this.#underWay.add(sending)
    return sending.finally(() => this.#underWay.delete(sending))
  }

  /**
   * Publishes what was committed and not marked as published, each commit under the trace context it was
   * made in; the sweep itself is a trace of its own that links to them.
   * @returns how many commits were published
   */
  async sweep(now = new Date()): Promise<number> {
    const { store, log, sweepGraceMillis } = this.#options
    const inHand = new Set(this.#inHand) // some will be marked while the store is read
    const startedAt = performance.now()
    const left = await store.unpublished(new Date(now.getTime() - sweepGraceMillis), sweepLimit)
    this.#lookMillis = performance.now() - startedAt
    const commits = left.filter(({ id }) => !inHand.has(id) && !this.#inHand.has(id))
    backlog.record(commits.length)
    oldestAge.record(commits[0] ? ageSeconds(commits[0], now) : 0)
    if (commits.length === 0) return 0

    const origins = commits.map((commit) => propagation.extract(ROOT_CONTEXT, commit.traceHeaders))
    const links = origins
      .map((origin) => trace.getSpanContext(origin))
      .filter((spanContext) => spanContext !== undefined)
      .map((spanContext) => ({ context: spanContext }))
    const span = tracer.startSpan('sweep outbox', { kind: SpanKind.INTERNAL, links }, ROOT_CONTEXT)
    try {
      for (const [index, commit] of commits.entries()) {
        if (this.#stopped) return index // the next process sweeps the rest
        await context.with(origins[index] ?? ROOT_CONTEXT, () => this.#send(commit))
      }
      log.info({ 'event.name': 'outbox.swept', commits: commits.length }, 'published what was left behind')
    } finally {
      span.end()
    }
    return commits.length
  }

  async #send(commit: Commit): Promise<void> {
    const { send, store } = this.#options
    const messages = commit.events.map((event) => toMessage(store.service, event))
    this.#inHand.add(commit.id)
    try {
      await withSagaId(commit.checkoutId, () => send(messages))
    } catch (error) {
      this.#inHand.delete(commit.id)
      throw error
    }
    this.#toMark.push(commit.id)
  }

  /** One at a time: where the store is slow, marks must not pile up on it. */
  #mark(): Promise<void> {
    this.#marking = this.#marking.then(() => this.#markNow())
    return this.#marking
  }

  async #markNow(): Promise<void> {
    const ids = this.#toMark
    if (ids.length === 0) return
    this.#toMark = []
    try {
      await this.#options.store.markPublished(ids)
      for (const id of ids) this.#inHand.delete(id)
    } catch (error) {
      this.#toMark.push(...ids)
      this.#options.log.warn({ 'event.name': 'outbox.mark_failed', err: error }, 'not marked as published')
    }
  }

  #scheduleSweep(waitMillis: number): void {
    if (this.#stopped) return
    this.#sweepTimer = setTimeout(() => {
      this.#sweeping = this.sweep()
        .catch((error: unknown) => {
          this.#options.log.warn({ 'event.name': 'outbox.sweep_failed', err: error }, 'sweep failed')
          return 0
        })
        .then((published) => {
          const restMillis = Math.max(this.#options.sweepIntervalMillis, this.#lookMillis / lookTimeShare)
          this.#scheduleSweep(published < sweepLimit ? restMillis : 0) // a full hand: there may be more
        })
    }, waitMillis)
  }
}

const ageSeconds = ({ events }: Commit, now: Date): number =>
  (now.getTime() - Date.parse(events[0]?.time ?? now.toISOString())) / 1_000
