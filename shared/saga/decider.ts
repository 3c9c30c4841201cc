/**
 * A service's logic, whole: no clock, no randomness, no I/O; time, ids and the outside world's answers
 * come in as data.
 *
 * Total: `decide` accepts every input in every state, any number of times, and answers with no events
 * where nothing is left to do. See Chassaing, "Functional Event Sourcing: Decider" (2021).
 */
export interface Decider<State, Input, Event> {
  readonly initialState: State
  readonly decide: (input: Input, state: State) => readonly Event[]
  readonly evolve: (state: State, event: Event) => State
}

/**
 * What a decider is asked: an event of one checkout, when it is handled, and what the outside world
 * answered when the service has one.
 */
export interface Input<Event, Answer = undefined> {
  readonly checkoutId: string
  readonly event: Event
  readonly answer: Answer
}

/** Folds a stream's events into its state. */
export const fold = <State, Event>(
  decider: Pick<Decider<State, never, Event>, 'initialState' | 'evolve'>,
  events: readonly Event[],
): State => events.reduce((state, event) => decider.evolve(state, event), decider.initialState)
