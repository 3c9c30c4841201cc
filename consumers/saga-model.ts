/**
 * The whole saga in memory. Real are the deciders and what they consult, the kernel, the outbox, the messages on
 * the wire, the offsets' tracker and the gateway's way to a checkout; modelled are the store (saga-store.ts),
 * the broker (saga-broker.ts), processes with their memory, and the outside world. Whoever drives it decides what
 * happens next, so every interleaving can be reached; nothing here has a clock or chance of its own.
 *
 * What it assumes, each to be kept true by what it stands for:
 * - The store refuses a taken `<stream>@<version>`, and a cause that the service has committed before.
 * - Of each partition a group has one reader, but one that has lost it may go on with what it has in hand for as
 *   long as it likes: a process may be taken for dead that only stands still.
 * - A message that was sent is in its topic once or several times; one whose send failed may be.
 * - A process that crashes loses what it remembers, and another takes over from what was committed.
 * - The register and the network are idempotent under the checkout id (saga-outside-world.ts).
 */
import { ok } from 'node:assert/strict'
import type { CheckoutRequest } from '../gateway/checkout-request.ts'
import type { Claim as KeyClaim } from '../gateway/idempotency.ts'
import { chooseCheckoutId, writeRequest } from '../gateway/request-checkout.ts'
import { Outbox } from '../producers/outbox/outbox.ts'
import type { Decider, Input } from '../shared/saga/decider.ts'
import type { Order, RecordedEvent, SagaEvent, Service } from '../shared/saga/events.ts'
import { services, topics } from '../shared/saga/events.ts'
import type { Answered, Question } from '../shared/kernel/answer.ts'
import { answer } from '../shared/kernel/answer.ts'
import type { RecentStreams } from '../shared/kernel/recent-streams.ts'
import type { ProducerMessage } from '../shared/kafka/kafka.ts'
import { OffsetTracker } from '../shared/kafka/offset-tracker.ts'
import type { EventStore } from '../shared/kernel/event-store.ts'
import type { Logger } from '../shared/telemetry/logger.ts'
import type { DeadlinePassed } from './checkout/decider.ts'
import { checkout } from './checkout/decider.ts'
import { opensOrders, orders } from './orders/decider.ts'
import { consultNetwork } from './payments/consult.ts'
import { payments } from './payments/decider.ts'
import type { Assignment, Member, Partitioning } from './saga-broker.ts'
import { assignTo, Broker, nextOf } from './saga-broker.ts'
import type { Claim } from './saga-outside-world.ts'
import { InMemoryEmailRegister, InMemoryPaymentNetwork } from './saga-outside-world.ts'
import type { Outcome, StoredCommit } from './saga-store.ts'
import { ModelStore } from './saga-store.ts'
import type { Point } from './saga-tasks.ts'
import { ConnectionLost, goOn, loseConnection, start, Task, touch } from './saga-tasks.ts'
import { perhapsUnpublished, recentStreamsOf } from './service.ts'
import { consultRegister } from './users/consult.ts'
import { users } from './users/decider.ts'

/** What somebody asks for at the gateway. */
export interface CheckoutPlan {
  readonly email: string
  readonly order: Order
  readonly token: string
}

export interface SagaSettings {
  /** One for each idempotency key. */
  readonly plans: readonly CheckoutPlan[]
  readonly partitioning: Partitioning
  /** How many processes each service has. */
  readonly members: 1 | 2
  /** After how many rounds of coming to rest all deadlines pass, if they do. */
  readonly expiresInRound: number | undefined
  /**
   * Whether a message that was answered is recognised before anything else is done, as the kernel does; otherwise
   * only the unique index tells, after it was decided once more.
   */
  readonly looksFirst: boolean
}

/** What becomes of a piece of work; undefined: it is done in one go. */
export type Fate = { readonly then: 'stalls' | 'crashes'; readonly at: Point } | undefined

/**
 * What becomes of the work that has stalled, when all else is brought to rest: its message waits for it, or is
 * given to another.
 */
export type Unfinished = 'goes on' | 'stalls' | 'stalls, is replaced' | 'stalls, then dies half-way'

export interface Commit extends StoredCommit {
  /** What was answered; undefined for a request. */
  readonly on: SagaEvent['type'] | 'DeadlinePassed' | undefined
  /** Who held which user when this was committed. */
  readonly claims: readonly Claim[]
}

/** A later commit of a stream was on its topic before an earlier one. */
interface Overtaking {
  readonly earlier: string
  readonly later: string
}

interface Process {
  readonly name: string
  /** Whose store it writes. */
  readonly service: Service
  /** Which of its group's members it is; undefined for the gateway. */
  readonly member: Member | undefined
  readonly outbox: Outbox
  /** What the outbox's timer for marks calls. */
  readonly mark: () => void
  readonly offsets: OffsetTracker
  readonly recent: RecentStreams
  isSweeping: boolean
}

const aLongTimeMillis = 3_600_000

export class SagaModel {
  readonly register = new InMemoryEmailRegister()
  readonly network = new InMemoryPaymentNetwork()
  readonly broker: Broker
  /** Every commit of every service, in the order in which the stores took them. */
  readonly commits: Commit[] = []
  /** By idempotency key, the checkouts that callers were told with a 202. */
  readonly accepted = new Map<string, string[]>()
  readonly overtakings: Overtaking[] = []
  /** What was thrown and is no lost connection. */
  readonly faults: unknown[] = []
  /** What has happened at all, for knowing whether it ever does. */
  readonly met = new Set<string>()

  readonly #settings: SagaSettings
  readonly #stores: Record<Service, ModelStore>
  readonly #react: Record<Service, React>
  readonly #keys = new Map<string, KeyClaim>()
  /** Ids of the commits that are on their topic. */
  readonly #published = new Set<string>()
  /** Checkouts whose deadline has passed and is not dealt with. */
  readonly #due = new Set<string>()
  readonly #processes: Process[]
  #tasks: Task<Process>[] = []
  #rounds = 0
  #nowMillis = Date.UTC(2026, 10, 23)

  constructor(settings: SagaSettings) {
    this.#settings = settings
    this.broker = new Broker(settings.partitioning, settings.members)
    const storeOf = (service: Service) =>
      new ModelStore(service, {
        showsCauses: settings.looksFirst,
        onInsert: (commit) => this.#inserted(commit),
        onOutcome: (outcome: Outcome) => this.met.add(outcome),
      })
    this.#stores = {
      users: storeOf('users'),
      orders: storeOf('orders'),
      payments: storeOf('payments'),
      checkout: storeOf('checkout'),
    }
    const notAsked = () => Promise.resolve(undefined)
    this.#react = {
      users: this.#reaction('users', users, consultRegister(this.register)),
      orders: this.#reaction('orders', orders, notAsked, opensOrders),
      payments: this.#reaction('payments', payments, consultNetwork(this.network)),
      checkout: this.#reaction('checkout', checkout, notAsked),
    }
    this.#processes = [
      this.#startProcess('gateway', 'checkout', undefined),
      ...services.flatMap((service) =>
        membersOf(settings).map((member) => this.#startProcess(`${service}#${member}`, service, member)),
      ),
    ]
  }

  // What can be done. Any `which` will do: it wraps around. Each returns what it was, in words.

  /** A caller posts, or posts again, under the same key. */
  request(which: number, fate: Fate): Promise<string> {
    const plan = which % this.#settings.plans.length
    const key = `key-${plan}`
    const { email, order, token } = this.#settings.plans[plan] as CheckoutPlan
    const body: CheckoutRequest = { user: { email, name: 'Ada' }, order, payment: { token } }
    const process = this.#processes[0] as Process
    return this.#runBeyond(process, `request under ${key}`, fate, async () => {
      const register = {
        store: this.#stores.checkout,
        keys: { claim: (_key: string, claim: KeyClaim) => touch('claim', () => this.#claimKey(key, claim)) },
        now: () => this.#now(),
        deadlineMillis: 60_000,
      }
      const checkoutId = await chooseCheckoutId(register, body, key)
      const { commit, isNew } = await writeRequest(register, checkoutId, body)
      this.accepted.set(key, [...(this.accepted.get(key) ?? []), checkoutId])
      if (isNew) await process.outbox.publish(commit)
    })
  }

  get canDeliver(): boolean {
    return this.#deliverable.length > 0
  }

  /** The next message of a partition comes to the member that reads it. */
  deliver(which: number, fate: Fate): Promise<string> {
    return this.#deliverFrom(pick(this.#deliverable, which), fate)
  }

  get canGoOn(): boolean {
    return this.#stalled.length > 0
  }

  /** Work that has stalled goes on. */
  async goOn(which: number, fate: Fate): Promise<string> {
    const task = pick(this.#stalled, which)
    await goOn(task, fate?.at)
    return this.#meet(task, `go on to ${task.what}`, fate)
  }

  /** Work that has stalled loses its connection: what it was about to do is refused, or what it did unheard of. */
  async loseConnection(which: number): Promise<string> {
    const task = pick(this.#stalled, which)
    const at = task.waiting?.at
    await loseConnection(task)
    return this.#meet(task, `lose the connection ${at} to ${task.what}`)
  }

  /** A producer's retry, or a redrive: the same message once more. */
  duplicate(which: number): string {
    const { message, recorded } = pick(this.broker.messages, which)
    this.broker.append([message])
    return `duplicate ${this.#inWords(recorded)}`
  }

  /** Fetching of a partition stops, or goes on. */
  delay(which: number): string {
    const assignment = pick(this.broker.assignments, which)
    assignment.delayed = !assignment.delayed
    return `${assignment.delayed ? 'delay' : 'no longer delay'} ${nameOf(assignment)}`
  }

  /** A partition moves to the other member of its group, while the first may still have a message in hand. */
  rebalance(which: number): string {
    const assignment = pick(this.broker.assignments, which)
    const member = this.#otherThan(assignment.member)
    for (const { service, offsets } of this.#processes) if (service === assignment.service) offsets.clear()
    if (assignment.busy) this.met.add('a zombie')
    assignTo(assignment, member)
    return `rebalance ${nameOf(assignment)} to #${member}`
  }

  crash(which: number): string {
    const process = pick(this.#processes, which)
    this.#crash(process)
    return `crash ${process.name}`
  }

  mark(which: number, fate: Fate): Promise<string> {
    return this.#mark(pick(this.#processes, which), fate)
  }

  commitOffsets(which: number, fate: Fate): Promise<string> {
    return this.#commitOffsets(pick(this.#processes, which), fate)
  }

  sweep(which: number, fate: Fate): Promise<string> {
    return this.#sweep(pick(this.#processes, which), fate)
  }

  /** A checkout's deadline passes, or is found once more to have passed. */
  expire(which: number, fate: Fate): Promise<string> {
    const checkoutId = pick(this.#stores.checkout.checkoutIds, which)
    this.#due.add(checkoutId)
    return this.#expire(checkoutId, pick(membersOf(this.#settings), which), fate)
  }

  /** Everything of one topic, or of one checkout, is sent once more. */
  replay(which: number): string {
    const name = pick([...topics, ...this.checkouts], which)
    const messages = this.broker.firstAppearances
      .filter(({ message: { topic, key } }) => topic === name || key === name)
      .map(({ message }) => message)
    this.broker.append(messages)
    return `replay ${this.#nameOfCheckout(name) ?? name}: ${messages.length} messages`
  }

  /** A group reads a partition from its start. */
  rewind(which: number): string {
    const assignment = pick(this.broker.assignments, which)
    assignment.committed = 0
    assignTo(assignment, assignment.member)
    return `rewind ${nameOf(assignment)}`
  }

  /** Brings the saga to rest: all is handled, published and marked. */
  async rest(unfinished: Unfinished): Promise<void> {
    const stalled = unfinished === 'goes on' ? [] : this.#stalled
    await this.#calm(stalled, unfinished === 'stalls, is replaced')
    if (unfinished === 'stalls, then dies half-way') {
      // A little further, which may be a question to the outside world, and no more.
      for (const task of stalled) await goOn(task, 'before insert')
      for (const { process } of stalled) if (this.#processes.includes(process)) this.#crash(process)
    }
    await this.#calm()
    await Promise.all(this.#processes.map((process) => this.#commitOffsets(process)))
  }

  /** Every message comes once more, as a copy and from the start, and every deadline passes. */
  async repeatEverything(): Promise<void> {
    this.broker.append(this.broker.firstAppearances.map(({ message }) => message))
    this.broker.assignments.forEach((_, index) => this.rewind(index))
    this.#expireAll()
    await this.rest('goes on')
  }

  // What can be seen.

  get checkouts(): readonly string[] {
    return this.#stores.checkout.checkoutIds
  }

  /** A service's events of one checkout, oldest first. */
  eventsOf(service: Service, checkoutId: string): readonly SagaEvent[] {
    return this.#stores[service].stream(checkoutId).flatMap(({ events }) => events.map(({ event }) => event))
  }

  /** Answers to a message that were decided on the newest state although the message had been answered. */
  get answeredAgain(): readonly string[] {
    return services.flatMap((service) => this.#stores[service].answeredAgain)
  }

  #reaction<State, Event extends SagaEvent, Asked, Reply>(
    service: Service,
    decider: Decider<State, Input<Asked, Reply>, Event>,
    consult: (question: Input<Asked>, state: State) => Promise<Reply>,
    opensStream?: (event: Asked) => boolean,
  ): React {
    const logic = {
      decider,
      ...(opensStream && { opensStream }),
      consult: (question: Input<Asked>, state: State) => touch('consult', () => consult(question, state)),
    }
    // What comes was routed by the flow table, so it is what the decider accepts.
    return (question, recent) =>
      answer(asEventStore(this.#stores[service]), logic, question as Question<Asked>, {
        recent,
        now: () => this.#now(),
      })
  }

  /** As consumers/service.ts and its retry do. */
  async #handle(process: Process, question: Question<SagaEvent | DeadlinePassed>): Promise<void> {
    for (;;) {
      try {
        const isExpiry = question.event.type === 'DeadlinePassed'
        const recent = isExpiry ? undefined : process.recent
        const remembered = recent?.find(question.checkoutId)
        const answered = await this.#react[process.service](question, recent)
        if (answered) {
          const { commit, stream } = answered
          if (remembered) this.met.add(stream === remembered ? 'remembered' : 'remembered and overtaken')
          const earlier = isExpiry ? stream.commits : perhapsUnpublished(process.service, stream)
          const isPublished = await process.outbox.publish(commit, earlier)
          if (isPublished) recent?.keepPublished(stream, commit)
        }
        return
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
      }
    }
  }

  #deliverFrom(assignment: Assignment, fate?: Fate): Promise<string> {
    const next = nextOf(assignment)
    ok(next, 'nothing to deliver')
    const { service, topic, partition, member, generation, handled } = assignment
    const { offset, recorded } = next
    const process = this.#processOf(service, member)
    if (handled.has(offset)) this.met.add('a redelivery')
    assignment.position = offset + 1
    assignment.busy = true
    const what = `deliver ${this.#inWords(recorded)} to ${process.name}`
    return this.#runBeyond(process, what, fate, async () => {
      const { id: causedBy, checkoutId, event } = recorded
      await this.#handle(process, { causedBy, checkoutId, event })
      handled.add(offset)
      process.offsets.handled(topic, partition, offset.toString())
      if (assignment.generation === generation) assignment.busy = false
    })
  }

  #expire(checkoutId: string, member: Member, fate?: Fate): Promise<string> {
    const process = this.#processOf('checkout', member)
    const what = `expire ${this.#nameOfCheckout(checkoutId)} in ${process.name}`
    return this.#runBeyond(process, what, fate, async () => {
      const event = { type: 'DeadlinePassed' } as const
      await this.#handle(process, { causedBy: `deadline/${checkoutId}`, checkoutId, event })
      this.#due.delete(checkoutId)
    })
  }

  #sweep(process: Process, fate?: Fate): Promise<string> {
    const later = new Date(this.#nowMillis + aLongTimeMillis)
    return this.#run(process, `sweep in ${process.name}`, fate, async () => {
      if (process.isSweeping) return
      process.isSweeping = true
      try {
        if ((await process.outbox.sweep(later)) > 0) this.met.add('swept')
      } finally {
        process.isSweeping = false
      }
    })
  }

  #mark(process: Process, fate?: Fate): Promise<string> {
    return this.#run(process, `mark in ${process.name}`, fate, async () => {
      process.mark()
      await Promise.resolve()
    })
  }

  #commitOffsets(process: Process, fate?: Fate): Promise<string> {
    return this.#run(process, `commit offsets of ${process.name}`, fate, async () => {
      const batch = process.offsets.take()
      if (batch.length === 0) return
      await touch('offset commit', () => {
        for (const next of batch) this.broker.commitOffset(next, process.service)
      })
    })
  }

  /** Starts a task, and lets it meet its fate. */
  async #run(process: Process, what: string, fate: Fate, work: () => Promise<void>): Promise<string> {
    const task = new Task(process, what, fate?.at)
    this.#tasks.push(task)
    await start(task, work)
    return this.#meet(task, what, fate)
  }

  #meet(task: Task<Process>, what: string, fate?: Fate): string {
    if (task.fault !== undefined && !(task.fault instanceof ConnectionLost)) this.faults.push(task.fault)
    if (!fate || !task.waiting) return what
    this.met.add(`${fate.then} ${fate.at}`)
    if (fate.then === 'crashes') this.#crash(task.process)
    return `${what}; ${task.process.name} ${fate.then} ${fate.at}`
  }

  /** What has been handled is marked, and its offset committed, a while after: the fate may wait there. */
  async #runBeyond(process: Process, what: string, fate: Fate, work: () => Promise<void>): Promise<string> {
    const done = await this.#run(process, what, fate, work)
    if (fate?.at.endsWith('mark')) return `${done}; ${await this.#mark(process, fate)}`
    if (fate?.at.endsWith('offset commit')) return `${done}; ${await this.#commitOffsets(process, fate)}`
    return done
  }

  /** A process loses what it remembers; the other member of its group takes over, and it is started again. */
  #crash(process: Process): void {
    for (const task of this.#tasks) {
      if (task.process !== process || task.hasEnded) continue
      task.waiting = undefined
    }
    this.#tasks = this.#tasks.filter((task) => task.process !== process)
    const { name, service, member } = process
    this.#processes[this.#processes.indexOf(process)] = this.#startProcess(name, service, member)
    for (const assignment of this.broker.assignments) {
      if (assignment.service !== service || assignment.member !== member) continue
      assignTo(assignment, this.#otherThan(member))
    }
  }

  async #calm(stalled: readonly Task[] = [], areReplaced = false): Promise<void> {
    for (let isBusy = true; isBusy; isBusy = await this.#oneRound(stalled, areReplaced)) {
      this.#rounds += 1
      if (this.#rounds === this.#settings.expiresInRound) this.#expireAll()
      if (this.#rounds < 300) continue
      this.faults.push(new Error('the saga does not come to rest'))
      return
    }
  }

  #expireAll(): void {
    for (const checkoutId of this.checkouts) this.#due.add(checkoutId)
  }

  /** @returns false when there is nothing left to do */
  async #oneRound(stalled: readonly Task[], areReplaced: boolean): Promise<boolean> {
    const goingOn = this.#stalled.filter((task) => !stalled.includes(task))
    for (const task of goingOn) {
      await goOn(task)
      this.#meet(task, task.what)
    }
    this.broker.assignments.forEach((assignment, index) => {
      assignment.delayed = false
      if (assignment.busy && areReplaced) this.rebalance(index)
    })
    const deliverable = this.#deliverable
    await Promise.all(deliverable.map((assignment) => this.#deliverFrom(assignment)))
    const due = [...this.#due]
    await Promise.all(due.map((checkoutId) => this.#expire(checkoutId, 0)))
    if (goingOn.length + deliverable.length + due.length > 0) return true
    if (this.#areAllPublished()) return false
    for (const process of this.#processes) await this.#mark(process)
    if (this.#areAllPublished()) return false
    for (const process of this.#processes) {
      await this.#sweep(process)
      await this.#mark(process)
    }
    const areAllPublished = this.#areAllPublished()
    if (!areAllPublished && stalled.length === 0)
      this.faults.push(new Error('sweeps leave commits unpublished'))
    return areAllPublished
  }

  #startProcess(name: string, service: Service, member: Member | undefined): Process {
    const outbox = new Outbox({
      store: asEventStore(this.#stores[service]),
      send: (messages) => touch('publish', () => this.#append(messages)),
      log: silent,
      sweepIntervalMillis: 0,
      sweepGraceMillis: 0,
    })
    const mark = startWithoutClock(outbox)
    return {
      name,
      service,
      member,
      outbox,
      mark,
      offsets: new OffsetTracker(),
      recent: recentStreamsOf(service),
      isSweeping: false,
    }
  }

  #inserted(commit: StoredCommit): void {
    const cause = this.commits.flatMap(({ events }) => events).find(({ id }) => id === commit.causedBy)
    const on = commit.causedBy.startsWith('deadline/') ? ('DeadlinePassed' as const) : cause?.event.type
    this.commits.push(Object.assign(commit, { on, claims: this.register.claims }))
  }

  #append(messages: readonly ProducerMessage[]): void {
    const before = this.broker.messages.length
    this.broker.append(messages)
    for (const { recorded } of this.broker.messages.slice(before)) this.#appeared(recorded)
  }

  #appeared({ id, checkoutId }: RecordedEvent): void {
    const commit = this.commits.find(({ events }) => events.some((event) => event.id === id))
    if (!commit || this.#published.has(commit.id)) return
    this.#published.add(commit.id)
    for (const earlier of this.#stores[commit.service].stream(checkoutId)) {
      if (earlier.version >= commit.version || this.#published.has(earlier.id)) continue
      this.overtakings.push({ earlier: earlier.id, later: commit.id })
    }
  }

  #claimKey(key: string, claim: KeyClaim): KeyClaim {
    const first = this.#keys.get(key) ?? claim
    this.#keys.set(key, first)
    return first
  }

  #now(): Date {
    return new Date(++this.#nowMillis)
  }

  #processOf(service: Service, member: Member): Process {
    const process = this.#processes.find((each) => each.service === service && each.member === member)
    ok(process, `${service}#${member} does not run`)
    return process
  }

  #otherThan(member: Member): Member {
    return this.#settings.members === 2 && member === 0 ? 1 : 0
  }

  get #deliverable(): readonly Assignment[] {
    return this.broker.assignments.filter((assignment) => nextOf(assignment) !== undefined)
  }

  get #stalled(): readonly Task<Process>[] {
    return this.#tasks.filter(({ waiting }) => waiting !== undefined)
  }

  #areAllPublished(): boolean {
    return services.every((service) => this.#stores[service].allArePublished)
  }

  #inWords({ event, checkoutId }: RecordedEvent): string {
    return `${event.type} of ${this.#nameOfCheckout(checkoutId)}`
  }

  #nameOfCheckout(checkoutId: string): string | undefined {
    const index = this.checkouts.indexOf(checkoutId)
    return index < 0 ? undefined : `c${index + 1}`
  }
}

const membersOf = ({ members }: SagaSettings): readonly Member[] => (members === 1 ? [0] : [0, 1])

type React = (
  question: Question<SagaEvent | DeadlinePassed>,
  recent: RecentStreams | undefined,
) => Promise<Answered | undefined>

function pick<Item>(items: readonly Item[], which: number): Item {
  const item = items[which % items.length]
  ok(item !== undefined, 'nothing to pick from')
  return item
}

const nameOf = ({ service, topic, partition }: Assignment): string => `${topic}/${partition} for ${service}`

/** It is asked for no more than what the model's store has. */
const asEventStore = (store: ModelStore): EventStore => store as unknown as EventStore

const silent = { info: () => undefined, warn: () => undefined } as unknown as Logger

/**
 * Starts an outbox whose timers never fire.
 * @returns what its timer for marks would call
 */
function startWithoutClock(outbox: Outbox): () => void {
  const { setInterval, setTimeout } = globalThis
  let mark: () => void = () => undefined
  const timers = {
    setInterval: (tick: () => void) => {
      mark = tick
    },
    setTimeout: () => undefined,
  }
  Object.assign(globalThis, timers)
  try {
    outbox.start()
  } finally {
    Object.assign(globalThis, { setInterval, setTimeout })
  }
  return mark
}

/** What happened, a line per commit, for reading a counterexample. */
export const narrate = ({ commits }: SagaModel): string =>
  commits
    .map(({ service, checkoutId, version, on, events }) => {
      const stream = `${service}/${checkoutId.slice(0, 4)}@${version}:`
      const told = events.map(({ event }) => `${event.type} ${JSON.stringify(event.data)}`).join(', ')
      return `${stream.padEnd(16)} ${(on ?? 'a request').padEnd(20)} -> ${told}`
    })
    .join('\n')
