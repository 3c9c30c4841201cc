/**
 * The whole saga in memory. Real are the services' logic, the kernel with what it remembers, how appends are settled,
 * the reactor, the outbox, the messages on the wire, lanes and the offsets' tracker, and the gateway's way to a
 * checkout; modelled are the database (saga-store.ts), the broker (saga-broker.ts), processes, deadlines, and the outside world. Whoever drives it decides what
 * happens next, so every interleaving can be reached; nothing here has a clock or chance of its own.
 *
 * What it assumes, each to be kept true by what it stands for:
 * - The store refuses a taken `<stream>@<version>`, and a cause that the service has committed before.
 * - Of each partition a group has one reader, but one that has lost it may go on with what it has in hand for as
 *   long as it likes: a process may be taken for dead that only stands still.
 * - A message that was sent is in its topic once or several times; one whose send failed may be.
 * - A process that crashes loses what it remembers, and another takes over from what was committed.
 * - An insert whose connection is lost is in the store or not, and its process asks again until it knows.
 * - A process may be taken for dead at any time, whether it is or not; nobody stands still for the hour after which a
 *   dead writer is forgotten.
 * - The register and the network are idempotent under the checkout id (saga-outside-world.ts).
 */
import { ok } from 'node:assert/strict'
import type { CheckoutRequest } from '../gateway/checkout-request.ts'
import { checkoutIdFor } from '../gateway/idempotency.ts'
import { writeRequest } from '../gateway/request-checkout.ts'
import { Outbox } from '../producers/outbox/outbox.ts'
import type { Order, RecordedEvent, SagaEvent, Service } from '../shared/saga/events.ts'
import { services, topics } from '../shared/saga/events.ts'
import { isAnswered } from '../shared/saga/flow.ts'
import type { Question } from '../shared/kernel/react.ts'
import { StreamCache } from '../shared/kernel/stream-cache.ts'
import { Writer } from '../shared/kernel/writers.ts'
import type { ProducerMessage } from '../shared/kafka/kafka.ts'
import { Lanes } from '../shared/kafka/lanes.ts'
import { OffsetTracker } from '../shared/kafka/offset-tracker.ts'
import type { EventStore } from '../shared/kernel/event-store.ts'
import type { Logger } from '../shared/telemetry/logger.ts'
import type { DeadlinePassed } from './checkout/decider.ts'
import { checkoutLogic } from './checkout/logic.ts'
import { ordersLogic } from './orders/logic.ts'
import { paymentsLogic } from './payments/logic.ts'
import type { ServiceLogic } from './runtime/reactor.ts'
import { reactAndPublish } from './runtime/reactor.ts'
import type { Assignment, Member, Partitioning } from './saga-broker.ts'
import { assignTo, Broker, nextOf } from './saga-broker.ts'
import type { Claim } from './saga-outside-world.ts'
import { InMemoryEmailRegister, InMemoryPaymentNetwork } from './saga-outside-world.ts'
import type { StoredCommit } from './saga-store.ts'
import { ModelStore } from './saga-store.ts'
import type { Point } from './saga-tasks.ts'
import {
  ConnectionLost,
  currentTask,
  goOn,
  loseConnection,
  settled,
  start,
  Task,
  touch,
} from './saga-tasks.ts'
import { usersLogic } from './users/logic.ts'

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
}

/** What becomes of a piece of work; undefined: it is done in one go. */
export type Fate =
  { readonly then: 'stalls' | 'crashes' | 'loses its connection'; readonly at: Point } | undefined

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
  readonly store: EventStore
  readonly outbox: Outbox
  readonly offsets: OffsetTracker
  readonly lanes: Lanes
  readonly cache: StreamCache<unknown>
  /** Appends whose outcome is unknown, about to be tried again. */
  unsettled: Unsettled[]
  /** Set when it shows life for the first time. */
  started: Promise<void> | undefined
  isTicking: boolean
  /** Checkouts whose expiry is under way. */
  readonly expiring: Set<string>
}

interface Unsettled {
  /** That the append was part of. */
  readonly task: Task<Process>
  readonly tryAgain: () => void
}

type Logic = ServiceLogic<unknown, SagaEvent, SagaEvent | DeadlinePassed, unknown>

/** So that a writer is taken for dead when its sign of life is the same at two looks. */
const leaseMillis = 1_000

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
  readonly #logic: Record<Service, Logic>
  /** Ids of the commits that are on their topic. */
  readonly #published = new Set<string>()
  /** Checkouts whose deadline has passed and is not dealt with. */
  readonly #due = new Set<string>()
  readonly #processes: Process[]
  #tasks: Task<Process>[] = []
  #rounds = 0
  #nowMillis = Date.UTC(2026, 10, 23)
  /** Of the leases. */
  #clockMillis = 0
  /** Of processes, so far. */
  #lives = 0
  readonly #log = {
    info: () => this.met.add('swept'),
    warn: ({ err }: { readonly err: unknown }) => {
      if (!(err instanceof ConnectionLost)) this.faults.push(err)
    },
  } as unknown as Logger

  constructor(settings: SagaSettings) {
    this.#settings = settings
    this.broker = new Broker(settings.partitioning, settings.members)
    const storeOf = (service: Service) =>
      new ModelStore(service, {
        onInsert: (commit) => this.#inserted(commit),
        onOutcome: (outcome) => this.met.add(outcome),
      })
    this.#stores = {
      users: storeOf('users'),
      orders: storeOf('orders'),
      payments: storeOf('payments'),
      checkout: storeOf('checkout'),
    }
    // Deadlines pass when a command says so, and the process that hears of it is any.
    const deadlines = {
      enter: () => Promise.resolve(),
      settle: (checkoutId: string) => this.#due.delete(checkoutId),
    }
    this.#logic = {
      users: consultingAsTask(usersLogic(this.register)),
      orders: consultingAsTask(ordersLogic),
      payments: consultingAsTask(paymentsLogic(this.network)),
      checkout: consultingAsTask(checkoutLogic(deadlines)),
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
      const register = { store: process.store, now: () => this.#now(), deadlineMillis: 60_000 }
      const { commit } = await writeRequest(register, checkoutIdFor(key), body)
      this.accepted.set(key, [...(this.accepted.get(key) ?? []), commit.checkoutId])
      await process.outbox.publish(commit)
    })
  }

  get canDeliver(): boolean {
    return this.#deliverable.length > 0
  }

  /** The next message of a partition comes to the member that reads it. */
  deliver(which: number, fate: Fate): Promise<string> {
    return this.#deliverFrom(pick(this.#deliverable, which), fate)
  }

  get canSettle(): boolean {
    return this.#unsettled.length > 0
  }

  /** An append whose outcome is unknown is tried again. */
  settle(which: number, fate: Fate): Promise<string> {
    return this.#settle(pick(this.#unsettled, which), fate)
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

  /** The same, when it was taken for dead meanwhile; some die for good after an insert of which nobody is told. */
  async goOnThoughDead(which: number, fate: Fate): Promise<string> {
    const aboutToInsert = this.#stalled.filter(({ waiting }) => waiting?.at === 'before insert')
    const task = pick(aboutToInsert.length > 0 ? aboutToInsert : this.#stalled, which)
    const others = this.#processes.filter(
      (each) => each !== task.process && each.service === task.process.service,
    )
    const swept = others.length > 0 ? `${await this.#sweep(pick(others, which))}; ` : ''
    const then = fate ?? (which % 2 === 0 ? ({ then: 'crashes', at: 'after insert' } as const) : undefined)
    await goOn(task, then?.at)
    return this.#meet(task, `${swept}go on though dead to ${task.what}`, then)
  }

  /** Work that has stalled loses its connection: what it was about to do is refused, or what it did unheard of. */
  async loseConnection(which: number, fate: Fate): Promise<string> {
    const task = pick(this.#stalled, which)
    const at = task.waiting?.at
    await loseConnection(task, fate?.at)
    return this.#meet(task, `lose the connection ${at} to ${task.what}`, fate)
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
    assignment.member = member
    this.#divideAgain(assignment.service)
    return `rebalance ${nameOf(assignment)} to #${member}`
  }

  /** All members of a group read on from what was committed. */
  #divideAgain(service: Service): void {
    for (const process of this.#processes) if (process.service === service) process.offsets.clear()
    for (const assignment of this.broker.assignments) {
      if (assignment.service !== service) continue
      if (assignment.inHand.size > 0) this.met.add('a zombie')
      assignTo(assignment, assignment.member)
    }
  }

  crash(which: number): string {
    const process = pick(this.#processes, which)
    this.#crash(process)
    return `crash ${process.name}`
  }

  /** A process shows life, and looks at the others. */
  beat(which: number, fate: Fate): Promise<string> {
    return this.#tick(pick(this.#processes, which), fate)
  }

  commitOffsets(which: number, fate: Fate): Promise<string> {
    return this.#commitOffsets(pick(this.#processes, which), fate)
  }

  /** A process takes all others for dead. */
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
    this.#divideAgain(assignment.service)
    return `rewind ${nameOf(assignment)}`
  }

  /** Brings the saga to rest: all is handled, published and settled. */
  async rest(unfinished: Unfinished): Promise<void> {
    const stalled = unfinished === 'goes on' ? [] : this.#stalled
    await this.#calm(stalled, unfinished === 'stalls, is replaced')
    if (unfinished === 'stalls, then dies half-way') {
      // A little further, which may be a question to the outside world, and no more.
      for (const task of stalled) await goOn(task, 'before insert')
      for (const { process } of stalled) if (this.#processes.includes(process)) this.#crash(process)
    }
    await this.#calm()
    for (const process of this.#processes) await this.#commitOffsets(process)
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

  /** Live writers whose watermark is not at their last commit. */
  get watermarksBehind(): readonly string[] {
    return this.#processes
      .filter(({ store: { writer }, service }) => {
        const written = this.#stores[service].writers.publishedTo(writer.id)
        return !writer.hasNothingPending || written !== writer.publishedTo
      })
      .map(({ name }) => name)
  }

  /**
   * As consumers/runtime/service.ts and its retry do.
   * @returns false when it is another's to handle
   */
  async #handle(
    { service, store, outbox, cache }: Process,
    question: Question<SagaEvent | DeadlinePassed>,
    isOver: () => boolean,
  ): Promise<boolean> {
    const { checkoutId, event } = question
    const logic = this.#logic[service]
    const reactor = { store, logic, outbox, now: () => this.#now() }
    for (;;) {
      try {
        if (event.type === 'DeadlinePassed') {
          await reactAndPublish(reactor, question)
          return true
        }
        await logic.remember?.(question)
        if (!isAnswered(service, event.type)) {
          const stream = logic.expects?.(question)
          if (stream) cache.keep(checkoutId, stream)
          return true
        }
        const known = cache.find(checkoutId)
        await reactAndPublish({ ...reactor, cache }, question, {
          onCommitted: ({ commit }) => {
            logic.onCommit?.(commit)
            if (known)
              this.met.add(commit.version === known.version + 1 ? 'remembered' : 'remembered and overtaken')
          },
        })
        return true
      } catch (error) {
        if (!(error instanceof ConnectionLost)) throw error
        if (isOver()) return false
      }
    }
  }

  #deliverFrom(assignment: Assignment, fate?: Fate): Promise<string> {
    const next = nextOf(assignment)
    ok(next, 'nothing to deliver')
    const { service, topic, partition, member, generation, handled, inHand } = assignment
    const { offset, recorded, message } = next
    const process = this.#processOf(service, member)
    const isOver = (): boolean => assignment.generation !== generation
    if (handled.has(offset)) this.met.add('a redelivery')
    assignment.position = offset + 1
    inHand.add(offset)
    const done = process.offsets.began(topic, partition, offset.toString())
    const { id: causedBy, checkoutId, event, time } = recorded
    // Where messages come in no order at all, no lane gives them one.
    const lane = this.#settings.partitioning === 'by checkout' ? (message.key ?? undefined) : undefined
    const what = `deliver ${this.#inWords(recorded)} to ${process.name}`
    return this.#runBeyond(process, what, fate, async () => {
      const lined = { isWaiting: true }
      const handling = process.lanes.enter(lane, 0, async () => {
        lined.isWaiting = false
        if (isOver()) return
        try {
          if (!(await this.#handle(process, { causedBy, checkoutId, event, time }, isOver))) return
          handled.add(offset)
          inHand.delete(offset)
          done()
        } catch (error) {
          this.faults.push(error)
        }
      })
      if (lined.isWaiting) this.met.add('waits for its lane')
      await handling
    })
  }

  #expire(checkoutId: string, member: Member, fate?: Fate): Promise<string> {
    const process = this.#processOf('checkout', member)
    const what = `expire ${this.#nameOfCheckout(checkoutId)} in ${process.name}`
    return this.#runBeyond(process, what, fate, async () => {
      process.expiring.add(checkoutId)
      const event = { type: 'DeadlinePassed' } as const
      await this.#handle(process, { causedBy: `deadline/${checkoutId}`, checkoutId, event }, () => false)
      this.#due.delete(checkoutId)
      process.expiring.delete(checkoutId)
    })
  }

  #tick(process: Process, fate?: Fate): Promise<string> {
    return this.#lookAfter(process, 'beat', fate, () => process.outbox.tick())
  }

  #sweep(process: Process, fate?: Fate): Promise<string> {
    return this.#lookAfter(process, 'sweep', fate, async () => {
      await process.outbox.tick()
      this.#clockMillis += leaseMillis
      await process.outbox.tick()
    })
  }

  /** A process does one such thing at a time. */
  #lookAfter(process: Process, name: string, fate: Fate, work: () => Promise<void>): Promise<string> {
    return this.#run(process, `${name} of ${process.name}`, fate, async () => {
      if (process.isTicking) return
      process.isTicking = true
      try {
        await work()
      } finally {
        process.isTicking = false
      }
    })
  }

  async #settle(unsettled: Unsettled, fate?: Fate): Promise<string> {
    const { task, tryAgain } = unsettled
    const { process } = task
    process.unsettled = process.unsettled.filter((each) => each !== unsettled)
    if (!task.waiting) task.stopAt = fate?.at
    tryAgain()
    await settled()
    return this.#meet(task, `settle what is left of: ${task.what}`, fate)
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
    process.started ??= start(new Task(process, `start ${process.name}`, undefined), () =>
      process.outbox.tick(),
    )
    await process.started
    const task = new Task(process, what, fate?.at)
    this.#tasks.push(task)
    await start(task, work)
    return this.#meet(task, what, fate)
  }

  async #meet(task: Task<Process>, what: string, fate?: Fate): Promise<string> {
    const { process } = task
    if (fate && task.waiting?.at === fate.at) {
      this.met.add(`${fate.then} ${fate.at}`)
      if (fate.then === 'crashes') this.#crash(process)
      if (fate.then === 'loses its connection') await loseConnection(task)
      what += `; ${process.name} ${fate.then} ${fate.at}`
    }
    if (task.fault !== undefined && !(task.fault instanceof ConnectionLost)) this.faults.push(task.fault)
    task.fault = undefined
    return what
  }

  /** What is not part of handling comes a while after: the fate may wait there. */
  async #runBeyond(process: Process, what: string, fate: Fate, work: () => Promise<void>): Promise<string> {
    if (fate?.at.endsWith('settle')) {
      const at = fate.at === 'after settle' ? 'before insert' : 'after insert'
      const done = await this.#run(process, what, { then: 'loses its connection', at }, work)
      const [unsettled] = process.unsettled
      return unsettled ? `${done}; ${await this.#settle(unsettled, fate)}` : done
    }
    const done = await this.#run(process, what, fate, work)
    if (!fate || done.endsWith(fate.at)) return done
    if (/ (renew|look|recover|mark)$/.test(fate.at)) return `${done}; ${await this.#sweep(process, fate)}`
    if (fate.at.endsWith('offset commit')) return `${done}; ${await this.#commitOffsets(process, fate)}`
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
    process.unsettled = []
    this.#processes[this.#processes.indexOf(process)] = this.#startProcess(name, service, member)
    if (member === undefined) return
    for (const assignment of this.broker.assignments) {
      if (assignment.service !== service || assignment.member !== member) continue
      assignment.member = this.#otherThan(member)
    }
    this.#divideAgain(service)
  }

  async #calm(stalled: readonly Task[] = [], areReplaced = false): Promise<void> {
    if (areReplaced) {
      this.broker.assignments.forEach(({ inHand }, index) => {
        if (inHand.size > 0) this.rebalance(index)
      })
    }
    for (let isBusy = true; isBusy; isBusy = await this.#oneRound(stalled)) {
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
  async #oneRound(stalled: readonly Task[]): Promise<boolean> {
    const goingOn = this.#stalled.filter((task) => !stalled.includes(task))
    for (const task of goingOn) {
      await goOn(task)
      await this.#meet(task, task.what)
    }
    const unsettled = this.#unsettled
    for (const each of unsettled) await this.#settle(each)
    for (const assignment of this.broker.assignments) assignment.delayed = false
    const deliverable = this.#deliverable
    await Promise.all(deliverable.map((assignment) => this.#deliverFrom(assignment)))
    const { expiring } = this.#processOf('checkout', 0)
    const due = [...this.#due].filter((checkoutId) => !expiring.has(checkoutId))
    await Promise.all(due.map((checkoutId) => this.#expire(checkoutId, 0)))
    if (goingOn.length + unsettled.length + deliverable.length + due.length > 0) return true
    if (this.#areAllPublished()) {
      for (const process of this.#processes) await this.#tick(process)
      return this.canDeliver // what was found of dead writers is sent once more
    }
    for (const process of this.#processes) await this.#sweep(process)
    if (this.#areAllPublished()) return true
    if (stalled.length > 0) return false
    // One that was taken for dead has inserted, and died before it showed life.
    for (const service of services) this.#stores[service].writers.age()
    for (const process of this.#processes) await this.#sweep(process)
    if (this.#areAllPublished()) {
      this.met.add('swept at the last look')
      return true
    }
    this.faults.push(new Error('sweeps leave commits unpublished'))
    return false
  }

  #startProcess(name: string, service: Service, member: Member | undefined): Process {
    const stored = this.#stores[service]
    const store = stored.open(new Writer(name, `${name}/${++this.#lives}`), () => {
      const task = currentTask() as Task<Process>
      return new Promise((tryAgain) => task.process.unsettled.push({ task, tryAgain }))
    })
    const outbox = new Outbox({
      store,
      writers: stored.writers,
      send: (messages) => touch('send', () => this.#append(messages)),
      log: this.#log,
      beatIntervalMillis: leaseMillis,
      leaseMillis,
      onSettled: () => this.met.add('settled'),
      now: () => this.#clockMillis,
      pause: () => Promise.resolve(),
    })
    return {
      name,
      service,
      member,
      store,
      outbox,
      offsets: new OffsetTracker(),
      lanes: new Lanes({ messages: Infinity, bytes: Infinity }),
      cache: new StreamCache(),
      unsettled: [],
      started: undefined,
      isTicking: false,
      expiring: new Set(),
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

  get #unsettled(): readonly Unsettled[] {
    return this.#processes.flatMap(({ unsettled }) => unsettled)
  }

  #areAllPublished(): boolean {
    return this.commits.every(({ id }) => this.#published.has(id))
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

/** What comes was routed by the flow table, so it is what the decider accepts. */
function consultingAsTask<State, Event extends SagaEvent, Asked, Answer>(
  logic: ServiceLogic<State, Event, Asked, Answer>,
): Logic {
  const { consult } = logic
  const asTask: typeof logic = {
    ...logic,
    consult: (question, state) => touch('consult', () => consult(question, state)),
  }
  return asTask as unknown as Logic
}

function pick<Item>(items: readonly Item[], which: number): Item {
  const item = items[which % items.length]
  ok(item !== undefined, 'nothing to pick from')
  return item
}

const nameOf = ({ service, topic, partition }: Assignment): string => `${topic}/${partition} for ${service}`

/** What happened, a line per commit, for reading a counterexample. */
export const narrate = ({ commits }: SagaModel): string =>
  commits
    .map(({ service, checkoutId, version, on, events }) => {
      const stream = `${service}/${checkoutId.slice(0, 4)}@${version}:`
      const told = events.map(({ event }) => `${event.type} ${JSON.stringify(event.data)}`).join(', ')
      return `${stream.padEnd(16)} ${(on ?? 'a request').padEnd(20)} -> ${told}`
    })
    .join('\n')
