/** Given, when, then: a decider's test reads as what happened before, what comes in, and what it answers. */
import { deepStrictEqual } from 'node:assert/strict'
import type { Decider, Input } from './decider.ts'
import { fold } from './decider.ts'

interface When<Event, Answer, Produced> {
  /** @param answer what the outside world said; left out when it was not asked */
  when(
    event: Event,
    answer?: Answer,
  ): {
    /** Exactly these events in this order; `[]` is a refusal. */
    then(expected: readonly Produced[]): void
  }
}

/**
 * The `given` of one decider, for one checkout: takes the stream so far, oldest first, which is empty when the
 * checkout is new to the service.
 */
export const specify =
  <State, Event, Answer, Produced>(
    decider: Decider<State, Input<Event, Answer | undefined>, Produced>,
    checkoutId: string,
  ) =>
  (history: readonly Produced[]): When<Event, Answer, Produced> => ({
    when: (event, answer) => ({
      then: (expected) => {
        const decided = decider.decide({ checkoutId, event, answer }, fold(decider, history))
        deepStrictEqual(decided, expected)
      },
    }),
  })
