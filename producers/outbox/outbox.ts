/**
 * The outbox: publishes commits to Kafka, in the order of their streams, for as long as it takes; and publishes what a
 * writer has left that gives no sign of life any more.
 *
 * A commit is in the store before it comes here, so nothing is lost whatever happens here; event ids come
 * from the commit, so publishing twice is harmless.
 *
 * No commit is marked as published. A writer's watermark says up to which of its commits all are, and is written once
 * a second; see shared/kernel/writers.ts. Each outbox looks at the few documents of its service's writers. A writer
 * whose count stands still for `leaseMillis` of this process's time has died, or stands still: what lies above its watermark
 * is published, under the trace context that each commit carries.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Link } from '@opentelemetry/api'
import { context, metrics, propagation, ROOT_CONTEXT, SpanKind, trace } from '@opentelemetry/api'
import { toMessage } from '../../shared/kafka/cloud-events.ts'
import { isRetriable } from '../../shared/kafka/failure.ts'
import type { Send } from '../../shared/kafka/kafka.ts'
import type { Commit, EventStore } from '../../shared/kernel/event-store.ts'
import type { WriterDocument, Writers } from '../../shared/kernel/writers.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import type { Logger } from '../../shared/telemetry/logger.ts'
import { withSagaId } from '../../shared/telemetry/saga-id.ts'
import { untraced } from '../../shared/telemetry/untraced.ts'

export interface OutboxTimings {
  /** How often this writer gives a sign of life, and looks at the others'. */
  readonly beatIntervalMillis: number
  /** A writer without a sign of life for so long is taken for dead. */
  readonly leaseMillis: number
}

export interface OutboxOptions extends OutboxTimings {
  readonly store: EventStore
  readonly writers: Pick<Writers, 'renew' | 'all' | 'markRecovered' | 'forget'>
  readonly send: Send
  readonly log: Logger
  /** Called with a commit whose `append` was rejected and that turned out to be in the store. */
  readonly onSettled?: (commit: Commit) => void
  /** Milliseconds that pass, from whenever; `performance.now` where left out. */
  readonly now?: () => number
  /** Between two attempts; by the clock where left out. */
  readonly pause?: (signal: AbortSignal) => Promise<void>
}

/** For what else a writer leaves behind: consumers/checkout/deadlines.ts. */
export interface WriterHooks {
  /** The first deadline document of this writer that may still be needed. */
  readonly deadlinesFrom: () => number
  /** After each sign of life that the store has taken, with what it said. */
  readonly onRenewed: (document: WriterDocument) => void
  /** A writer is dead: at each look, for as long as its document is there. */
  readonly onDead: (document: WriterDocument) => void
}

/** What is promised and not on Kafka yet, by this process. */
export interface Waiting {
  readonly commits: number
  /** 0 when none waits. */
  readonly oldestAgeMillis: number
}

/** Between two attempts while Kafka is away; then all that wait try at once, and are sent together. */
const pauseMillis = 500
/** How often those who wait for Kafka say that they do. */
const waitMillis = 2_000
/** How many of a dead writer's commits are read at once. */
const recoveryLimit = 500
/** The documents of dead writers tell what is published for as long as their checkouts may go on. */
const forgottenAfterMillis = 3_600_000
const rememberedLimit = 50_000

const meter = metrics.getMeter('sagascope')
const backlog = meter.createObservableGauge('outbox.backlog', {
  description: 'Commits of this process that are not on Kafka yet',
  unit: '{commit}',
})
const oldestAge = meter.createObservableGauge('outbox.oldest.age', {
  description: 'Age of the oldest commit of this process that is not on Kafka yet',
  unit: 's',
})

export class Outbox {
  readonly #tracer = trace.getTracer('sagascope')
  readonly #options: OutboxOptions
  /** By commit, its publishing. */
  readonly #underWay = new Map<string, Promise<void>>()
  /** Of those, this process's own: when each was made, milliseconds since the epoch. */
  readonly #own = new Map<string, number>()
  /** By checkout, the publishing of what was committed last. */
  readonly #tails = new Map<string, Promise<void>>()
  /** By writer, what is known of it from the last looks. */
  readonly #seen = new Map<string, { document: WriterDocument; silentMillis: number }>()
  /** Commits of others that this process has published, until their watermarks say so. */
  readonly #publishedForOthers = new Set<string>()
  readonly #stopping = new AbortController()
  #hooks: WriterHooks | undefined
  #pause: Promise<void> | undefined
  #beat = 0
  #renewedAt = -Infinity
  #renewing: Promise<void> | undefined
  #lookedAt: number | undefined
  #timer: NodeJS.Timeout | undefined
  #ticking: Promise<void> = Promise.resolve()

  constructor(options: OutboxOptions) {
    this.#options = options
    const { store } = options
    store.writer.keptAliveBy(() => this.#showLife())
    store.whenSettled((commit) => void this.#publishSettled(commit))
  }

  /** Before `start`. */
  lookAfter(hooks: WriterHooks): void {
    this.#hooks = hooks
  }

  /** Shows life for the first time. From then on commits may be made: should the process die, others find them. */
  async start(): Promise<void> {
    await this.#renew()
    const tick = (): void => {
      this.#ticking = this.tick().finally(() => {
        if (!this.#stopping.signal.aborted) this.#timer = setTimeout(tick, this.#options.beatIntervalMillis)
      })
    }
    tick()
    backlog.addCallback((result) => result.observe(this.waiting.commits))
    oldestAge.addCallback((result) => result.observe(this.waiting.oldestAgeMillis / 1_000))
  }

  /** Lets sends under way finish and writes the last watermark. What is not on Kafka by then is found by others. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    this.#options.store.close()
    await Promise.allSettled([...this.#underWay.values(), this.#ticking])
    await this.#renewing
    await this.#writeDocument()
  }

  get waiting(): Waiting {
    const [oldest] = this.#own.values()
    return {
      commits: this.#own.size,
      oldestAgeMillis: oldest === undefined ? 0 : Math.max(0, Date.now() - oldest),
    }
  }

  /** As far as this process knows: of what others have written, up to the watermark that it saw last. */
  readonly isPublished = ({ id, writer, seq }: Commit): boolean => {
    const { store } = this.#options
    if (writer === store.writer.id) return store.writer.isSettled(seq)
    if (this.#publishedForOthers.has(id)) return true
    return seq <= (this.#seen.get(writer)?.document.publishedTo ?? -1)
  }

  /**
   * Publishes a commit in the active context, after those of its stream that this process publishes already. Tried until
   * Kafka has it, or the process stops: then it rejects, and others find the commit.
   * @param earlier commits of its stream: those that are not known to be published go with it, in order
   * @param onWait called when Kafka has not taken it at once; what it throws ends the waiting, not the publishing
   */
  async publish(
    commit: Commit,
    earlier: readonly Commit[] = [],
    onWait?: () => Promise<void>,
  ): Promise<void> {
    const publishing = this.#underWay.get(commit.id) ?? this.#start(commit, earlier)
    if (!onWait) return publishing
    const isPublished = publishing.then(() => true)
    let timer: NodeJS.Timeout | undefined
    const wait = () =>
      new Promise<false>((resolve) => (timer = setTimeout(resolve, waitMillis, false).unref()))
    try {
      while (!(await Promise.race([isPublished, wait()]))) await onWait()
    } finally {
      clearTimeout(timer)
    }
  }

  /** Resolves when all that this process has begun to publish of a checkout is published. */
  async settled(checkoutId: string): Promise<void> {
    await this.#tails.get(checkoutId)
  }

  #start(commit: Commit, earlier: readonly Commit[]): Promise<void> {
    const { checkoutId } = commit
    const before = this.#tails.get(checkoutId)
    const publishing = (before ? before.catch(() => undefined) : Promise.resolve())
      .then(() => this.#sendUntilTaken(commit, earlier))
      .finally(() => {
        this.#underWay.delete(commit.id)
        this.#own.delete(commit.id)
        if (this.#tails.get(checkoutId) === publishing) this.#tails.delete(checkoutId)
      })
    publishing.catch(() => undefined) // those who wait hear of it
    this.#underWay.set(commit.id, publishing)
    if (commit.writer === this.#options.store.writer.id) this.#own.set(commit.id, madeAtMillis(commit))
    this.#tails.set(checkoutId, publishing)
    return publishing
  }

  async #sendUntilTaken(commit: Commit, earlier: readonly Commit[]): Promise<void> {
    const { store, send } = this.#options
    for (;;) {
      await this.#pause
      this.#stopping.signal.throwIfAborted()
      const commits = [...earlier, commit].filter((each) => !this.isPublished(each))
      if (commits.length === 0) return
      // In one batch: Kafka takes what goes to one partition together, in order.
      const messages = commits.flatMap(({ events }) => events.map((event) => toMessage(store.service, event)))
      try {
        await withSagaId(commit.checkoutId, () => send(messages))
      } catch (error) {
        this.#holdBack(commit, error)
        continue
      }
      failpoint('published')
      for (const { id, writer, seq } of commits) {
        if (writer === store.writer.id) store.writer.settle(seq)
        else this.#rememberPublished(id)
      }
      return
    }
  }

  #rememberPublished(id: string): void {
    if (this.#publishedForOthers.size >= rememberedLimit) this.#publishedForOthers.clear() // they are sent once more
    this.#publishedForOthers.add(id)
  }

  /** Kafka is away: nobody tries for a while, and one line tells it. */
  #holdBack({ checkoutId }: Commit, error: unknown): void {
    if (this.#pause) return
    this.#options.log.warn(
      {
        'event.name': 'outbox.publish_failed',
        err: error,
        'saga.id': checkoutId,
        retriable: isRetriable(error),
        commits: this.waiting.commits,
      },
      'not published; trying again',
    )
    const { pause = pauseByClock } = this.#options
    this.#pause = pause(this.#stopping.signal).finally(() => (this.#pause = undefined))
  }

  /** A commit whose `append` did not learn its outcome; whoever asked for it has gone or asks again. */
  async #publishSettled(commit: Commit): Promise<void> {
    this.#options.onSettled?.(commit)
    const { pause = pauseByClock } = this.#options
    const { signal } = this.#stopping
    const origin = propagation.extract(ROOT_CONTEXT, commit.traceHeaders)
    while (!signal.aborted) {
      try {
        await context.with(origin, async () => this.publish(commit, await this.#earlierOf(commit)))
        return
      } catch {
        await pause(signal) // the store is away again, and nobody else may know of the commit
      }
    }
  }

  async #earlierOf({ checkoutId, version }: Commit): Promise<readonly Commit[]> {
    if (version === 1) return []
    const { commits } = await this.#options.store.read(checkoutId)
    return commits.filter((each) => each.version < version && !this.isPublished(each))
  }

  // The writer's own sign of life.

  /** At once when the last one is recent, as it is unless the process stood still or the store was away. */
  async #showLife(): Promise<void> {
    while (this.#now() - this.#renewedAt > this.#options.leaseMillis / 2) await this.#renew()
  }

  #now(): number {
    return (this.#options.now ?? (() => performance.now()))()
  }

  #renew(): Promise<void> {
    this.#renewing ??= this.#writeDocument().finally(() => (this.#renewing = undefined))
    return this.#renewing
  }

  async #writeDocument(): Promise<void> {
    const { store, writers } = this.#options
    const { id, process, publishedTo } = store.writer
    const beganAt = this.#now()
    const document: WriterDocument = {
      _id: id,
      process,
      publishedTo,
      beat: ++this.#beat,
      at: new Date(),
      // Nothing will come any more: nobody needs to look for what it left.
      ...(this.#stopping.signal.aborted && store.writer.hasNothingPending && { recoveredAtBeat: this.#beat }),
      ...(this.#hooks && { deadlinesFrom: this.#hooks.deadlinesFrom() }),
    }
    failpoint('watermark-due')
    await untraced(() => writers.renew(document))
    failpoint('watermark-written')
    this.#renewedAt = beganAt // others may have seen it from then on
    this.#hooks?.onRenewed(document)
  }

  // The other writers.

  /** Shows life, looks at the others, and publishes what the dead have left. Never rejects. */
  async tick(): Promise<void> {
    const { log } = this.#options
    try {
      await this.#renew()
      for (const document of await this.#findDead()) {
        this.#hooks?.onDead(document)
        const isRecovered = document.recoveredAtBeat === document.beat
        const isForgotten = isForgettable(document)
        // One that stood still may have inserted after it was recovered, and died before it showed life.
        if (!isRecovered || isForgotten) await this.#recover(document)
        if (isForgotten) await untraced(() => this.#options.writers.forget(document))
      }
    } catch (error) {
      log.warn(
        { 'event.name': 'outbox.sweep_failed', err: error },
        'the other writers could not be looked after',
      )
    }
  }

  /**
   * Time passes only between two looks that the store has answered, and no more of it than two intervals each: a store
   * that stood still makes nobody dead.
   */
  async #findDead(): Promise<readonly WriterDocument[]> {
    const { store, writers, beatIntervalMillis, leaseMillis } = this.#options
    const documents = await untraced(() => writers.all())
    const now = this.#now()
    const elapsed = Math.min(now - (this.#lookedAt ?? now), 2 * beatIntervalMillis)
    this.#lookedAt = now
    const ids = new Set(documents.map(({ _id }) => _id))
    for (const id of this.#seen.keys()) if (!ids.has(id)) this.#seen.delete(id)
    return documents.filter((document) => {
      const { _id, beat } = document
      if (_id === store.writer.id) return false
      const last = this.#seen.get(_id)
      const isSilent = last?.document.beat === beat
      const silentMillis = isSilent ? last.silentMillis + elapsed : 0
      this.#seen.set(_id, { document, silentMillis })
      // One whose dead state was seen by another process need not be waited for.
      return silentMillis >= leaseMillis || document.recoveredAtBeat === beat
    })
  }

  /** In a trace of its own that links to those of the commits. */
  async #recover(document: WriterDocument): Promise<void> {
    const { store, writers, log } = this.#options
    let publishedTo = document.publishedTo
    let published = 0
    for (;;) {
      const from = publishedTo
      const left = await untraced(() => store.writtenBy(document._id, from, recoveryLimit))
      if (left.length > 0) {
        failpoint('sweep-read')
        await this.#publishLeft(left)
        published += left.length
        publishedTo = left.at(-1)?.seq ?? publishedTo
      }
      if (left.length < recoveryLimit) break
    }
    await untraced(() => writers.markRecovered(document))
    if (published === 0) return
    log.info(
      { 'event.name': 'outbox.swept', commits: published, writer: document._id, process: document.process },
      'published what a writer had left behind',
    )
  }

  async #publishLeft(left: readonly Commit[]): Promise<void> {
    const origins = left.map(({ traceHeaders }) => propagation.extract(ROOT_CONTEXT, traceHeaders))
    const links = origins
      .map((origin) => trace.getSpanContext(origin))
      .filter((spanContext) => spanContext !== undefined)
      .map((spanContext): Link => ({ context: spanContext }))
    const span = this.#tracer.startSpan('sweep outbox', { kind: SpanKind.INTERNAL, links }, ROOT_CONTEXT)
    try {
      await Promise.all(
        left.map((commit, index) =>
          context.with(origins[index] ?? ROOT_CONTEXT, async () => {
            const earlier = await untraced(() => this.#earlierOf(commit))
            await this.publish(commit, earlier)
            failpoint('sweep-published')
          }),
        ),
      )
    } finally {
      span.end()
    }
  }
}

const isForgettable = ({
  beat,
  at,
  recoveredAtBeat,
  deadlinesFrom,
  deadlinesAreDone,
}: WriterDocument): boolean =>
  recoveredAtBeat === beat &&
  (deadlinesFrom === undefined || deadlinesAreDone === true) &&
  Date.now() - at.getTime() > forgottenAfterMillis

const pauseByClock = (signal: AbortSignal): Promise<void> =>
  delay(pauseMillis, undefined, { signal }).catch(() => undefined)

const madeAtMillis = ({ events }: Commit): number => Date.parse(events[0]?.time ?? '')
