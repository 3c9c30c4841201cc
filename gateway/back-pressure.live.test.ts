/** What the gateway promises, and what it refuses, while Kafka or the store is away: on real servers that are its own. */
import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { FaultProxy } from '../infra/chaos/fault-proxy.ts'
import { startFaultProxy } from '../infra/chaos/fault-proxy.ts'
import type { Stack } from '../infra/native/open-stack.ts'
import { openStack } from '../infra/native/open-stack.ts'
import { pickFreePorts } from '../infra/native/ports.ts'
import { eventually } from '../infra/verify/eventually.ts'
import type { RunningConsumer } from '../shared/kafka/kafka.ts'
import { KafkaConnection } from '../shared/kafka/kafka.ts'
import { EventStore } from '../shared/kernel/event-store.ts'
import { connectStore } from '../shared/kernel/mongo.ts'
import { Writers } from '../shared/kernel/writers.ts'
import { createRecordingLogger } from '../shared/telemetry/recording-logger.ts'
import { acceptedView } from './checkout-view.ts'
import type { RunningGateway } from './gateway-process.ts'
import { startGatewayProcess } from './gateway-process.ts'
import { goodRequest } from './gateway-under-test.ts'
import { problemDocument } from './problem.ts'
import { answersIn, RawConnection } from './raw-connection.ts'

const backlogLimit = 20
const storeTimeoutMillis = 1_000
/** For the answer itself, on a machine that is busy. */
const slackMillis = 1_500

describe('the gateway under back-pressure', function () {
  this.timeout(180_000) // Kafka is started anew
  let stack: Stack
  let storeNetwork: FaultProxy
  let gateway: RunningGateway
  let consumer: RunningConsumer | undefined
  const onTopic = new Set<string>()
  /** The ids of all 202s. */
  const promised: string[] = []

  before(async function () {
    this.timeout(20 * 60_000) // the servers may have to be installed first
    stack = await openStack({ ports: await pickFreePorts(), only: ['kafka', 'mongodb'] })
    await stack.allReady
    storeNetwork = await startFaultProxy({ targetPort: stack.ports.mongodb })
    const storeUrl = stack.urls.mongodbUrl.replace(`:${stack.ports.mongodb}`, `:${storeNetwork.port}`)
    gateway = await startGatewayProcess({
      MONGODB_URL: storeUrl,
      KAFKA_BROKERS: stack.urls.kafkaBrokers,
      GATEWAY_BACKLOG_LIMIT: String(backlogLimit),
      GATEWAY_STORE_TIMEOUT_MILLIS: String(storeTimeoutMillis),
    })
    await eventually('Kafka at the gateway', async () =>
      (await readiness()).kafka === 'connected' ? true : undefined,
    )
  })
  after(async () => {
    gateway.process.kill('SIGKILL')
    await consumer?.stop()
    await storeNetwork.close()
    await stack.down()
  })

  const readiness = async () =>
    (await (await fetch(`${gateway.url}/readyz`)).json()) as { status: string; kafka: string }

  interface Answer {
    readonly status: number
    readonly problem: string | undefined
    readonly retryAfter: string | null
    readonly tookMillis: number
    /** Of a 202, or that a problem names. */
    readonly checkoutId: string | undefined
  }

  async function post(key: string | null = randomUUID()): Promise<Answer> {
    const startedAt = performance.now()
    const response = await fetch(`${gateway.url}/checkouts`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...(key !== null && { 'idempotency-key': key }) },
      body: JSON.stringify(goodRequest),
    })
    const body: unknown = await response.json()
    const { status } = response
    const rest = {
      status,
      retryAfter: response.headers.get('retry-after'),
      tookMillis: performance.now() - startedAt,
    }
    if (status === 202) {
      const { checkoutId } = acceptedView.parse(body)
      promised.push(checkoutId)
      return { ...rest, checkoutId, problem: undefined }
    }
    const { type, detail } = problemDocument.parse(body)
    const [, checkoutId] = /\/checkouts\/([0-9a-f-]{36})/.exec(detail) ?? []
    return { ...rest, checkoutId, problem: type.replace('/problems/', '') }
  }

  const untilAccepted = (key?: string): Promise<Answer> =>
    eventually('a checkout that is accepted', async () => {
      const answer = await post(key)
      return answer.status === 202 ? answer : undefined
    })

  /** Whether all that the gateway has committed is below its watermark. */
  const untilNothingWaits = async (): Promise<void> => {
    const connection = await connectStore({ mongodbUrl: stack.urls.mongodbUrl, databasePrefix: 'sagascope' })
    const database = connection.databaseOf('checkout')
    const store = new EventStore(database, 'checkout')
    try {
      await eventually('everything published', async () => {
        const left = (await new Writers(database).all()).map(async ({ _id, publishedTo }) =>
          store.writtenBy(_id, publishedTo, 1),
        )
        return (await Promise.all(left)).flat().length === 0 || undefined
      })
    } finally {
      await connection.close()
    }
  }

  /** Reads along on the topic, from its beginning, until all of them have come. */
  async function untilOnTopic(ids: readonly string[]): Promise<void> {
    consumer ??= await new KafkaConnection(
      { brokers: [stack.urls.kafkaBrokers], clientId: 'test' },
      createRecordingLogger().log,
    ).startConsumer({
      groupId: randomUUID(),
      topics: ['checkouts'],
      offsetCommitIntervalMillis: 60_000,
      onFatal: (error) => {
        throw error
      },
      handle: ({ key }) => {
        if (key !== undefined) onTopic.add(key)
        return Promise.resolve()
      },
    })
    await eventually('every promise on the topic', () =>
      Promise.resolve(ids.every((id) => onTopic.has(id)) || undefined),
    )
  }

  it('goes on accepting without Kafka up to its limit, then refuses with when to come back', async () => {
    strictEqual((await post()).status, 202)
    await untilNothingWaits()
    await stack.server('kafka').down()
    for (let accepted = 0; accepted < backlogLimit; accepted++) strictEqual((await post()).status, 202)
    for (let times = 0; times < 5; times++) {
      const { status, problem, retryAfter } = await post()
      deepStrictEqual([status, problem, retryAfter], [503, 'backlog_full', '10'])
    }
  })

  it('still shows checkouts and is ready then: other gateways would fare no better', async () => {
    strictEqual((await fetch(`${gateway.url}/checkouts/${promised[0] ?? ''}`)).status, 200)
    strictEqual((await readiness()).status, 'ready')
  })

  it('works off the backlog when Kafka is back, accepts again, and has every promise on the topic', async () => {
    await stack.server('kafka').up()
    await untilAccepted()
    await untilOnTopic(promised)
    await untilNothingWaits()
    for (let times = 0; times < backlogLimit; times++) strictEqual((await post()).status, 202)
  })

  it('says in time that it cannot accept while the store is silent, and makes one checkout of all attempts', async () => {
    await untilNothingWaits()
    storeNetwork.inject({ kind: 'black-hole', of: ['requests', 'responses'] })
    const key = randomUUID()
    const first = await Promise.all(Array.from({ length: 20 }, () => post(key)))
    for (const { status, problem, retryAfter, tookMillis } of first) {
      strictEqual(status, 503)
      match(problem ?? '', /^(?:store_unavailable|outcome_unknown)$/)
      match(retryAfter ?? '', /^\d+$/)
      ok(tookMillis < storeTimeoutMillis + slackMillis, `${tookMillis} ms`)
    }
    const startedAt = performance.now()
    for (let times = 0; times < 20; times++) strictEqual((await post(key)).problem, 'store_unavailable')
    ok(performance.now() - startedAt < slackMillis, 'at once, once it is known')
    strictEqual((await fetch(`${gateway.url}/checkouts/${promised[0] ?? ''}`)).status, 503)
    strictEqual((await readiness()).status, 'not ready')

    storeNetwork.inject({ kind: 'none' })
    const { checkoutId } = await untilAccepted(key)
    strictEqual((await post(key)).checkoutId, checkoutId)
  })

  it('knows that nothing was accepted of what waited behind a frozen store and never left the process', async () => {
    await untilNothingWaits()
    storeNetwork.inject({ kind: 'black-hole', of: ['requests'] })
    const first = post()
    // By the time that these are answered, the first request is on its way to the store.
    for (let times = 0; times < 20; times++) await fetch(`${gateway.url}/healthz`)
    const answers = await Promise.all([first, ...Array.from({ length: 19 }, () => post())])
    storeNetwork.inject({ kind: 'none' })
    const unknown = answers.filter(({ problem }) => problem === 'outcome_unknown')
    const refused = answers.filter(({ problem }) => problem === 'store_unavailable')
    strictEqual(unknown.length + refused.length, answers.length)
    ok(unknown.length > 0, 'the first batch was sent')
    ok(refused.length > 0, 'the others waited for it')
    await untilAccepted()
  })

  it('says that it does not know when only the store’s answer was lost, and keeps what was written', async () => {
    await untilNothingWaits()
    storeNetwork.inject({ kind: 'black-hole', of: ['responses'] })
    const { problem, checkoutId = '', tookMillis } = await post(null)
    storeNetwork.inject({ kind: 'none' })
    strictEqual(problem, 'outcome_unknown')
    ok(tookMillis < storeTimeoutMillis + slackMillis, `${tookMillis} ms`)
    await eventually('the checkout that nobody was promised', async () => {
      const { status } = await fetch(`${gateway.url}/checkouts/${checkoutId}`)
      return status === 200 ? true : undefined
    })
    await untilAccepted()
    await untilOnTopic([...promised, checkoutId])
  })

  it('answers while the store is dead, and accepts again when it lives', async () => {
    await stack.server('mongodb').kill()
    for (let times = 0; times < 10; times++) {
      const { status, tookMillis } = await post()
      strictEqual(status, 503)
      ok(tookMillis < storeTimeoutMillis + slackMillis, `${tookMillis} ms`)
    }
    await stack.server('mongodb').up()
    await untilAccepted()
  })

  it('has answered with no 5xx that was not meant', () => {
    deepStrictEqual(
      gateway.lines.filter((line) => line['event.name'] === 'http.request_failed'),
      [],
    )
  })

  it('drains on SIGTERM: answers what has begun, waits for no slow client, and leaves nothing to publish', async () => {
    await untilNothingWaits()
    const body = JSON.stringify(goodRequest)
    const head = `POST /checkouts HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: ${body.length}\r\n\r\n`
    const [begun, slow] = [await RawConnection.to(gateway.url), await RawConnection.to(gateway.url)]
    begun.send(head)
    slow.send(head)
    strictEqual((await post()).status, 202) // by now both have been read
    const startedAt = performance.now()
    const exited = once(gateway.process, 'exit')
    gateway.process.kill('SIGTERM')
    await eventually('the drain', () =>
      Promise.resolve(gateway.lines.find((line) => line['event.name'] === 'process.stopping')),
    )
    begun.send(body)
    const [answer] = answersIn(await begun.untilClosed())
    deepStrictEqual([answer?.status, answer?.headers.connection], [202, 'close'])
    promised.push(acceptedView.parse(JSON.parse(answer?.body ?? '')).checkoutId)
    deepStrictEqual(await exited, [0, null])
    ok(performance.now() - startedAt < 10_000)
    await slow.untilClosed()
    await untilNothingWaits()
    await untilOnTopic(promised)
  })
})
