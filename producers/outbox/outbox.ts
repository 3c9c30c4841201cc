/**
 * The outbox: publishes commits to Kafka, right away on the hot path, and by a sweep what a crash left behind.
 *
 * A commit is in the store before it comes here, so nothing is lost whatever happens here; event ids come
 * from the commit, so publishing twice is harmless.
 */
import { context, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
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
/** A sweep may scan the whole store where there is no index to help it; it may take this share of the time. */
const sweepTimeShare = 0.05

const tracer = trace.getTracer('sagascope')

export class Outbox {
  readonly #options: OutboxOptions
  readonly #underWay = new Set<Promise<void>>()
  #toMark: string[] = []
  #markTimer: NodeJS.Timeout | undefined
  #sweepTimer: NodeJS.Timeout | undefined
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
    await Promise.allSettled(this.#underWay)
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
    const left = await store.unpublished(new Date(now.getTime() - sweepGraceMillis), sweepLimit)
    const marked = new Set(this.#toMark)
    const commits = left.filter((commit) => !marked.has(commit.id))
    if (commits.length === 0) return 0

    const origins = commits.map((commit) => propagation.extract(ROOT_CONTEXT, commit.traceHeaders))
    const links = origins
      .map((origin) => trace.getSpanContext(origin))
      .filter((spanContext) => spanContext !== undefined)
      .map((spanContext) => ({ context: spanContext }))
    const span = tracer.startSpan('sweep outbox', { kind: SpanKind.INTERNAL, links }, ROOT_CONTEXT)
    try {
      for (const [index, commit] of commits.entries()) {
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
    await withSagaId(commit.checkoutId, () => send(messages))
    this.#toMark.push(commit.id)
  }

  async #mark(): Promise<void> {
    const ids = this.#toMark
    if (ids.length === 0) return
    this.#toMark = []
    try {
      await this.#options.store.markPublished(ids)
    } catch (error) {
      this.#toMark.push(...ids)
      this.#options.log.warn({ 'event.name': 'outbox.mark_failed', err: error }, 'not marked as published')
    }
  }

  #scheduleSweep(waitMillis: number): void {
    if (this.#stopped) return
    this.#sweepTimer = setTimeout(() => {
      const startedAt = performance.now()
      void this.sweep()
        .catch((error: unknown) => {
          this.#options.log.warn({ 'event.name': 'outbox.sweep_failed', err: error }, 'sweep failed')
        })
        .finally(() => {
          const tookMillis = performance.now() - startedAt
          this.#scheduleSweep(Math.max(this.#options.sweepIntervalMillis, tookMillis / sweepTimeShare))
        })
    }, waitMillis)
  }
}
