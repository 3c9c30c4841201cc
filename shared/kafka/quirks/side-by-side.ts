/**
 * kafkajs 2.2.4 handles the messages of a fetched batch one after the other, and fetches again only when all that it
 * has fetched is done: a slow message holds up every partition of its member. Here a consumer may take a batch's
 * messages over: kafkajs goes on as soon as all of them are taken. This sits below the instrumentation, which wraps
 * `eachMessage`, so that each message keeps its own span, context and timing.
 *
 * Which consumer a runner belongs to is told by the asynchronous context in which it was started: kafkajs gives a
 * runner nothing that its user has a hand on.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'
import type { KafkaMessage } from 'kafkajs'

/** A batch as it was fetched, and what handles one of its messages under the instrumentation. */
export interface FetchedBatch {
  readonly topic: string
  readonly partition: number
  readonly messages: readonly KafkaMessage[]
  /** Of all that was fetched, also what no handler sees. */
  readonly lastOffset: string
  readonly eachMessage: (message: KafkaMessage) => Promise<void>
  readonly heartbeat: () => Promise<void>
}

/** @returns when the next batch may come; what it throws, kafkajs takes for a failure of the batch */
export type TakeBatch = (batch: FetchedBatch) => Promise<void>

interface KafkaBatch {
  readonly topic: string
  readonly partition: number
  readonly messages: readonly KafkaMessage[]
  lastOffset(): string
}

interface Runner {
  readonly running: boolean
  readonly consumerGroup: {
    /** Another one after each division of the group. */
    readonly offsetManager: object
    hasSeekOffset(place: { topic: string; partition: number }): boolean
    resolveOffset(place: { topic: string; partition: number; offset: string }): void
  }
  eachMessage(payload: object): Promise<void>
  heartbeat(): Promise<void>
  processEachMessage(batch: KafkaBatch): Promise<void>
}

// A private module of kafkajs: the version is pinned, and the test would notice if it changed.
const { prototype } = createRequire(import.meta.url)('kafkajs/src/consumer/runner') as { prototype: Runner }
// eslint-disable-next-line @typescript-eslint/unbound-method -- called with its own runner below
const oneAfterTheOther = prototype.processEachMessage

const takers = new AsyncLocalStorage<TakeBatch>()

prototype.processEachMessage = async function (batch) {
  const take = takers.getStore()
  if (!take) return oneAfterTheOther.call(this, batch)
  const { topic, partition, messages } = batch
  if (!this.running || this.consumerGroup.hasSeekOffset({ topic, partition })) return
  const heartbeat = () => this.heartbeat()
  const lastOffset = batch.lastOffset()
  const { offsetManager } = this.consumerGroup
  await take({
    topic,
    partition,
    messages,
    lastOffset,
    heartbeat,
    eachMessage: (message) =>
      this.eachMessage({ topic, partition, message, heartbeat, pause: () => () => undefined }),
  })
  // The group was divided anew meanwhile: what was taken is fetched again, from what is committed.
  if (this.consumerGroup.offsetManager !== offsetManager) return
  // What to fetch next; what to commit is for the consumer to say.
  this.consumerGroup.resolveOffset({ topic, partition, offset: lastOffset })
}

/** Runs a consumer (its `run`) whose batches are taken over. */
export const withBatchesTakenBy = <T>(take: TakeBatch, run: () => T): T => takers.run(take, run)
