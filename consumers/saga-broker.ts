/**
 * For the model of the saga: Kafka, as far as the services may rely on it. Topics of partitions, order within a
 * partition and none between them, and for each consumer group and partition a member that reads it, from where
 * the group has committed its offset.
 */
import type { RecordedEvent, Service, Topic } from '../shared/saga/events.ts'
import { services } from '../shared/saga/events.ts'
import { concerns, subscriptionsOf } from '../shared/saga/flow.ts'
import type { IncomingMessage } from '../shared/kafka/cloud-events.ts'
import { fromMessage } from '../shared/kafka/cloud-events.ts'
import type { ProducerMessage } from '../shared/kafka/kafka.ts'

export interface Logged {
  readonly message: ProducerMessage
  /** What the message says, as a consumer reads it. */
  readonly recorded: RecordedEvent
}

/** A process of a consumer group, one of at most two. */
export type Member = 0 | 1

/** A partition as one consumer group reads it. */
export interface Assignment {
  readonly service: Service
  readonly topic: string
  readonly partition: number
  readonly log: readonly Logged[]
  /** Who reads it. */
  member: Member
  /** Offset of the next message to read. */
  position: number
  /** Offset up to which the group has said that it needs nothing again. */
  committed: number
  /** Grows whenever the partition is given to a member. */
  generation: number
  /** Offsets of the messages that its reader has not handled to the end. */
  inHand: Set<number>
  /** True while nothing is fetched, for whatever reason. */
  delayed: boolean
  /** Offsets whose messages have been handled to the end at least once. */
  readonly handled: Set<number>
}

/** How messages come to partitions; with one for each message there is no order at all. */
export type Partitioning = 'by checkout' | 'one for each message'

const partitionsPerTopic = 2

export class Broker {
  readonly assignments: Assignment[] = []
  /** Every message of every topic in the order of arrival, repeated ones included. */
  readonly messages: Logged[] = []
  /** Group, partition and offset of messages that a group has passed over without handling them. */
  readonly passedOver: string[] = []

  readonly #partitioning: Partitioning
  readonly #members: 1 | 2
  readonly #partitions = new Map<string, Logged[]>()
  readonly #keys: string[] = []

  constructor(partitioning: Partitioning, members: 1 | 2) {
    this.#partitioning = partitioning
    this.#members = members
  }

  append(messages: readonly ProducerMessage[]): void {
    for (const message of messages) {
      const partition = this.#partitionOf(message)
      const log = this.#log(message.topic, partition)
      const logged = { message, recorded: fromMessage(toIncoming(message, partition, log.length)) }
      log.push(logged)
      this.messages.push(logged)
    }
  }

  /** The first message of each id, in the order of arrival. */
  get firstAppearances(): readonly Logged[] {
    return [
      ...new Map(this.messages.toReversed().map((logged) => [logged.recorded.id, logged])).values(),
    ].reverse()
  }

  commitOffset(
    { topic, partition, offset }: { topic: string; partition: number; offset: string },
    service: Service,
  ) {
    const assignment = this.assignments.find(
      (each) => each.service === service && each.topic === topic && each.partition === partition,
    )
    if (!assignment) return
    assignment.committed = Number(offset)
    assignment.log.slice(0, assignment.committed).forEach(({ recorded }, earlier) => {
      if (concerns(service, recorded) && !assignment.handled.has(earlier)) {
        this.passedOver.push(`${service} ${topic}/${partition}@${earlier}`)
      }
    })
  }

  /** Group, partition and offset of messages that their group has not handled, although it should have. */
  get notHandled(): readonly string[] {
    return this.assignments.flatMap(({ service, topic, partition, log, handled }) =>
      log.flatMap(({ recorded }, offset) =>
        concerns(service, recorded) && !handled.has(offset)
          ? [`${service} ${topic}/${partition}@${offset}`]
          : [],
      ),
    )
  }

  #partitionOf({ key }: ProducerMessage): number {
    if (this.#partitioning === 'one for each message') return this.messages.length
    // By the order in which keys appear, and not by a hash of them: they differ from run to run.
    if (!this.#keys.includes(key ?? '')) this.#keys.push(key ?? '')
    return this.#keys.indexOf(key ?? '') % partitionsPerTopic
  }

  #log(topic: string, partition: number): Logged[] {
    const name = `${topic}/${partition}`
    const existing = this.#partitions.get(name)
    if (existing) return existing
    const log: Logged[] = []
    this.#partitions.set(name, log)
    for (const service of services) {
      if (!subscriptionsOf(service).includes(topic as Topic)) continue
      this.assignments.push({
        service,
        topic,
        partition,
        log,
        member: partition % this.#members === 0 ? 0 : 1,
        position: 0,
        committed: 0,
        generation: 0,
        inHand: new Set(),
        delayed: false,
        handled: new Set(),
      })
    }
    return log
  }
}

/**
 * Passes over what does not concern the group.
 * @returns the next message to handle and its offset; undefined when there is none, or nothing is fetched
 */
export function nextOf(assignment: Assignment): (Logged & { readonly offset: number }) | undefined {
  const { service, log, delayed } = assignment
  if (delayed) return undefined
  for (; ; assignment.position++) {
    const logged = log[assignment.position]
    if (!logged) return undefined
    if (concerns(service, logged.recorded)) return { ...logged, offset: assignment.position }
  }
}

/** Gives a partition to a member, who reads on from the committed offset. */
export function assignTo(assignment: Assignment, member: Member): void {
  assignment.member = member
  assignment.position = assignment.committed
  assignment.generation += 1
  assignment.inHand = new Set()
}

const toIncoming = (
  { topic, key, value, headers }: ProducerMessage,
  partition: number,
  offset: number,
): IncomingMessage => ({
  topic,
  partition,
  offset: offset.toString(),
  producedAtMillis: 0,
  key: key ?? undefined,
  value: value === null ? null : Buffer.from(value),
  headers,
})
