/**
 * The kernel: know the stream, decide, commit by one insert. Everything else around a service is plumbing.
 *
 * A taken version means that somebody was faster: read, ask the outside world again (it gives the
 * same answer), decide again. A taken cause means that this message was answered before.
 *
 * So the stream need not be read to be known: what this process remembers of it will do, and where nothing can have been
 * answered yet, that it is empty. Only that there is nothing to answer is never believed of a stream that was not read.
 */
import { context, propagation } from '@opentelemetry/api'
import type { Decider, Input } from '../saga/decider.ts'
import { fold } from '../saga/decider.ts'
import type { SagaEvent } from '../saga/events.ts'
import { isEventType } from '../saga/events.ts'
import { failpoint } from '../process/failpoints.ts'
import type { Commit, EventStore, Stream } from './event-store.ts'
import type { RecentStreams } from './recent-streams.ts'
import { emptyStream } from './recent-streams.ts'

/** A decider, and the one function of a service that touches the outside world before it decides. */
export interface ServiceLogic<State, Event extends SagaEvent, Asked, Answer> {
  readonly decider: Decider<State, Input<Asked, Answer>, Event>
  /** Idempotent under the checkout id: asked twice it does once, and answers the same. */
  readonly consult: (question: Input<Asked>, state: State) => Promise<Answer>
  /**
   * True of what a service hears first of a checkout, unless something is late, where it asks nobody outside: it is decided
   * without a look at the stream, which is empty then.
   */
  readonly opensStream?: (event: Asked) => boolean
}

/** What is to be answered: an event or a deadline, and the id under which the answer is remembered. */
export interface Question<Asked> {
  readonly checkoutId: string
  /** Id of the message or deadline: it is answered at most once. */
  readonly causedBy: string
  readonly event: Asked
}

export interface AnswerOptions {
  /** Of this process and service; every stream is read without. */
  readonly recent?: RecentStreams | undefined
  readonly now?: () => Date
}

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
 * The stream holds an event of a release to come, which this one cannot fold; an answer to the rest of it would be
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

export interface Answered {
  readonly commit: Commit
  /** What the answer was decided on. */
  readonly stream: Stream
}

/**
 * Answers a question with at most one commit.
 * @returns undefined when there is nothing to do or it was done before
 * @throws UnknownEventInStream, TooManyConflicts, and what the store or the outside world throw
 */
export async function answer<State, Event extends SagaEvent, Asked, Answer>(
  store: EventStore,
  { decider, consult, opensStream }: ServiceLogic<State, Event, Asked, Answer>,
  { checkoutId, causedBy, event }: Question<Asked>,
  { recent, now = () => new Date() }: AnswerOptions = {},
): Promise<Answered | undefined> {
  const unread = recent && (recent.find(checkoutId) ?? (opensStream?.(event) ? emptyStream : undefined))
  for (let conflicts = 0; conflicts < conflictLimit; conflicts++) {
    const isRead = conflicts > 0 || !unread
    const stream = isRead ? await store.read(checkoutId) : unread
    failpoint('stream-known')
    if (stream.commits.some((commit) => commit.causedBy === causedBy)) return undefined
    const unknown = stream.events.find(({ event }) => !isEventType(event.type))
    if (unknown) throw new UnknownEventInStream(checkoutId, unknown.event.type)
    // The stream is this service's own, so what it holds is what its decider made.
    const state = fold(
      decider,
      stream.events.map((recorded) => recorded.event as Event),
    )
    const reply = await consult({ checkoutId, event, answer: undefined }, state)
    failpoint('consulted')
    const events = decider.decide({ checkoutId, event, answer: reply }, state)
    if (events.length === 0) {
      if (!isRead) continue
      recent?.keep(checkoutId, stream)
      return undefined
    }
    failpoint('decided')
    const result = await store.append({
      checkoutId,
      version: stream.version + 1,
      causedBy,
      at: now(),
      events,
      traceHeaders: activeTraceHeaders(),
    })
    if (result.outcome === 'appended') return { commit: result.commit, stream }
    if (result.outcome === 'duplicate') return undefined
  }
  throw new TooManyConflicts(checkoutId)
}

/** The context of the span that commits, as headers: whoever publishes later continues its trace. */
export function activeTraceHeaders(): Record<string, string> {
  const headers: Record<string, string> = {}
  propagation.inject(context.active(), headers)
  return headers
}
