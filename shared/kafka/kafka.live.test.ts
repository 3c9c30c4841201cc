import { deepEqual, equal, ok } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { eventually } from '../../infra/verify/eventually.ts'
import type { KafkaForTests } from '../../infra/verify/kafka-for-tests.ts'
import { kafkaForTests } from '../../infra/verify/kafka-for-tests.ts'
import { sideBySide } from '../../infra/verify/side-by-side-for-tests.ts'
import { stackForTests } from '../../infra/verify/stack-for-tests.ts'
import { createRecordingLogger } from '../telemetry/recording-logger.ts'
import type { IncomingMessage } from './cloud-events.ts'
import { isRetriable } from './failure.ts'
import type { ConsumerOptions, RunningConsumer } from './kafka.ts'
import { KafkaConnection } from './kafka.ts'

describe('a consumer, on the real Kafka', function () {
  this.timeout(180_000)

  let kafka: KafkaForTests
  let brokers: readonly string[]
  before(async () => {
    kafka = await kafkaForTests(['orders'])
    brokers = [(await stackForTests()).urls.kafkaBrokers]
  })
  after(() => kafka.stop())

  /** Messages of one key, so of one partition, and where they lie. */
  async function produce(key: string, count: number): Promise<IncomingMessage[]> {
    await kafka.send(
      Array.from({ length: count }, (_, index) => ({
        topic: 'orders',
        key,
        value: String(index),
        headers: {},
      })),
    )
    return eventually('what was produced', () => {
      const read = kafka.messages.filter((message) => message.key === key)
      return Promise.resolve(read.length === count ? read : undefined)
    })
  }

  const fatal = (error: Error): void => {
    throw error
  }
  type Consume = (
    options: Pick<ConsumerOptions, 'groupId' | 'handle'> & Partial<ConsumerOptions>,
  ) => Promise<RunningConsumer>

  /** Stops at its end what a test has not stopped itself, because it failed. */
  const withConsumers = (test: (consume: Consume) => Promise<void>) => async () => {
    const started: RunningConsumer[] = []
    const consume: Consume = async (options) => {
      const { log } = createRecordingLogger()
      const consumer = await new KafkaConnection({ brokers, clientId: 'tests' }, log).startConsumer({
        topics: ['orders'],
        concurrency: 6,
        // Longer than any test: what is committed is committed by stopping.
        offsetCommitIntervalMillis: 600_000,
        onFatal: fatal,
        ...options,
      })
      started.push(consumer)
      return consumer
    }
    await test(consume).finally(() => Promise.allSettled(started.map((consumer) => consumer.stop())))
  }

  const committedAt = async (groupId: string, { topic, partition }: IncomingMessage) =>
    (await kafka.committedBy(groupId)).get(`${topic}/${partition}`)

  /** They mostly wait for their groups, so they do at the same time, each with a group of its own. */
  const tests: Readonly<Record<string, () => Promise<void>>> = {
    'commits at intervals what was handled': withConsumers(async (consume) => {
      const [groupId, key] = [randomUUID(), randomUUID()]
      const produced = await produce(key, 3)
      const consumer = await consume({
        groupId,
        offsetCommitIntervalMillis: 50,
        handle: () => Promise.resolve(),
      })
      await kafka.untilPast(groupId, produced)
      ok(consumer.isReady())
      await consumer.stop()
      ok(!consumer.isReady())
    }),

    'handles one message after the other with no commit between them: offsets are off the path':
      withConsumers(async (consume) => {
        const [groupId, key] = [randomUUID(), randomUUID()]
        const produced = await produce(key, 100)
        const [first, last] = [produced[0], produced.at(-1)]
        ok(first && last)
        const handled: (string | undefined)[] = []
        const consumer = await consume({
          groupId,
          handle: (message) => {
            if (message.key === key) handled.push(message.value?.toString())
            return Promise.resolve()
          },
        })
        await eventually('all messages', () => Promise.resolve(handled.length === 100 || undefined))
        equal((await committedAt(groupId, first)) ?? -1n, -1n, 'the group has committed nothing')
        await consumer.stop()
        ok(((await committedAt(groupId, first)) ?? -1n) > BigInt(last.offset), 'it has when it stopped')
        deepEqual(
          handled,
          produced.map(({ value }) => value?.toString()),
        )
      }),

    'lets the message in hand finish when it stops, commits it, and opens no other': withConsumers(
      async (consume) => {
        const [groupId, key] = [randomUUID(), randomUUID()]
        const [first, second] = await produce(key, 5)
        ok(first && second)
        const inHand = Promise.withResolvers<undefined>()
        const handled: (string | undefined)[] = []
        const consumer = await consume({
          groupId,
          handle: async (message) => {
            if (message.key !== key) return
            handled.push(message.value?.toString())
            await inHand.promise
          },
        })
        await eventually('the first message', () => Promise.resolve(handled.length || undefined))
        const stopped = consumer.stop()
        inHand.resolve(undefined)
        await stopped
        deepEqual(handled, ['0'])
        equal(await committedAt(groupId, first), BigInt(second.offset))
      },
    ),

    'opens no message of another partition either that it has fetched already when it stops': withConsumers(
      async (consume) => {
        const groupId = randomUUID()
        const tag = randomUUID()
        const keys = Array.from({ length: 12 }, () => randomUUID()) // on several partitions, as good as certainly
        await kafka.send(keys.map((key) => ({ topic: 'orders', key, value: tag, headers: {} })))
        const inHand = Promise.withResolvers<undefined>()
        const handled: IncomingMessage[] = []
        const consumer = await consume({
          groupId,
          concurrency: 1,
          handle: async (message) => {
            if (message.value?.toString() !== tag) return
            handled.push(message)
            await inHand.promise
          },
        })
        const first = await eventually('the first message', () => Promise.resolve(handled[0]))
        const stopped = consumer.stop()
        inHand.resolve(undefined)
        await stopped
        equal(handled.length, 1)
        equal(await committedAt(groupId, first), BigInt(first.offset) + 1n)
      },
    ),

    'is followed by one that starts where it has stopped: nothing is skipped, nothing redone': withConsumers(
      async (consume) => {
        const [groupId, key] = [randomUUID(), randomUUID()]
        const produced = await produce(key, 40)
        const handled: (string | undefined)[] = []
        const handle = (message: IncomingMessage) => {
          if (message.key === key) handled.push(message.value?.toString())
          return new Promise<void>(setImmediate)
        }
        for (const least of [5, 20, 40]) {
          const consumer = await consume({ groupId, handle })
          await eventually(`${least} messages`, () => Promise.resolve(handled.length >= least || undefined), {
            intervalMillis: 1,
          })
          await consumer.stop()
        }
        deepEqual(
          handled,
          produced.map(({ value }) => value?.toString()),
        )
      },
    ),

    'delivers a message again that failed, and nothing of its partition before it': withConsumers(
      async (consume) => {
        const [groupId, key] = [randomUUID(), randomUUID()]
        const produced = await produce(key, 3)
        const tried: (string | undefined)[] = []
        const consumer = await consume({
          groupId,
          offsetCommitIntervalMillis: 50,
          handle: (message) => {
            if (message.key !== key) return Promise.resolve()
            tried.push(message.value?.toString())
            return tried.length <= 2 ? Promise.reject(new Error('some fault')) : Promise.resolve()
          },
        })
        await kafka.untilPast(groupId, produced)
        await consumer.stop()
        deepEqual(tried, ['0', '0', '0', '1', '2'])
      },
    ),

    'tells whoever waits when the group has moved on, as a failure that is not the message’s': withConsumers(
      async (consume) => {
        const [groupId, key] = [randomUUID(), randomUUID()]
        const produced = await produce(key, 1)
        const refused: unknown[] = []
        let isWaiting = false
        const handle: ConsumerOptions['handle'] = async (message, heartbeat) => {
          if (message.key !== key || refused.length > 0) return
          isWaiting = true
          await eventually(
            'a refused heartbeat',
            () =>
              heartbeat().then(
                () => undefined,
                (error: unknown) => refused.push(error),
              ),
            { intervalMillis: 50 },
          )
          throw refused[0] as Error
        }
        const options = { groupId, handle, offsetCommitIntervalMillis: 50 }
        const first = await consume(options)
        await eventually('a handler that waits', () => Promise.resolve(isWaiting || undefined))
        const second = await consume(options)
        await kafka.untilPast(groupId, produced)
        equal(isRetriable(refused[0]), true)
        await Promise.all([first.stop(), second.stop()])
      },
    ),
  }

  sideBySide(tests)()
})
