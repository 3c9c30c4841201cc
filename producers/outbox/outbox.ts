/**
 * The outbox: publishes commits to Kafka, right away on the hot path, and by a sweep what a crash left behind.
 *
 * A commit is in the store before it comes here, so nothing is lost whatever happens here; event ids come
 * from the commit, so publishing twice is harmless.
 */
import { context, metrics, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import { toMessage } from '../../shared/kafka/cloud-events.ts'
import type { Send } from '../../shared/kafka/kafka.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import { startPacedLoop } from '../../shared/process/paced-loop.ts'
import type { Commit, EventStore } from '../../shared/kernel/event-store.ts'
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

/** What is promised and not on Kafka yet, as far as this process knows. */
export interface Waiting {
  readonly commits: number
  /** 0 when none waits. */
  readonly oldestAgeMillis: number
}

const sweepLimit = 500

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
  readonly #underWay = new Set<Promise<unknown>>()
  /**
   * Being sent, or sent and not marked yet, which is no work for a sweep; and what was marked last, which may have
   * been read before. Each says whether it was sent.
   */
  readonly #inHand = new Map<string, Promise<boolean>>()
  /** When each commit was made that was given to `publish` and is not on Kafka; milliseconds since the epoch. */
  readonly #unsent = new Map<string, number>()
  /** The same for what the last sweep found that others had left, oldest first. */
  #found = new Map<string, number>()
  #toMark: string[] = []
  #markedLast: readonly string[] = []
  #markTimer: NodeJS.Timeout | undefined
  #stopSweeping: () => Promise<void> = () => Promise.resolve()
  #marking: Promise<void> = Promise.resolve()
  #marksWaiting = 0
  #lookMillis = 0
  #stopped = false

  constructor(options: OutboxOptions) {
    this.#options = options
  }

  /** Sweeps once, for what an earlier process left behind, and from then on at intervals. */
  start(): void {
    this.#markTimer = setInterval(() => {
      if (this.#marksWaiting === 0) void this.#mark()
    }, this.#options.markIntervalMillis ?? 250)
    const { sweepIntervalMillis, log } = this.#options
    this.#stopSweeping = startPacedLoop(
      {
        intervalMillis: sweepIntervalMillis,
        firstAfterMillis: 0,
        onFailure: (error) => log.warn({ 'event.name': 'outbox.sweep_failed', err: error }, 'sweep failed'),
      },
      async () => {
        const published = await this.sweep()
        return { lookMillis: this.#lookMillis, isFull: published >= sweepLimit }
      },
    )
  }

  /** Lets sends under way finish and marks what was published. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearInterval(this.#markTimer)
    await Promise.allSettled([...this.#underWay, this.#stopSweeping()])
    await this.#mark()
  }

  /** Grows while Kafka is away; whoever keeps on committing has to look at it. */
  get waiting(): Waiting {
    const oldest = [this.#unsent, this.#found].flatMap((commits) => [...commits.values().take(1)])
    return {
      commits: this.#unsent.size + this.#found.size,
      oldestAgeMillis: oldest.length === 0 ? 0 : Math.max(0, Date.now() - Math.min(...oldest)),
    }
  }

  /**
   * Publishes a commit in the active context. Never rejects: what fails here is left to the sweep.
   * @param earlier commits of its stream: those that are not known to be published go with it, in order, so that no
   *   later one overtakes one whose publishing failed
   * @returns whether they are all on their topic
   */
  publish(commit: Commit, earlier: readonly Commit[] = []): Promise<boolean> {
    this.#unsent.set(commit.id, madeAtMillis(commit))
    const sending = this.#send(commit, earlier)
      .then(() => {
        failpoint('published')
        return true
      })
      .catch((error: unknown) => {
        this.#options.log.warn(
          { 'event.name': 'outbox.publish_failed', err: error, 'saga.id': commit.checkoutId },
          'not published; the sweep will',
        )
        return false
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
    const inHand = new Set(this.#inHand.keys()) // some will be marked while the store is read
    const startedAt = performance.now()
    const before = new Date(now.getTime() - sweepGraceMillis)
    const left = await store.unpublished(before, sweepLimit)
    this.#lookMillis = performance.now() - startedAt
    const commits = left.filter(({ id }) => !inHand.has(id) && !this.#inHand.has(id))
    this.#settle(left, commits, before)
    backlog.record(commits.length)
    oldestAge.record(commits[0] ? ageSeconds(commits[0], now) : 0)
    if (commits.length === 0) return 0
    failpoint('sweep-read')

    const origins = commits.map((commit) => propagation.extract(ROOT_CONTEXT, commit.traceHeaders))
    const links = origins
      .map((origin) => trace.getSpanContext(origin))
      .filter((spanContext) => spanContext !== undefined)
      .map((spanContext) => ({ context: spanContext }))
    const span = tracer.startSpan('sweep outbox', { kind: SpanKind.INTERNAL, links }, ROOT_CONTEXT)
    try {
      for (const [index, commit] of commits.entries()) {
        if (this.#stopped) return index // the next process sweeps the rest
        const earlier = left.filter((other) => precedes(other, commit))
        await context.with(origins[index] ?? ROOT_CONTEXT, () => this.#send(commit, earlier))
        failpoint('sweep-published')
      }
      log.info({ 'event.name': 'outbox.swept', commits: commits.length }, 'published what was left behind')
      await this.#mark() // or the next look finds them again, and is full of what is done
    } finally {
      span.end()
    }
    return commits.length
  }

  /** Brings what is known to wait in line with what a look found: others sweep the same store. */
  #settle(left: readonly Commit[], toPublish: readonly Commit[], before: Date): void {
    const last = left.at(-1)
    const seenUntilMillis = last && left.length === sweepLimit ? madeAtMillis(last) : before.getTime()
    const ids = new Set(left.map(({ id }) => id))
    for (const [id, atMillis] of this.#unsent) {
      if (atMillis < seenUntilMillis && !ids.has(id) && !this.#inHand.has(id)) this.#unsent.delete(id)
    }
    this.#found = new Map(
      toPublish
        .filter(({ id }) => !this.#unsent.has(id))
        .map((commit) => [commit.id, madeAtMillis(commit)] as const),
    )
  }

  async #send(commit: Commit, earlier: readonly Commit[]): Promise<void> {
    const sending = this.#sendAfter(commit, earlier)
    const sent = sending.then(
      () => true,
      () => false,
    )
    this.#inHand.set(commit.id, sent)
    try {
      for (const { id } of await sending) {
        this.#inHand.set(id, sent)
        this.#unsent.delete(id)
        this.#found.delete(id)
        this.#toMark.push(id)
      }
    } catch (error) {
      this.#inHand.delete(commit.id)
      throw error
    }
  }

  /** @returns what was sent */
  async #sendAfter(commit: Commit, earlier: readonly Commit[]): Promise<readonly Commit[]> {
    const { send, store } = this.#options
    const commits: Commit[] = []
    for (const before of earlier) {
      if (!before.published && !(await this.#inHand.get(before.id))) commits.push(before)
    }
    commits.push(commit)
    // In one batch: Kafka takes what goes to one partition together, in order.
    const messages = commits.flatMap(({ events }) => events.map((event) => toMessage(store.service, event)))
    await withSagaId(commit.checkoutId, () => send(messages))
    return commits
  }

  /** One at a time: where the store is slow, marks must not pile up on it. */
  #mark(): Promise<void> {
    this.#marksWaiting++
    this.#marking = this.#marking
      .then(() => this.#markNow())
      .finally(() => {
        this.#marksWaiting--
      })
    return this.#marking
  }

  async #markNow(): Promise<void> {
    const ids = this.#toMark
    if (ids.length === 0) return
    this.#toMark = []
    try {
      await this.#options.store.markPublished(ids)
      failpoint('marked')
      for (const id of this.#markedLast) this.#inHand.delete(id)
      this.#markedLast = ids
    } catch (error) {
      this.#toMark.push(...ids)
      this.#options.log.warn({ 'event.name': 'outbox.mark_failed', err: error }, 'not marked as published')
    }
  }
}

const madeAtMillis = ({ events }: Commit): number => Date.parse(events[0]?.time ?? '')

const ageSeconds = (commit: Commit, now: Date): number => (now.getTime() - madeAtMillis(commit)) / 1_000

const precedes = (one: Commit, other: Commit): boolean =>
  one.checkoutId === other.checkoutId && one.version < other.version
