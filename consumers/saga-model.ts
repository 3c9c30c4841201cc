/**
 * The whole choreography in memory: the real deciders, their real consultations and the flow table, between a
 * model of the store, a model of the broker, and fakes of the outside world. Whoever drives it decides what happens next, so every
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
 * - The register and the network are idempotent under the checkout id; see the fakes below. The register's is
 *   compared with the real one in users/email-register.live.test.ts.
 */
import { ok } from 'node:assert/strict'
import { findProduct } from '../shared/contracts/catalogue.ts'
import type { Decider, Input } from '../shared/contracts/decider.ts'
import { fold } from '../shared/contracts/decider.ts'
import type { EventOf, Money, Order, Reason, SagaEvent, Service } from '../shared/contracts/events.ts'
import { services } from '../shared/contracts/events.ts'
import { consumedBy } from '../shared/contracts/flow.ts'
import type { DeadlinePassed } from './checkout/decider.ts'
import { checkout } from './checkout/decider.ts'
import { orders } from './orders/decider.ts'
import { consultNetwork } from './payments/consult.ts'
import type { NetworkAnswer } from './payments/decider.ts'
import { payments } from './payments/decider.ts'
import { consultRegister } from './users/consult.ts'
import type { Claimed, Released } from './users/decider.ts'
import { users } from './users/decider.ts'
import { keyOfEmail, keyOfUser, userIdOf } from './users/user-id.ts'

type RegisterPort = Parameters<typeof consultRegister>[0]
type NetworkPort = Parameters<typeof consultNetwork>[0]

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

  readonly #looksFirst: boolean
  readonly #streams = new Map<string, Commit[]>()
  readonly #causesCommitted = new Set<string>()
  readonly #consultAndDecide = reactionsOf(this.register, this.network)

  readonly #known: Delivery[] = []
  readonly #acknowledged = new Set<Delivery>()
  #inFlight: Delivery[] = []
  #handlings: Handling[] = []

  /**
   * @param looksFirst whether a message that was answered is recognised before anything else is done, as
   * shared/kernel/answer.ts does; otherwise only the unique index tells, after it was decided once more
   */
  constructor({ looksFirst }: { readonly looksFirst: boolean }) {
    this.#looksFirst = looksFirst
  }

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
  async proceed(which: number): Promise<void> {
    const handling = takeFrom(this.#handlings, which)
    if (!handling) return
    const { delivery, history, version, decided } = handling
    const { service, cause } = delivery
    if (!decided) {
      this.#handlings.push({ ...handling, decided: await this.#consultAndDecide[service](cause, history) })
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

  /** True when nothing can be done any more but to go on with so many handlings. */
  onlyStalledLeft(stalled: number): boolean {
    return this.#inFlight.length === 0 && this.#handlings.length === stalled
  }

  get handlingsUnderWay(): number {
    return this.#handlings.length
  }

  /**
   * One step in the order of arrival; enough of them bring the model to rest.
   * @param stalled so many handlings, those that started first, wait until there is nothing else to do
   */
  async step(stalled: number): Promise<void> {
    if (this.#handlings.length > stalled) await this.proceed(stalled)
    else if (this.#inFlight.length > 0) this.receive(0)
    else await this.proceed(0)
  }

  /** A service's events of one checkout, oldest first. */
  eventsOf(service: Service, checkoutId: string): readonly SagaEvent[] {
    return this.#stream(service, checkoutId).flatMap((commit) => commit.events)
  }

  #read(delivery: Delivery): Handling {
    const { service, cause } = delivery
    const stream = this.#stream(service, cause.checkoutId)
    const history = stream.flatMap((commit) => commit.events)
    const answered = this.#looksFirst && stream.some((commit) => commit.cause?.id === cause.id)
    return { delivery, version: stream.length, history, ...(answered && { decided: [] }) }
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

type Reaction = (cause: Cause, history: readonly SagaEvent[]) => Promise<readonly SagaEvent[]>

/** What each service does with a message and the history it has read: consult, then decide. */
function reactionsOf(
  register: InMemoryEmailRegister,
  network: InMemoryPaymentNetwork,
): Record<Service, Reaction> {
  const notAsked = () => Promise.resolve(undefined)
  return {
    users: reaction(users, consultRegister(register)),
    orders: reaction(orders, notAsked),
    payments: reaction(payments, consultNetwork(network)),
    checkout: reaction(checkout, notAsked),
  }
}

/** The model routes by the flow table, so what arrives is what the decider accepts: hence the two casts. */
const reaction =
  <State, Event extends Cause['event'], Answer, Produced extends SagaEvent>(
    decider: Decider<State, Input<Event, Answer>, Produced>,
    consult: (question: Input<Event>, state: State) => Promise<Answer>,
  ): Reaction =>
  async ({ checkoutId, event }, history) => {
    const state = fold(decider, history as readonly Produced[])
    const question = { checkoutId, event: event as Event, answer: undefined }
    return decider.decide({ ...question, answer: await consult(question, state) }, state)
  }

/** That a checkout relies on a user. */
export interface Claim {
  readonly checkoutId: string
  readonly email: string
  readonly userId: string
}

interface RegisterEntry {
  readonly version: number
  /** Null where a claim is barred. */
  readonly userId: string | null
  /** How many checkouts rely on the user after this entry. */
  readonly claims: number
}

const blank: RegisterEntry = { version: 0, userId: null, claims: 0 }
const nothingToRelease: Released = { kind: 'released', userId: null, lastClaim: false }

/**
 * One user per email, for as long as some checkout relies on it. Whoever claims the email after the last
 * release is another user, with an id of its own: the revocation of the first is still on its way.
 *
 * A checkout claims once and releases once, and what it was answered first it is answered for ever. What it
 * releases before it has claimed it can claim no more: a handling that read its stream before the release may
 * claim after it, and nobody would release that again.
 */
export class InMemoryEmailRegister implements RegisterPort {
  /** By `<checkoutId>/claim` or `<checkoutId>/release`. */
  readonly #entered = new Map<string, RegisterEntry>()
  /** The last of each email, by its key. */
  readonly #last = new Map<string, RegisterEntry>()
  readonly #claims = new Map<string, Claim>()

  claim(checkoutId: string, { email }: { readonly email: string }): Promise<Claimed | Released> {
    const key = keyOfEmail(email)
    const entry = this.#enter(`${checkoutId}/claim`, () => {
      const last = this.#last.get(key) ?? blank
      const version = last.version + 1
      const userId = last.userId !== null && last.claims > 0 ? last.userId : userIdOf(key, version)
      const claim = { version, userId, claims: last.claims + 1 }
      this.#last.set(key, claim)
      this.#claims.set(checkoutId, { checkoutId, email, userId })
      return claim
    })
    const { userId, claims } = entry
    return Promise.resolve(
      userId === null ? nothingToRelease : { kind: 'claimed', userId, existing: claims > 1 },
    )
  }

  /** Gives back the claim, or bars a later one when it is not known to have been made. */
  release(checkoutId: string, knownUserId?: string): Promise<Released> {
    const userId = knownUserId ?? this.#enter(`${checkoutId}/claim`, () => blank).userId
    if (userId === null) return Promise.resolve(nothingToRelease)
    const entry = this.#enter(`${checkoutId}/release`, () => {
      const key = keyOfUser(userId)
      const last = this.#last.get(key) ?? blank
      ok(last.userId === userId && last.claims > 0, `${checkoutId} releases ${userId}, whom nobody claims`)
      const release = { version: last.version + 1, userId, claims: last.claims - 1 }
      this.#last.set(key, release)
      this.#claims.delete(checkoutId)
      return release
    })
    return Promise.resolve({ kind: 'released', userId, lastClaim: entry.claims === 0 })
  }

  /** The claims that count. */
  get claims(): readonly Claim[] {
    return [...this.#claims.values()]
  }

  #enter(receipt: string, make: () => RegisterEntry): RegisterEntry {
    const entry = this.#entered.get(receipt) ?? make()
    this.#entered.set(receipt, entry)
    return entry
  }
}

/** Why the network declines, by token; it captures on any other. */
const declines: Readonly<Record<string, Reason>> = {
  tok_declined: 'card_declined',
  tok_insufficient_funds: 'insufficient_funds',
}

type Settled = Exclude<NetworkAnswer, undefined | { readonly kind: 'refunded' }>

interface LedgerEntry {
  readonly checkoutId: string
  readonly kind: 'capture' | 'refund'
  readonly amount: number
}

/**
 * One payment per checkout: what it was asked first settles it, captured, declined or barred, and a capture may
 * be refunded once. To a capture it answers for ever what it answered first, also when that has been refunded.
 */
export class InMemoryPaymentNetwork implements NetworkPort {
  readonly #settled = new Map<string, Settled>()
  readonly #refunded = new Set<string>()
  /** The money that has moved, oldest first. */
  readonly ledger: LedgerEntry[] = []

  capture(checkoutId: string, token: string, total: Money): Promise<NetworkAnswer> {
    const settled = this.#settled.get(checkoutId)
    if (settled) return Promise.resolve(settled)
    const reason = declines[token]
    if (reason) return this.#settle(checkoutId, { kind: 'declined', reason })
    this.ledger.push({ checkoutId, kind: 'capture', amount: total.amount })
    return this.#settle(checkoutId, { kind: 'captured', paymentId: `payment-${checkoutId}`, total })
  }

  /** Refunds what was captured, or bars a later capture. */
  cancel(checkoutId: string): Promise<NetworkAnswer> {
    const settled = this.#settled.get(checkoutId) ?? { kind: 'barred' }
    if (settled.kind !== 'captured') return this.#settle(checkoutId, settled)
    if (!this.#refunded.has(checkoutId)) {
      this.ledger.push({ checkoutId, kind: 'refund', amount: settled.total.amount })
      this.#refunded.add(checkoutId)
    }
    return Promise.resolve({ ...settled, kind: 'refunded' })
  }

  #settle(checkoutId: string, answer: Settled): Promise<Settled> {
    this.#settled.set(checkoutId, answer)
    return Promise.resolve(answer)
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
