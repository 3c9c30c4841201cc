/**
 * The kernel: know the stream, decide, commit by one insert. Everything else around a service is plumbing.
 *
 * A taken version means that somebody was faster: read, ask the outside world again (it gives the
 * same answer), decide again. A taken cause means that this message was handled before.
 *
 * So the stream need not be read to be known: what this process remembers of it will do, or what it normally is when
 * such a message comes. Only that there is nothing to do is never believed of a stream that was not read.
 */
import { context, propagation } from '@opentelemetry/api'
import { failpoint } from '../process/failpoints.ts'
import type { Decider, Input } from '../saga/decider.ts'
import { fold } from '../saga/decider.ts'
import type { SagaEvent } from '../saga/events.ts'
import { isEventType } from '../saga/events.ts'
import type { Commit, EventStore, Stream } from './event-store.ts'
import type { KnownStream, StreamCache } from './stream-cache.ts'

/** A decider, and the one function of a service that touches the outside world before it decides. */
export interface ServiceLogic<State, Event extends SagaEvent, Asked, Answer> {
  readonly decider: Decider<State, Input<Asked, Answer>, Event>
  /** Idempotent under the checkout id: asked twice it does once, and answers the same. */
  readonly consult: (question: Input<Asked>, state: State) => Promise<Answer>
  /**
   * What the stream normally is when this message comes and the process remembers nothing of it: decided on without a
   * read. Undefined where only a read can tell.
   */
  readonly expects?: (question: Question<Asked>) => KnownStream<State> | undefined
}

/** What is to be reacted to: an event or a deadline, and the id under which the reaction is remembered. */
export interface Question<Asked> {
  readonly checkoutId: string
  /** Id of the message or deadline: it is reacted to at most once. */
  readonly causedBy: string
  readonly event: Asked
  /** When the event was committed, RFC 3339. */
  readonly time?: string
}

export interface ReactOptions<State> {
  /** Of this process and service; every stream is read without. */
  readonly cache?: StreamCache<State> | undefined
  /** Whether a commit is known to be on its topic. */
  readonly isPublished?: (commit: Commit) => boolean
  readonly now?: () => Date
}

/** What became of a question. `earlier`: commits of the stream that may not be on their topic, oldest first. */
export type Reaction =
  | {
      readonly kind: 'committed'
      readonly commit: Commit
      readonly earlier: readonly Commit[]
      /** When the stream's first event was committed, RFC 3339. */
      readonly openedAt: string | undefined
    }
  /** It was reacted to before, by `commit` where that may be another process's: it may not be on its topic yet. */
  | { readonly kind: 'duplicate'; readonly commit?: Commit; readonly earlier: readonly Commit[] }
  | { readonly kind: 'nothing to do' }

/** A stream without events. */
export const emptyStream = <State>(initialState: State): KnownStream<State> => ({
  version: 0,
  state: initialState,
  causes: [],
  unpublished: [],
  openedAt: undefined,
})

/** Conflicts come from a few messages of one checkout handled side by side; many in a row mean a defect. */
const conflictLimit = 20

export class TooManyConflicts extends Error {
  readonly code = 'too_many_conflicts'
  readonly retriable = true
  constructor(checkoutId: string) {
    super(
      `the stream of checkout ${checkoutId} moved on ${conflictLimit} times while one message was decided`,
    )
    this.name = 'TooManyConflicts'
  }
}

/**
 * The stream holds an event of a release to come, which this one cannot fold; a decision on the rest of it would be
 * wrong. The message becomes a dead letter, to be redriven when all run that release (infra/UPGRADING.md).
 */
export class UnknownEventInStream extends Error {
  readonly code = 'unknown_event_in_stream'
  readonly retriable = false
  constructor(checkoutId: string, type: string) {
    super(
      `the stream of checkout ${checkoutId} holds an event of type ${type}, which this release does not know`,
    )
    this.name = 'UnknownEventInStream'
  }
}

/**
 * Reacts to a question with at most one commit.
 * @throws UnknownEventInStream, TooManyConflicts, and what the store or the outside world throw
 */
export async function react<State, Event extends SagaEvent, Asked, Answer>(
  store: EventStore,
  { decider, consult, expects }: ServiceLogic<State, Event, Asked, Answer>,
  question: Question<Asked>,
  { cache, isPublished = () => false, now = () => new Date() }: ReactOptions<State> = {},
): Promise<Reaction> {
  const { checkoutId, causedBy, event } = question
  const unread = cache && (cache.find(checkoutId) ?? expects?.(question))
  if (unread?.causes.includes(causedBy)) return duplicateOf(unread, causedBy)
  for (let conflicts = 0; conflicts < conflictLimit; conflicts++) {
    const isRead = conflicts > 0 || !unread
    let known: KnownStream<State>
    if (isRead) {
      const stream = await store.read(checkoutId)
      known = knownFrom(decider, checkoutId, stream, isPublished)
      if (known.causes.includes(causedBy)) {
        cache?.keep(checkoutId, known)
        return duplicateOf(known, causedBy)
      }
    } else known = unread
    failpoint('stream-known')
    const answer = await consult({ checkoutId, event, answer: undefined }, known.state)
    failpoint('consulted')
    const events = decider.decide({ checkoutId, event, answer }, known.state)
    if (events.length === 0) {
      if (!isRead) continue
      cache?.keep(checkoutId, known)
      return { kind: 'nothing to do' }
    }
    failpoint('decided')
    const result = await store.append({
      checkoutId,
      version: known.version + 1,
      causedBy,
      at: now(),
      events,
      traceHeaders: activeTraceHeaders(),
    })
    if (result.outcome !== 'appended') continue // and read: it was another message, or this one before
    const { commit } = result
    const openedAt = known.openedAt ?? commit.events[0]?.time
    cache?.keep(checkoutId, {
      version: commit.version,
      state: events.reduce((state, each) => decider.evolve(state, each), known.state),
      causes: [...known.causes, causedBy],
      unpublished: [], // the outbox publishes the streams of this process in their order
      openedAt,
    })
    return { kind: 'committed', commit, earlier: known.unpublished, openedAt }
  }
  throw new TooManyConflicts(checkoutId)
}

function duplicateOf({ unpublished }: KnownStream<unknown>, causedBy: string): Reaction {
  const index = unpublished.findIndex((commit) => commit.causedBy === causedBy)
  const commit = unpublished[index]
  return { kind: 'duplicate', ...(commit && { commit }), earlier: unpublished.slice(0, Math.max(0, index)) }
}

function knownFrom<State, Event extends SagaEvent>(
  decider: Decider<State, never, Event>,
  checkoutId: string,
  { version, commits, events }: Stream,
  isPublished: (commit: Commit) => boolean,
): KnownStream<State> {
  const unknown = events.find(({ event }) => !isEventType(event.type))
  if (unknown) throw new UnknownEventInStream(checkoutId, unknown.event.type)
  return {
    version,
    // The stream is this service's own, so what it holds is what its decider made.
    state: fold(
      decider,
      events.map(({ event }) => event as Event),
    ),
    causes: commits.map(({ causedBy }) => causedBy),
    unpublished: commits.filter((commit) => !isPublished(commit)),
    openedAt: events[0]?.time,
  }
}

/** The context of the span that commits, as headers: whoever publishes later continues its trace. */
export function activeTraceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {}
  propagation.inject(context.active(), headers)
  return headers
}
