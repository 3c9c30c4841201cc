/** What kafkajs is known to do wrong, each made to happen; the table in README.md says what is done about it. */
import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { eventually } from '../../infra/verify/eventually.ts'
import { sideBySide } from '../../infra/verify/side-by-side-for-tests.ts'
import type { Stack } from '../../infra/native/open-stack.ts'
import { openStack } from '../../infra/native/open-stack.ts'
import type { Ports } from '../../infra/native/ports.ts'
import { pickFreePorts } from '../../infra/native/ports.ts'
import type { LogLine } from '../telemetry/recording-logger.ts'
import { createRecordingLogger } from '../telemetry/recording-logger.ts'
import type { IncomingMessage } from './cloud-events.ts'
import type { ConsumerForTests } from './consumer-for-tests.ts'
import { ConsumerStalled } from './consumer-watch.ts'
import { isRetriable } from './failure.ts'
import type { KafkaRelay } from './kafka-relay-for-tests.ts'
import { coordinatorErrors, startKafkaRelay } from './kafka-relay-for-tests.ts'
import type { ConsumerOptions, RunningConsumer, Send } from './kafka.ts'
import { KafkaConnection } from './kafka.ts'
import { retryUntilAvailable } from './retry-until-available.ts'
import type { KafkaTimings } from './timings.ts'

type Consumer = RunningConsumer & {
  readonly messages: readonly IncomingMessage[]
  readonly fatal: readonly Error[]
  readonly lines: readonly LogLine[]
}

const topic = 'orders'
/** A broker starts in seconds, and on a machine that is busy in many. */
const startMillis = 120_000
const stallOf = ({ fatal: [error] }: Consumer): ConsumerStalled => {
  ok(error instanceof ConsumerStalled)
  return error
}
const until = (label: string, isSo: () => boolean, deadlineMillis = 30_000) =>
  eventually(label, () => Promise.resolve(isSo() || undefined), { intervalMillis: 10, deadlineMillis })

describe('kafkajs, where it is known to fail', function () {
  this.timeout(30_000)

  let ports: Ports
  let stack: Stack
  let relay: KafkaRelay
  const direct = () => [`127.0.0.1:${ports.kafka}`]
  const relayed = () => [`127.0.0.1:${relay.port}`]

  before(async () => {
    ports = await pickFreePorts()
    // The gateway's port serves as the broker's other door, the one behind the relay.
    relay = await startKafkaRelay({ brokerPort: ports.gateway })
  })
  after(async function () {
    this.timeout(60_000)
    await relay.close()
    await stack.down()
  })

  const openKafka = async (): Promise<void> => {
    stack = await openStack({
      ports,
      only: ['kafka'],
      kafka: {
        listeners: [
          { name: 'RELAYED', protocol: 'PLAINTEXT', port: ports.gateway, advertisedPort: relay.port },
        ],
        properties: { 'group.min.session.timeout.ms': '1000' },
      },
    })
    await stack.allReady
  }

  /** A group of its own, whose id is the key of its messages as well, and all that belongs to it. */
  function newGroup() {
    const groupId: string = randomUUID()
    const stops: (() => Promise<void>)[] = []
    const stop = async (): Promise<void> => {
      await Promise.all(stops.splice(0).map((each) => each()))
    }

    async function consume(
      brokers: readonly string[],
      timings: Partial<KafkaTimings> = {},
      options: Partial<ConsumerOptions> = {},
    ): Promise<Consumer> {
      const { log, lines } = createRecordingLogger()
      const kafka = new KafkaConnection({ brokers, clientId: 'tests', timings }, log)
      const messages: IncomingMessage[] = []
      const fatal: Error[] = []
      const consumer = await retryUntilAvailable({ log, signal: new AbortController().signal }, () =>
        kafka.startConsumer({
          groupId,
          topics: [topic],
          offsetCommitIntervalMillis: 20,
          onFatal: (error) => fatal.push(error),
          ...options,
          handle: async (message, heartbeat, holdOffset) => {
            await options.handle?.(message, heartbeat, holdOffset)
            messages.push(message)
          },
        }),
      )
      stops.push(() => consumer.stop())
      return { ...consumer, messages, fatal, lines }
    }

    async function produce(brokers = direct(), timings: Partial<KafkaTimings> = {}): Promise<Send> {
      const { log } = createRecordingLogger()
      const { send, disconnect } = await new KafkaConnection(
        { brokers, clientId: 'tests', timings },
        log,
      ).connectProducer()
      stops.push(disconnect)
      return send
    }

    const message = (value: string, key: string = groupId) => ({ topic, key, value, headers: {} })
    const values = (consumer: Pick<Consumer, 'messages'>, key = groupId) =>
      consumer.messages.filter((each) => each.key === key).map(({ value }) => String(value))

    /** Up to where the group has committed, by partition. */
    async function committed(): Promise<ReadonlyMap<number, bigint>> {
      const { log } = createRecordingLogger()
      const admin = new KafkaConnection({ brokers: direct(), clientId: 'tests' }, log).client.admin()
      await admin.connect()
      const [offsets] = await admin.fetchOffsets({ groupId, topics: [topic] })
      await admin.disconnect()
      return new Map(offsets?.partitions.map(({ partition, offset }) => [partition, BigInt(offset)]))
    }

    return { groupId, consume, produce, message, values, committed, stops, stop }
  }

  type Test = (group: ReturnType<typeof newGroup>) => Promise<void>
  const withGroup = (test: Test) => async () => {
    const group = newGroup()
    await test(group).finally(group.stop)
  }
  /** One of them at a time. */
  const withRelay = (test: Test) => withGroup((group) => test(group).finally(() => relay.cut(false)))

  it(
    'waits for a Kafka that is not there yet, says so, and begins when it comes',
    withGroup(async ({ consume }) => {
      const { log, lines } = createRecordingLogger()
      const signal = new AbortController().signal
      const kafka = new KafkaConnection({ brokers: direct(), clientId: 'tests' }, log)
      const began = retryUntilAvailable({ log, signal }, () => kafka.ensureTopics(6)).then(() =>
        consume(direct()),
      )
      await until('a failure to connect', () => lines.some(({ msg }) => msg.includes('ECONNREFUSED')))
      await openKafka()
      const consumer = await began
      // The first group of a broker finds no coordinator: the topic of the offsets is being created.
      await until('a member', () => consumer.isReady())
      deepEqual(consumer.fatal, [])
    }),
  ).timeout(startMillis)

  /** They mostly wait, so they do it at the same time, and beside those that need the relay for themselves. */
  const waiting: Readonly<Record<string, () => Promise<void>>> = {
    'says when it has died for good, instead of staying silent': withGroup(
      async ({ groupId, consume, produce, message }) => {
        const send = await produce()
        const unforeseen = new TypeError('not a function')
        const consumer = await consume(
          direct(),
          {},
          {
            // Beside the handlers, whose failures are not kafkajs's to know of.
            concerns: ({ key }) => {
              if (key === groupId) throw unforeseen
              return true
            },
          },
        )
        await send([message('any')])
        await until('a fatal error', () => consumer.fatal.length > 0)
        ok(!consumer.isReady())
      },
    ),
    'is found out when a handler hangs behind its heartbeats, with what message that was': withGroup(
      async ({ consume, produce, message }) => {
        const send = await produce()
        const checkoutId = randomUUID()
        const timings = { sessionTimeoutMillis: 1_500, handlerTimeoutMillis: 3_000, drainMillis: 100 }
        const consumer = await consume(direct(), timings, {
          handle: ({ key }) => (key === checkoutId ? new Promise(() => undefined) : Promise.resolve()),
        })
        await send([message('secret', checkoutId)])
        await until('a fatal error', () => consumer.fatal.length > 0)
        const stall = stallOf(consumer)
        equal(stall.code, 'handler_hung')
        equal(stall.place['saga.id'], checkoutId)
        ok(!consumer.isReady())
        ok(consumer.longestSilenceMillis() >= 3_000)
        const line = consumer.lines.find((each) => each['event.name'] === 'kafka.consumer_stalled')
        deepEqual([line?.topic, line?.['saga.id']], [topic, checkoutId])
        ok(!JSON.stringify(line).includes('secret'))
      },
    ),
    'keeps a message that waits for a server longer than a session and than a handler may hang': withGroup(
      async ({ groupId, consume, produce, message, values }) => {
        const send = await produce()
        const tries: number[] = []
        const beganAt = performance.now()
        const timings = { sessionTimeoutMillis: 1_500, handlerTimeoutMillis: 1_000 }
        const consumer = await consume(direct(), timings, {
          handle: async ({ key }, heartbeat) => {
            if (key !== groupId) return
            while (performance.now() - beganAt < 4_000) {
              tries.push(performance.now() - beganAt)
              await new Promise((resolve) => setTimeout(resolve, 100))
              await heartbeat()
            }
          },
        })
        await send([message('1'), message('2')])
        await until('both', () => values(consumer).length === 2)
        deepEqual(values(consumer), ['1', '2']) // once each: it was nobody else's in between
        ok(tries.length > 10)
        deepEqual(consumer.fatal, [])
      },
    ),
    'keeps its partition while one attempt takes longer than a session': withGroup(
      async ({ groupId, consume, produce, message, values }) => {
        const send = await produce()
        const began: string[] = []
        const consumer = await consume(
          direct(),
          { sessionTimeoutMillis: 2_000 },
          {
            handle: async ({ key, value }) => {
              if (key !== groupId) return
              began.push(String(value))
              if (String(value) === 'slow') await new Promise((resolve) => setTimeout(resolve, 3_500))
            },
          },
        )
        await send([message('slow')])
        await until('the message in hand', () => began.length > 0)
        await send([message('next')])
        await until('the next', () => values(consumer).includes('next'))
        deepEqual(began, ['slow', 'next'])
        ok(!consumer.lines.some(({ msg }) => msg.includes('re-joining')))
      },
    ),
    'commits no offset ahead of what is done': withGroup(
      async ({ groupId, consume, produce, message, committed }) => {
        const send = await produce()
        const slow = Promise.withResolvers<undefined>()
        let inHand: IncomingMessage | undefined
        const consumer = await consume(
          direct(),
          {},
          {
            handle: async (incoming) => {
              if (incoming.key !== groupId || String(incoming.value) !== 'slow') return
              inHand = incoming
              await slow.promise
            },
          },
        )
        await until('a member', () => consumer.isReady())
        await send([message('before'), message('slow'), message('after')])
        const { partition, offset } = await eventually('the slow one in hand', () => Promise.resolve(inHand))
        const committedThere = async () => (await committed()).get(partition) ?? -1n
        await eventually('a commit of what was before', async () =>
          (await committedThere()) >= BigInt(offset) ? true : undefined,
        )
        equal(await committedThere(), BigInt(offset)) // the next to be read: the one that is in hand
        slow.resolve(undefined)
        // Others may have sent more by now.
        await eventually('a commit of all', async () =>
          (await committedThere()) >= BigInt(offset) + 2n ? true : undefined,
        )
      },
    ),
    'stops in time with a handler that hangs, and does not commit what that has not done': withGroup(
      async ({ groupId, consume, produce, message, values }) => {
        const send = await produce()
        let began = 0
        const consumer = await consume(
          direct(),
          { drainMillis: 300, closeMillis: 300, sessionTimeoutMillis: 1_500 },
          {
            handle: ({ key }) => {
              if (key !== groupId) return Promise.resolve()
              began += 1
              return new Promise(() => undefined)
            },
          },
        )
        await send([message('1')])
        await until('a handler that hangs', () => began === 1)
        const beganAt = performance.now()
        await consumer.stop()
        ok(performance.now() - beganAt < 3_000)
        const next = await consume(direct())
        await until('the message again', () => values(next).length === 1)
      },
    ),
  }

  describe('with a broker', () => {
    const tellOfWaiting = sideBySide(waiting)

    it(
      'joins once the coordinator has loaded, which it refuses to while it does',
      withRelay(async ({ consume }) => {
        const { COORDINATOR_LOAD_IN_PROGRESS, COORDINATOR_NOT_AVAILABLE, NOT_COORDINATOR } = coordinatorErrors
        relay.refusals.push(
          COORDINATOR_LOAD_IN_PROGRESS,
          COORDINATOR_NOT_AVAILABLE,
          NOT_COORDINATOR,
          COORDINATOR_LOAD_IN_PROGRESS,
          COORDINATOR_LOAD_IN_PROGRESS,
        )
        const consumer = await consume(relayed())
        ok(!consumer.isReady())
        await until('a member', () => consumer.isReady())
        deepEqual(relay.refusals, [])
        deepEqual(consumer.fatal, [])
      }),
    )

    it(
      'stops in time when the broker answers nothing any more',
      withRelay(async ({ consume, produce, message, stop }) => {
        const timings = { drainMillis: 300, closeMillis: 300, sendDeadlineMillis: 2_000 }
        const consumer = await consume(relayed(), timings)
        const send = await produce(relayed(), timings)
        await until('a member', () => consumer.isReady())
        relay.silence()
        const sent = rejects(send([message('1')]), { code: 'kafka_unavailable' })
        const beganAt = performance.now()
        await stop()
        ok(performance.now() - beganAt < 3_000)
        await sent
      }),
    )

    it(
      'gives up a connection on which nothing is answered, and sends by another',
      withRelay(async ({ consume, produce, message, values }) => {
        const send = await produce(relayed(), { requestTimeoutMillis: 1_000 })
        const consumer = await consume(relayed(), { requestTimeoutMillis: 1_000 })
        await send([message('before')])
        await until('the first', () => values(consumer).length === 1)
        relay.silence()
        await send([message('after')])
        await until('the second', () => values(consumer).includes('after'))
        deepEqual(consumer.fatal, [])
      }),
    )

    it(
      'fails a send in time when it goes nowhere, as something to wait for',
      withRelay(async ({ produce, message }) => {
        const send = await produce(relayed(), { sendDeadlineMillis: 500, connectionTimeoutMillis: 200 })
        relay.cut(true)
        const beganAt = performance.now()
        const failure = await send([message('1')]).then(
          () => undefined,
          (error: unknown) => error,
        )
        ok(performance.now() - beganAt < 5_000)
        equal(isRetriable(failure), true)
      }),
    )

    it(
      'is not ready while it reconnects without end, and is found out after a while',
      withRelay(async ({ consume }) => {
        const consumer = await consume(relayed(), { sessionTimeoutMillis: 1_000, stallLimitMillis: 3_000 })
        await until('a member', () => consumer.isReady())
        relay.cut(true)
        await until('no longer ready', () => !consumer.isReady())
        deepEqual(consumer.fatal, [])
        await until('a fatal error', () => consumer.fatal.length > 0)
        equal(stallOf(consumer).code, 'consumer_silent')
      }),
    )

    tellOfWaiting()

    it(
      'does not disturb the group after standing still past its session: it rejoins, and rewinds nothing',
      withGroup(async ({ groupId, consume, produce, message, values, committed, stops }) => {
        const send = await produce()
        const configuration: ConsumerForTests = {
          brokers: direct(),
          groupId,
          topic,
          timings: { sessionTimeoutMillis: 1_500 },
        }
        const main = fileURLToPath(new URL('consumer-for-tests.ts', import.meta.url))
        const frozen = spawn(process.execPath, [main, JSON.stringify(configuration)], {
          stdio: ['pipe', 'pipe', 'inherit'],
        })
        stops.push(async () => {
          if (frozen.exitCode !== null || frozen.signalCode !== null) return
          frozen.kill('SIGKILL')
          await once(frozen, 'exit')
        })
        let notes = ''
        frozen.stdout.setEncoding('utf8').on('data', (text: string) => (notes += text))
        const count = (what: string) => notes.split('\n').filter((line) => line.startsWith(what)).length

        await until('the first member', () => count('joined') === 1)
        await send([message('wait')])
        await until('a message in hand', () => notes.includes(' wait'))
        const [, partition = ''] = /began (\d+) \d+ wait/.exec(notes) ?? []
        frozen.kill('SIGSTOP')
        const next = await consume(direct(), { sessionTimeoutMillis: 1_500 })
        await until('the message, by the other member', () => values(next).includes('wait'))
        await send([message('1'), message('2'), message('3')])
        await until('what came after', () => values(next).length === 4)
        const end = await eventually('their commit', async () => {
          const offset = (await committed()).get(Number(partition))
          return offset === BigInt(next.messages.at(-1)?.offset ?? 0) + 1n ? offset : undefined
        })

        frozen.stdin.write('go on\n')
        frozen.kill('SIGCONT')
        await until('the end of its handler', () => /handled \d+ \d+ wait/.test(notes))
        await until('a second join', () => count('joined') >= 2)
        // Both are members now. Whoever has the partition, nobody has turned it back.
        for (let look = 0; look < 5; look++) equal((await committed()).get(Number(partition)), end)
        await send([message('4')])
        await until('what comes next', () => values(next).includes('4') || /handled \d+ \d+ 4/.test(notes))
        equal(count('fatal'), 0)
      }),
    )

    it(
      'goes on by itself after Kafka was ended by force, and after it was restarted, and loses nothing',
      withGroup(async ({ consume, produce, message, values }) => {
        const send = await produce()
        // kafkajs comes back as another member, so the broker first waits for the one that it was: for a session.
        const consumer = await consume(direct(), { sessionTimeoutMillis: 2_000 })
        await until('a member', () => consumer.isReady())
        const kafka = stack.server('kafka')

        const over = new AbortController()
        const acknowledged: string[] = []
        const producing = (async () => {
          for (let index = 0; !over.signal.aborted; index++) {
            const isSent = await send([message(String(index))]).then(
              () => true,
              (error: unknown) => (equal(isRetriable(error), true), false),
            )
            if (isSent) acknowledged.push(String(index))
            await new Promise((resolve) => setTimeout(resolve, 10))
          }
        })()
        for (const end of [() => kafka.kill(), () => kafka.down()]) {
          const before = acknowledged.length
          await until('some messages', () => acknowledged.length > before + 20)
          await end()
          await kafka.up()
          const last = values(consumer).length
          await until('more messages', () => values(consumer).length > last + 20, 20_000)
        }
        over.abort()
        await producing
        await until('the last', () => values(consumer).includes(acknowledged.at(-1) ?? ''))
        const arrived = new Set(values(consumer))
        deepEqual(
          acknowledged.filter((value) => !arrived.has(value)),
          [],
        )
        deepEqual(consumer.fatal, [])
      }),
    ).timeout(startMillis)
  })
})
