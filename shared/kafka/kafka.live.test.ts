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
import type { KafkaTimings } from './timings.ts'

describe('a consumer, on the real Kafka', function () {
  this.timeout(180_000)

  let kafka: KafkaForTests
  let brokers: readonly string[]
  before(async () => {
    kafka = await kafkaForTests(['orders'])
    brokers = [(await stackForTests()).urls.kafkaBrokers]
  })
  after(() => kafka.stop())

  const keys = (count: number): string[] => Array.from({ length: count }, () => randomUUID())
  const isOneOf = (
    messages: readonly IncomingMessage[],
    { key, partition, offset }: IncomingMessage,
  ): boolean =>
    messages.some((each) => each.key === key && each.partition === partition && each.offset === offset)

  /** One message of each key, in the order of the keys, and where they lie. */
  async function produceEach(each: readonly string[]): Promise<IncomingMessage[]> {
    await kafka.send(each.map((key) => ({ topic: 'orders', key, value: '0', headers: {} })))
    const wanted = new Map(each.map((key, index) => [key, index]))
    return eventually('what was produced', () => {
      const read = kafka.messages.filter(({ key }) => wanted.has(key ?? ''))
      const inOrder = read.sort((a, b) => (wanted.get(a.key ?? '') ?? 0) - (wanted.get(b.key ?? '') ?? 0))
      return Promise.resolve(read.length === each.length ? inOrder : undefined)
    })
  }

  /** Messages of one key, so of one partition, and where they lie; after so many that are there already. */
  async function produce(key: string, count: number, before = 0): Promise<IncomingMessage[]> {
    await kafka.send(
      Array.from({ length: count }, (_, index) => ({
        topic: 'orders',
        key,
        value: String(index),
        headers: {},
      })),
    )
    return eventually('what was produced', () => {
      const read = kafka.messages.filter((message) => message.key === key).slice(before)
      return Promise.resolve(read.length === count ? read : undefined)
    })
  }

  const fatal = (error: Error): void => {
    throw error
  }
  type Consume = (
    options: Pick<ConsumerOptions, 'groupId' | 'handle'> & Partial<ConsumerOptions>,
    timings?: Partial<KafkaTimings>,
  ) => Promise<RunningConsumer>

  /** Stops at its end what a test has not stopped itself, because it failed. */
  const withConsumers = (test: (consume: Consume) => Promise<void>) => async () => {
    const started: RunningConsumer[] = []
    const consume: Consume = async (options, timings = {}) => {
      const { log } = createRecordingLogger()
      const consumer = await new KafkaConnection({ brokers, clientId: 'tests', timings }, log).startConsumer({
        topics: ['orders'],
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

    'handles messages of one key one after the other with no commit between them: offsets are off the path':
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

    'lets all messages in hand finish when it stops, of different keys and partitions': withConsumers(
      async (consume) => {
        const groupId = randomUUID()
        const sent = await produceEach(keys(12))
        const inHand = Promise.withResolvers<undefined>()
        const begun: IncomingMessage[] = []
        const done: IncomingMessage[] = []
        const consumer = await consume({
          groupId,
          handle: async (message) => {
            if (!isOneOf(sent, message)) return
            begun.push(message)
            await inHand.promise
            done.push(message)
          },
        })
        await eventually('all of them in hand', () => Promise.resolve(begun.length === 12 || undefined))
        const stopped = consumer.stop()
        inHand.resolve(undefined)
        await stopped
        equal(done.length, 12)
        await kafka.untilPast(groupId, sent)
      },
    ),

    'handles messages of other keys while one is slow, of its partition and of others': withConsumers(
      async (consume) => {
        const groupId = randomUUID()
        const sent = await produceEach(keys(60))
        const slow = sent[0] as IncomingMessage
        const beside = sent.filter(({ partition }) => partition === slow.partition)
        ok(beside.length > 1 && beside.length < sent.length)
        const afterSlow = await produce(slow.key ?? '', 3, 1)
        const end = Promise.withResolvers<undefined>()
        const handled: IncomingMessage[] = []
        const consumer = await consume({
          groupId,
          offsetCommitIntervalMillis: 20,
          handle: async (message) => {
            if (message.key === slow.key && message.offset === slow.offset) await end.promise
            if (isOneOf([...sent, ...afterSlow], message)) handled.push(message)
          },
        })
        await eventually('all others', () => Promise.resolve(handled.length === 59 || undefined))
        ok(!handled.some(({ key }) => key === slow.key), 'those of its own key wait')
        const others = sent.filter(({ partition }) => partition !== slow.partition)
        await kafka.untilPast(groupId, others)
        const committed = (await committedAt(groupId, slow)) ?? -1n
        ok(committed <= BigInt(slow.offset), 'no offset is ahead of the one in hand')
        end.resolve(undefined)
        await kafka.untilPast(groupId, [...sent, ...afterSlow])
        deepEqual(
          handled.filter(({ key }) => key === slow.key).map(({ offset }) => offset),
          [slow, ...afterSlow].map(({ offset }) => offset),
        )
        await consumer.stop()
      },
    ),

    'handles one that fails again in its lane, and holds up no other for it': withConsumers(
      async (consume) => {
        const groupId = randomUUID()
        const sent = await produceEach(keys(30))
        const failing = sent[0] as IncomingMessage
        const isWell = Promise.withResolvers<undefined>()
        let mayPass = false
        void isWell.promise.then(() => (mayPass = true))
        let tries = 0
        const handled: IncomingMessage[] = []
        await consume({
          groupId,
          offsetCommitIntervalMillis: 20,
          handle: (message) => {
            if (!isOneOf(sent, message)) return Promise.resolve()
            if (message.key === failing.key && (tries++, !mayPass))
              return Promise.reject(new Error('some fault'))
            handled.push(message)
            return Promise.resolve()
          },
        })
        await eventually('all others, and some tries', () =>
          Promise.resolve((handled.length === 29 && tries >= 2) || undefined),
        )
        ok(((await committedAt(groupId, failing)) ?? -1n) <= BigInt(failing.offset))
        isWell.resolve(undefined)
        await kafka.untilPast(groupId, sent)
        equal(handled.length, 30, 'each once')
      },
    ),

    'has at most so many in hand behind a backlog, keeps its place in the group, and lets go of it':
      withConsumers(async (consume) => {
        const groupId = randomUUID()
        const sent = await produceEach(keys(1_500))
        const end = Promise.withResolvers<undefined>()
        const begun = { first: 0, second: 0 }
        const handle = (who: keyof typeof begun) => async (message: IncomingMessage) => {
          if (!isOneOf(sent, message)) return
          begun[who] += 1
          await end.promise
        }
        const timings = { sessionTimeoutMillis: 6_000 }
        const concerns = (message: IncomingMessage) => isOneOf(sent, message)
        const first = await consume({ groupId, concerns, handle: handle('first') }, timings)
        await eventually('all that may be in hand', () => Promise.resolve(begun.first >= 1_000 || undefined))
        const fullAt = performance.now()
        await eventually('more than a session', () =>
          Promise.resolve(performance.now() - fullAt > 7_000 || undefined),
        )
        equal(begun.first, 1_000)
        ok(first.isReady())
        // A second one gets its share, although the first has its hands full and is not done with anything.
        await consume({ groupId, concerns, handle: handle('second') }, timings)
        await eventually('the share of the second', () => Promise.resolve(begun.second > 0 || undefined))
        equal(begun.first, 1_000)
        end.resolve(undefined)
      }),

    'has a message in hand delivered to the member that gets its partition, and drops what waits behind it':
      withConsumers(async (consume) => {
        const groupId = randomUUID()
        const sent = await produceEach(keys(12))
        const behind = await Promise.all(sent.map(({ key }) => produce(key ?? '', 2, 1)))
        const all = [...sent, ...behind.flat()]
        const end = Promise.withResolvers<undefined>()
        const bySecond: IncomingMessage[] = []
        const byFirst: IncomingMessage[] = []
        await consume({
          groupId,
          offsetCommitIntervalMillis: 20,
          handle: async (message) => {
            if (!isOneOf(all, message)) return
            byFirst.push(message)
            await end.promise
          },
        })
        await eventually('12 in hand', () => Promise.resolve(byFirst.length === 12 || undefined))
        await consume({
          groupId,
          offsetCommitIntervalMillis: 20,
          handle: (message) => {
            if (isOneOf(all, message)) bySecond.push(message)
            return Promise.resolve()
          },
        })
        await eventually('a message by the second', () => Promise.resolve(bySecond.length || undefined))
        const moved = new Set(bySecond.map(({ partition }) => partition))
        end.resolve(undefined)
        await kafka.untilPast(groupId, all)
        for (const { key, partition } of sent) {
          const offsets = (by: IncomingMessage[]) =>
            by.filter((each) => each.key === key).map(({ offset }) => offset)
          if (!moved.has(partition)) continue
          deepEqual(offsets(byFirst).length, 1, 'what waited behind it was begun by the other only')
          deepEqual(
            offsets(bySecond),
            all.filter((each) => each.key === key).map(({ offset }) => offset),
          )
        }
      }),

    'is followed by one that starts where it has stopped: nothing is skipped, nothing redone': withConsumers(
      async (consume) => {
        const [groupId, key] = [randomUUID(), randomUUID()]
        const produced = await produce(key, 40)
        const handled: (string | undefined)[] = []
        const handle = ({ value }: IncomingMessage) => {
          handled.push(value?.toString())
          return new Promise<void>(setImmediate)
        }
        // One key alone: behind an earlier message of another that was not begun yet, what is handled is delivered again.
        const concerns = (message: IncomingMessage) => message.key === key
        for (const least of [5, 20, 40]) {
          const consumer = await consume({ groupId, handle, concerns })
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

    'delivers a message again that failed, and nothing of its key before it': withConsumers(
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
