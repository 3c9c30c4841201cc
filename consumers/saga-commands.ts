/**
 * What may happen to the saga, as commands for fast-check: each is printed as what it did in the run that failed.
 *
 * Topics overtake each other wherever the next message may be taken from any partition, which is what `deliver` does;
 * `delay` makes it last.
 */
import fc from 'fast-check'
import type { CheckoutPlan, Fate, SagaModel, SagaSettings, Unfinished } from './saga-model.ts'
import type { Point } from './saga-tasks.ts'

/** Where a piece of work may be stopped: in this order it passes them. */
export const points: readonly Point[] = [
  'before consult',
  'after consult',
  'before insert',
  'after insert',
  'before settle',
  'after settle',
  'before renew',
  'after renew',
  'before send',
  'after send',
  'before look',
  'after look',
  'before recover',
  'after recover',
  'before mark',
  'after mark',
  'before offset commit',
  'after offset commit',
]

interface Kind {
  readonly name: string
  /** How often, compared with the others. */
  readonly weight: number
  readonly canAct: (saga: SagaModel) => boolean
  /** @returns what it did, in words */
  readonly act: (saga: SagaModel, which: number, fate: Fate) => string | Promise<string>
}

const always = () => true
const hasCheckouts = (saga: SagaModel) => saga.checkouts.length > 0
const hasMessages = (saga: SagaModel) => saga.broker.messages.length > 0
const canDeliver = (saga: SagaModel) => saga.canDeliver
const canSettle = (saga: SagaModel) => saga.canSettle
const canGoOn = (saga: SagaModel) => saga.canGoOn

export const kinds: readonly Kind[] = [
  { name: 'request', weight: 10, canAct: always, act: (saga, ...args) => saga.request(...args) },
  { name: 'deliver', weight: 24, canAct: canDeliver, act: (saga, ...args) => saga.deliver(...args) },
  { name: 'go on', weight: 8, canAct: canGoOn, act: (saga, ...args) => saga.goOn(...args) },
  {
    name: 'lose connection',
    weight: 4,
    canAct: canGoOn,
    act: (saga, ...args) => saga.loseConnection(...args),
  },
  { name: 'settle', weight: 6, canAct: canSettle, act: (saga, ...args) => saga.settle(...args) },
  {
    name: 'go on though dead',
    weight: 3,
    canAct: canGoOn,
    act: (saga, ...args) => saga.goOnThoughDead(...args),
  },
  { name: 'expire', weight: 3, canAct: hasCheckouts, act: (saga, ...args) => saga.expire(...args) },
  { name: 'sweep', weight: 3, canAct: hasCheckouts, act: (saga, ...args) => saga.sweep(...args) },
  { name: 'beat', weight: 2, canAct: hasCheckouts, act: (saga, ...args) => saga.beat(...args) },
  {
    name: 'commit offsets',
    weight: 2,
    canAct: hasMessages,
    act: (saga, ...args) => saga.commitOffsets(...args),
  },
  { name: 'crash', weight: 2, canAct: hasCheckouts, act: (saga, which) => saga.crash(which) },
  { name: 'rebalance', weight: 2, canAct: hasMessages, act: (saga, which) => saga.rebalance(which) },
  { name: 'delay', weight: 2, canAct: hasMessages, act: (saga, which) => saga.delay(which) },
  { name: 'duplicate', weight: 2, canAct: hasMessages, act: (saga, which) => saga.duplicate(which) },
  { name: 'replay', weight: 1, canAct: hasMessages, act: (saga, which) => saga.replay(which) },
  { name: 'rewind', weight: 1, canAct: hasMessages, act: (saga, which) => saga.rewind(which) },
]

class Command implements fc.AsyncCommand<SagaModel, SagaModel> {
  readonly #kind: Kind
  readonly #which: number
  readonly #fate: Fate
  #told: string | undefined

  constructor(kind: Kind, which: number, fate: Fate) {
    this.#kind = kind
    this.#which = which
    this.#fate = fate
  }

  check(saga: Readonly<SagaModel>): boolean {
    return this.#kind.canAct(saga as SagaModel)
  }

  async run(saga: SagaModel): Promise<void> {
    this.#told = await this.#kind.act(saga, this.#which, this.#fate)
    saga.met.add(this.#kind.name)
  }

  /** Each run has its own, so that none tells what it did in another. */
  [fc.cloneMethod](): Command {
    return new Command(this.#kind, this.#which, this.#fate)
  }

  toString(): string {
    return `\n  ${this.#told ?? this.#kind.name}`
  }
}

/** Where others have the most time to be faster: so more often. */
const longest: readonly Point[] = ['before consult', 'before consult', 'before consult', 'before insert']

/** Mostly nothing becomes of it: few commands have to lead far. */
const fate: fc.Arbitrary<Fate> = fc.oneof(
  { weight: 3, arbitrary: fc.constant(undefined) },
  {
    weight: 2,
    arbitrary: fc.record({
      then: fc.constantFrom('stalls', 'stalls', 'crashes', 'crashes', 'loses its connection'),
      at: fc.constantFrom(...points, ...longest),
    }),
  },
)

const command = fc.oneof(
  ...kinds.map((kind) => ({
    weight: kind.weight,
    arbitrary: fc.tuple(fc.nat({ max: 99 }), fate).map((args) => new Command(kind, ...args)),
  })),
)

/** @param replayPath of a shrunk run that is to be played again */
export const commandsOf = (replayPath?: string) =>
  fc.commands([command], { maxCommands: 60, size: 'max', ...(replayPath !== undefined && { replayPath }) })

// As many emails as will often be shared; more that can be bought and paid than not, to get far.
const plan: fc.Arbitrary<CheckoutPlan> = fc.record({
  email: fc.oneof(
    { weight: 7, arbitrary: fc.constantFrom('ada@example.com', 'grace@example.com') },
    { weight: 1, arbitrary: fc.constant('mallory@blocked.example') },
  ),
  order: fc.oneof(
    {
      weight: 4,
      arbitrary: fc.constantFrom(orderOf({ 'SAGA-MUG': 2 }), orderOf({ 'SAGA-BOOK': 1, 'SAGA-TEE': 3 })),
    },
    { weight: 1, arbitrary: fc.constantFrom(orderOf({ 'SAGA-BOAT': 1 }), orderOf({ 'SAGA-POSTER': 1 })) },
  ),
  token: fc.oneof(
    { weight: 3, arbitrary: fc.constant('tok_visa') },
    { weight: 1, arbitrary: fc.constantFrom('tok_declined', 'tok_insufficient_funds') },
  ),
})

export const settings: fc.Arbitrary<SagaSettings> = fc.record({
  plans: fc.array(plan, { minLength: 1, maxLength: 3 }),
  partitioning: fc.constantFrom('by checkout', 'one for each message'),
  members: fc.constantFrom(1, 2),
  expiresInRound: fc.option(fc.integer({ min: 1, max: 12 }), { nil: undefined }),
})

export const unfinished = fc.constantFrom<Unfinished[]>(
  'goes on',
  'stalls',
  'stalls, is replaced',
  'stalls, then dies half-way',
)

function orderOf(quantities: Readonly<Record<string, number>>): CheckoutPlan['order'] {
  return { items: Object.entries(quantities).map(([sku, quantity]) => ({ sku, quantity })) }
}
