/**
 * The whole choreography in memory: the real deciders and the flow table between a model of the store, a
 * model of the broker, and fakes of the outside world. Whoever drives it decides what happens next, so every
 * interleaving can be reached; nothing here has a clock or chance of its own.
 *
 * What it assumes, each to be kept true by the code that it stands for:
 * - The store refuses a taken `<stream>@<version>`, and a cause that the service has committed before
 *   (shared/store/event-store.ts).
 * - The broker delivers everything at least once, in any order, any number of times. Kafka is kinder within a
 *   partition; nothing may depend on that. A commit that is published late by the sweep is one more late
 *   delivery, so the outbox needs no model of its own.
 * - A handling may die between any two of its steps. Its message is then delivered again, unless another
 *   handling of it has been acknowledged meanwhile: a consumer that was put out of its group, say.
 * - The register and the network answer at once and are idempotent under the checkout id; see the fakes below.
 */
import { findProduct } from '../shared/contracts/catalogue.ts'
import type { Decider, Input } from '../shared/contracts/decider.ts'
import { fold } from '../shared/contracts/decider.ts'
import type { EventOf, Money, Order, Reason, SagaEvent, Service } from '../shared/contracts/events.ts'
import { services } from '../shared/contracts/events.ts'
import type { Consumed } from '../shared/contracts/flow.ts'
import { consumedBy } from '../shared/contracts/flow.ts'
import type { DeadlinePassed } from './checkout/decider.ts'
import { checkout } from './checkout/decider.ts'
import { orders } from './orders/decider.ts'
import type { NetworkAnswer, PaymentsState } from './payments/decider.ts'
import { payments } from './payments/decider.ts'
import type { RegisterAnswer, UsersState } from './users/decider.ts'
import { users } from './users/decider.ts'

/** What somebody asks for at the gateway. */
export interface CheckoutPlan {
  readonly checkoutId: string
  readonly email: string
  readonly order: Order
  readonly token: string
}

/** What a service may be asked to react to. */
export interface Cause {
  readonly id: string
  readonly checkoutId: string
  readonly event: SagaEvent | DeadlinePassed
}

export interface Commit {
  readonly service: Service
  readonly checkoutId: string
  readonly version: number
  /** Undefined for the gateway's own, which opens the checkout. */
  readonly cause: Cause | undefined
  readonly events: readonly SagaEvent[]
  /** Who held which user when this was committed. */
  readonly claims: readonly Claim[]
}

interface Delivery {
  readonly service: Service
  readonly cause: Cause
}

/** One try at a delivery, in three steps with room for others between them: read, consult and decide, commit. */
interface Handling {
  readonly delivery: Delivery
  readonly version: number
  readonly history: readonly SagaEvent[]
  readonly decided?: readonly SagaEvent[]
}

type Outcome = 'appended' | 'conflict' | 'duplicate'

export class SagaModel {
  readonly register = new InMemoryEmailRegister()
  readonly network = new InMemoryPaymentNetwork()
  /** Every commit of every service, in the order in which the stores took them. */
  readonly commits: Commit[] = []
  /** How often a store has given which answer. */
  readonly outcomes: Record<Outcome, number> = { appended: 0, conflict: 0, duplicate: 0 }
  /** Answers to a message that were decided on the newest state although the message had been answered. */
  readonly answeredAgain: Cause[] = []

  readonly #streams = new Map<string, Commit[]>()
  readonly #causesCommitted = new Set<string>()
  readonly #consultAndDecide = reactionsOf(this.register, this.network)

  readonly #known: Delivery[] = []
  readonly #acknowledged = new Set<Delivery>()
  #inFlight: Delivery[] = []
  #handlings: Handling[] = []

  /** The gateway's part: it appends the request to the checkout's stream. */
  request({ checkoutId, email, order, token }: CheckoutPlan): void {
    const event: EventOf<'CheckoutRequested'> = {
      type: 'CheckoutRequested',
      data: {
        user: { email, name: 'Ada' },
        order,
        payment: { token },
        deadline: '2026-11-23T12:00:00Z',
      },
    }
    this.#append('checkout', checkoutId, 1, undefined, [event])
  }

  /** The clock's part: may be done at any moment after the request, and any number of times. */
  passDeadline(checkoutId: string): void {
    const delivery = { service: 'checkout', cause: deadlineOf(checkoutId) } as const
    const known = this.#known.find(({ cause }) => cause.id === delivery.cause.id)
    if (!known) this.#known.push(delivery)
    this.#inFlight.push(known ?? delivery)
  }

  /** Starts to handle one of the deliveries in flight: reads its stream. */
  receive(which: number): void {
    const delivery = takeFrom(this.#inFlight, which)
    if (delivery) this.#handlings.push(this.#read(delivery))
  }

  /** Does the next step of one of the handlings that have started. */
  proceed(which: number): void {
    const handling = takeFrom(this.#handlings, which)
    if (!handling) return
    const { delivery, history, version, decided } = handling
    const { service, cause } = delivery
    if (!decided) {
      this.#handlings.push({ ...handling, decided: this.#consultAndDecide[service](cause, history) })
      return
    }
    const outcome =
      decided.length === 0
        ? 'nothing to say'
        : this.#append(service, cause.checkoutId, version + 1, cause, decided)
    if (outcome === 'conflict') {
      // Somebody was faster: the whole handling again, the question to the outside world included.
      this.#handlings.push(this.#read(delivery))
    } else {
      this.#acknowledged.add(delivery)
    }
  }

  /** Ends one of the handlings that have started, with whatever it has done so far. */
  crash(which: number): void {
    const handling = takeFrom(this.#handlings, which)
    if (handling && !this.#acknowledged.has(handling.delivery)) this.#inFlight.push(handling.delivery)
  }

  /** Delivers once more something that was sent at any time, handled or not. */
  redeliver(which: number): void {
    const delivery = this.#known[which % this.#known.length]
    if (delivery) this.#inFlight.push(delivery)
  }

  /** Redelivers everything that was ever sent. */
  redeliverEverything(): void {
    this.#inFlight.push(...this.#known)
  }

  /** True while something is in flight or being handled. */
  get isBusy(): boolean {
    return this.#inFlight.length > 0 || this.#handlings.length > 0
  }

  /** One step in the order of arrival; enough of them bring the model to rest. */
  step(): void {
    if (this.#handlings.length > 0) this.proceed(0)
    else this.receive(0)
  }

  /** A service's events of one checkout, oldest first. */
  eventsOf(service: Service, checkoutId: string): readonly SagaEvent[] {
    return this.#stream(service, checkoutId).flatMap((commit) => commit.events)
  }

  #read(delivery: Delivery): Handling {
    const stream = this.#stream(delivery.service, delivery.cause.checkoutId)
    return { delivery, version: stream.length, history: stream.flatMap((commit) => commit.events) }
  }

  #append(
    service: Service,
    checkoutId: string,
    version: number,
    cause: Cause | undefined,
    events: readonly SagaEvent[],
  ): Outcome {
    const outcome = this.#insert({
      service,
      checkoutId,
      version,
      cause,
      events,
      claims: this.register.claims,
    })
    this.outcomes[outcome] += 1
    return outcome
  }

  #insert(commit: Commit): Outcome {
    const { service, checkoutId, version, cause, events } = commit
    const taken = this.#stream(service, checkoutId)[version - 1]
    if (taken) return taken.cause?.id === cause?.id ? 'duplicate' : 'conflict'
    if (cause) {
      const committedAs = `${service} ${cause.id}`
      if (this.#causesCommitted.has(committedAs)) {
        this.answeredAgain.push(cause)
        return 'duplicate'
      }
      this.#causesCommitted.add(committedAs)
    }
    this.#stream(service, checkoutId).push(commit)
    this.commits.push(commit)
    events.forEach((event, index) => {
      this.#publish({ id: `${service}/${checkoutId}@${version}/${index}`, checkoutId, event })
    })
    return 'appended'
  }

  #publish(cause: Cause & { readonly event: SagaEvent }): void {
    for (const service of services) {
      if (!consumedBy(service).has(cause.event.type)) continue
      const delivery = { service, cause }
      this.#known.push(delivery)
      this.#inFlight.push(delivery)
    }
  }

  #stream(service: Service, checkoutId: string): Commit[] {
    const name = `${service}/${checkoutId}`
    const stream = this.#streams.get(name) ?? []
    this.#streams.set(name, stream)
    return stream
  }
}

const deadlineOf = (checkoutId: string): Cause => ({
  id: `deadline/${checkoutId}`,
  checkoutId,
  event: { type: 'DeadlinePassed' },
})

/** Any index will do: it wraps around. */
function takeFrom<Item>(items: Item[], which: number): Item | undefined {
  return items.splice(which % items.length, 1)[0]
}

type Reaction = (cause: Cause, history: readonly SagaEvent[]) => readonly SagaEvent[]

/** What each service does with a message and the history it has read: consult, then decide. */
function reactionsOf(
  register: InMemoryEmailRegister,
  network: InMemoryPaymentNetwork,
): Record<Service, Reaction> {
  const notAsked = () => undefined
  return {
    users: reaction(users, (input, state) => consultRegister(register, input, state)),
    orders: reaction(orders, notAsked),
    payments: reaction(payments, (input, state) => consultNetwork(network, input, state)),
    checkout: reaction(checkout, notAsked),
  }
}

type Question<Event> = Omit<Input<Event>, 'answer'>

/** The model routes by the flow table, so what arrives is what the decider accepts: hence the two casts. */
const reaction =
  <State, Event extends Cause['event'], Answer, Produced extends SagaEvent>(
    decider: Decider<State, Input<Event, Answer>, Produced>,
    consult: (question: Question<Event>, state: State) => Answer,
  ): Reaction =>
  ({ checkoutId, event }, history) => {
    const state = fold(decider, history as readonly Produced[])
    const question = { checkoutId, event: event as Event }
    return decider.decide({ ...question, answer: consult(question, state) }, state)
  }

function consultRegister(
  register: InMemoryEmailRegister,
  { checkoutId, event }: Question<Consumed<'users'>>,
  state: UsersState,
): RegisterAnswer {
  switch (event.type) {
    case 'CheckoutRequested':
      // Taken back before it came: an earlier try may have claimed and died before its commit.
      if (state.status === 'released') return register.release(checkoutId)
      return state.status === 'unknown' ? register.claim(checkoutId, event.data.user.email) : undefined
    case 'OrderRejected':
    case 'OrderCancelled':
      return state.status === 'registered' ? register.release(checkoutId) : undefined
    default:
      return event satisfies never
  }
}

function consultNetwork(
  network: InMemoryPaymentNetwork,
  { checkoutId, event }: Question<Consumed<'payments'>>,
  state: PaymentsState,
): NetworkAnswer {
  switch (event.type) {
    case 'OrderPlaced':
      return state.status === 'unknown'
        ? network.capture(checkoutId, event.data.payment.token, event.data.total)
        : undefined
    case 'CheckoutExpired':
      return state.status === 'unknown' || state.status === 'captured'
        ? network.cancel(checkoutId)
        : undefined
    default:
      return event satisfies never
  }
}

export const blockedDomain = 'blocked.example'

/** That a checkout relies on a user. */
export interface Claim {
  readonly checkoutId: string
  readonly email: string
  readonly userId: string
}

interface ClaimEntry extends Claim {
  readonly existing: boolean
  /** Set once released, and kept: the answer to a release that is asked for again. */
  readonly released?: { readonly lastClaim: boolean }
}

/**
 * One user per email, for as long as some checkout relies on it. A released claim stays released: a handling
 * that read its stream before the release may ask for it afterwards, and nobody would release it again.
 */
export class InMemoryEmailRegister {
  readonly #entries = new Map<string, ClaimEntry>()

  claim(checkoutId: string, email: string): RegisterAnswer {
    if (email.endsWith(`@${blockedDomain}`)) return { kind: 'refused', reason: 'email_domain_blocked' }
    const entry = this.#entries.get(checkoutId) ?? this.#firstClaim(checkoutId, email)
    this.#entries.set(checkoutId, entry)
    return { kind: 'claimed', userId: entry.userId, existing: entry.existing }
  }

  release(checkoutId: string): RegisterAnswer {
    const entry = this.#entries.get(checkoutId) ?? neverClaimed(checkoutId)
    const lastClaim =
      entry.released?.lastClaim ??
      !this.claims.some((claim) => claim.checkoutId !== checkoutId && claim.userId === entry.userId)
    this.#entries.set(checkoutId, { ...entry, released: { lastClaim } })
    return { kind: 'released', userId: entry.userId, lastClaim }
  }

  /** The claims that count. */
  get claims(): readonly Claim[] {
    return [...this.#entries.values()].filter((entry) => !entry.released)
  }

  #firstClaim(checkoutId: string, email: string): ClaimEntry {
    const holder = this.claims.find((claim) => claim.email === email)
    return {
      checkoutId,
      email,
      userId: holder?.userId ?? `user-${checkoutId}`,
      existing: holder !== undefined,
    }
  }
}

const neverClaimed = (checkoutId: string): ClaimEntry => ({
  checkoutId,
  email: '',
  userId: `user-${checkoutId}`,
  existing: false,
})

/** Tokens that the network declines, and why; it captures on any other. */
const declines: Readonly<Record<string, Reason>> = {
  tok_declined: 'card_declined',
  tok_poor: 'insufficient_funds',
  tok_old: 'expired_card',
}

/** One payment per checkout, settled by the first question and answered alike ever after. */
export class InMemoryPaymentNetwork {
  readonly #settled = new Map<string, Exclude<NetworkAnswer, undefined>>()
  /** What has moved, oldest first. */
  readonly ledger: {
    readonly checkoutId: string
    readonly kind: 'capture' | 'refund'
    readonly amount: number
  }[] = []

  capture(checkoutId: string, token: string, total: Money): NetworkAnswer {
    const settled = this.#settled.get(checkoutId)
    if (settled) return settled
    const reason = declines[token]
    if (reason) return this.#settle(checkoutId, { kind: 'declined', reason })
    this.ledger.push({ checkoutId, kind: 'capture', amount: total.amount })
    return this.#settle(checkoutId, { kind: 'captured', paymentId: `payment-${checkoutId}`, total })
  }

  /** Refunds what was captured, or bars a later capture. */
  cancel(checkoutId: string): NetworkAnswer {
    const settled = this.#settled.get(checkoutId)
    if (settled?.kind === 'refunded') return settled
    if (settled?.kind !== 'captured') return this.#settle(checkoutId, { kind: 'barred' })
    this.ledger.push({ checkoutId, kind: 'refund', amount: settled.total.amount })
    return this.#settle(checkoutId, { ...settled, kind: 'refunded' })
  }

  #settle<Answer extends Exclude<NetworkAnswer, undefined>>(checkoutId: string, answer: Answer): Answer {
    this.#settled.set(checkoutId, answer)
    return answer
  }
}

/** What an order costs by the catalogue, in minor units; worked out apart from the orders service. */
export const priceOf = ({ items }: Order): number =>
  items.reduce((sum, { sku, quantity }) => sum + quantity * (findProduct(sku)?.price.amount ?? Number.NaN), 0)

/** What happened, a line per commit, for reading a counterexample. */
export const narrate = ({ commits }: SagaModel): string =>
  commits
    .map(({ service, checkoutId, version, cause, events }) =>
      [
        `${service}/${checkoutId}@${version}:`.padEnd(16),
        (cause?.event.type ?? 'the gateway').padEnd(20),
        '->',
        events.map((event) => `${event.type} ${JSON.stringify(event.data)}`).join(', '),
      ].join(' '),
    )
    .join('\n')
