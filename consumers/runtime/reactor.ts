/** Reacts and publishes: what is done with a message, or a deadline, between the middleware and the kernel. */
import type { Outbox } from '../../producers/outbox/outbox.ts'
import type { Outcome } from '../../shared/kafka/handler.ts'
import type { Commit, EventStore } from '../../shared/kernel/event-store.ts'
import type { Question, Reaction, ServiceLogic as KernelLogic } from '../../shared/kernel/react.ts'
import { react } from '../../shared/kernel/react.ts'
import type { StreamCache } from '../../shared/kernel/stream-cache.ts'
import { failpoint } from '../../shared/process/failpoints.ts'
import type { SagaEvent } from '../../shared/saga/events.ts'

/** What a service adds to the runtime. */
export interface ServiceLogic<State, Event extends SagaEvent, Asked, Answer> extends KernelLogic<
  State,
  Event,
  Asked,
  Answer
> {
  /**
   * What has to be durable before the message's offset is committed, and that its checkout does not wait for: it need
   * not be done when the message is handled.
   */
  readonly remember?: (question: Question<Asked>) => Promise<void> | undefined
  /** Called with each commit of this process. */
  readonly onCommit?: (commit: Commit) => void
}

export interface Reactor<State, Event extends SagaEvent, Asked, Answer> {
  readonly store: EventStore
  readonly logic: ServiceLogic<State, Event, Asked, Answer>
  /** Of this process and service; every stream is read without. */
  readonly cache?: StreamCache<State>
  readonly outbox: Pick<Outbox, 'publish' | 'settled' | 'isPublished'>
  readonly now?: () => Date
}

export interface ReactingOptions {
  /** Called now and then while Kafka does not take what was committed; what it throws ends the waiting. */
  readonly onWait?: () => Promise<void>
  /** Called with what was committed, before it is published. */
  readonly onCommitted?: (committed: Extract<Reaction, { kind: 'committed' }>) => void
}

/**
 * Resolves when what was committed is on its topic, also where that was committed before: the message that comes
 * again may be the last who knows of it.
 */
export async function reactAndPublish<State, Event extends SagaEvent, Asked, Answer>(
  { store, logic, cache, outbox, now }: Reactor<State, Event, Asked, Answer>,
  question: Question<Asked>,
  { onWait, onCommitted }: ReactingOptions = {},
): Promise<Outcome> {
  const { isPublished } = outbox
  const reaction = await react(store, logic, question, { cache, isPublished, ...(now && { now }) })
  switch (reaction.kind) {
    case 'committed':
      onCommitted?.(reaction)
      failpoint('committed')
      await outbox.publish(reaction.commit, reaction.earlier, onWait)
      return 'answered'
    case 'duplicate':
      if (!reaction.commit) await outbox.settled(question.checkoutId)
      else if (!isPublished(reaction.commit)) await outbox.publish(reaction.commit, reaction.earlier, onWait)
      return 'nothing to answer'
    case 'nothing to do':
      return 'nothing to answer'
    default:
      return reaction satisfies never
  }
}
