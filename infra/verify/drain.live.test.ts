/**
 * SIGTERM: every service drains within 20 s and ends well, whatever it has in hand and whoever does not answer; and
 * what it was doing is redone only where the server that should have been told of it was away.
 */
import { deepEqual, equal, ok } from 'node:assert/strict'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import type { IncomingMessage as HttpResponse } from 'node:http'
import { get, request as httpRequest } from 'node:http'
import type { Socket } from 'node:net'
import { connect } from 'node:net'
import { join } from 'node:path'
import { consumerGroupOf } from '../../consumers/runtime/service.ts'
import { openLoop } from '../../producers/load/open-loop.ts'
import type { Service } from '../../shared/saga/events.ts'
import { services as consumerNames, topics } from '../../shared/saga/events.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import { offsetRanges, readRanges } from '../../shared/kafka/read-topic.ts'
import type { LogLine } from '../../shared/telemetry/recording-logger.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import { ServiceProcess } from '../chaos/service-process.ts'
import type { Stack } from '../native/open-stack.ts'
import { openStack } from '../native/open-stack.ts'
import { portHolder } from '../native/port-holder.ts'
import { pickFreePorts } from '../native/ports.ts'
import type { ServiceName, Services } from '../native/services.ts'
import { prepareServices, serviceNames } from '../native/services.ts'
import { fetchCheckout, sampleCheckout } from './checkouts.ts'
import { eventually } from './eventually.ts'

const drainBoundMillis = 20_000

type Kind = readonly [ends: string, Parameters<typeof sampleCheckout>[0]]
const completed: Kind = ['completed', { email: 'ada@people.example' }]
const declined: Kind = ['compensated', { email: 'bob@people.example', token: 'tok_declined' }]
const slow: Kind = ['completed', { email: 'cleo@people.example', token: 'tok_slow' }]
const soldOut: Kind = ['compensated', { email: 'fay@people.example', sku: 'SAGA-POSTER' }]
/** One payment that takes 2 s is in hand at any time; with more of them a partition would be busy for long. */
const kinds = [completed, declined, slow, soldOut, completed, declined, completed, soldOut]

interface Accepted {
  readonly checkoutId: string
  readonly ends: string
}

describe('SIGTERM', function () {
  this.timeout(120_000)

  let stack: Stack
  let services: Services
  let processes: ReadonlyMap<ServiceName, ServiceProcess>
  let placed = 0

  before(async () => {
    stack = await openStack({ ports: await pickFreePorts(), only: ['kafka', 'mongodb'] })
    services = await prepareServices(stack, {
      // The least that the broker takes: so long it keeps the place of one that could not say that it leaves.
      KAFKA_SESSION_TIMEOUT_MILLIS: '6000',
      WRITER_BEAT_INTERVAL_MILLIS: '500',
      WRITER_LEASE_MILLIS: '2000',
      // Long, so that what is handled and not committed yet is much when the end comes.
      OFFSET_COMMIT_INTERVAL_MILLIS: '5000',
      OTEL_TRACES_EXPORTER: 'none',
      OTEL_METRICS_EXPORTER: 'none',
      OTEL_LOGS_EXPORTER: 'none',
    })
    processes = new Map(serviceNames.map((name) => [name, new ServiceProcess(services, name)]))
    await stack.allReady
  })
  beforeEach(() => startAll())
  after(async () => {
    await Promise.all([...processes.values()].map((each) => each.kill()))
    await stack.down()
  })

  const startAll = async (): Promise<void> => {
    for (const each of processes.values()) if (each.life?.running !== true) each.start()
    await Promise.all([...processes.values()].map((each) => each.untilReady()))
  }

  /** Ends all at once. Each must end well, in time. @returns how long each took */
  const drainAll = async (): Promise<Record<string, number>> => {
    const startedAt = performance.now()
    const outcomes = await Promise.all(
      [...processes.values()].map(async ({ name, life }) => {
        ok(life?.running, `${name} runs`)
        process.kill(life.pid, 'SIGTERM')
        const how = await life.ended
        return { name, how, millis: Math.round(performance.now() - startedAt) }
      }),
    )
    for (const { name, how, millis } of outcomes) {
      equal(how, 'exit code 0', name)
      ok(millis < drainBoundMillis, `${name} took ${millis} ms`)
    }
    return Object.fromEntries(outcomes.map(({ name, millis }) => [name, millis]))
  }

  /** Over a connection of its own: one that is kept may be closed just as it is used. @returns undefined when refused */
  const place = async (): Promise<Accepted | undefined> => {
    const [ends, changes] = kinds[placed % kinds.length] ?? completed
    const body = sampleCheckout({ ...changes, email: `${placed++}-${changes.email}` })
    const posting = httpRequest(new URL('/checkouts', services.gatewayUrl), {
      method: 'POST',
      agent: false,
      headers: { 'content-type': 'application/json' },
    })
    posting.end(JSON.stringify(body))
    try {
      const [response] = (await once(posting, 'response')) as [HttpResponse]
      const { checkoutId } = (await jsonOf(response)) as { checkoutId?: string }
      return response.statusCode === 202 && checkoutId !== undefined ? { checkoutId, ends } : undefined
    } catch {
      return undefined
    }
  }

  /** Places checkouts at a steady rate and does something in the middle of it. @returns what was promised to end */
  const placeAround = async (inTheMiddle: () => Promise<unknown>): Promise<Accepted[]> => {
    const accepted: Accepted[] = []
    let middle: Promise<unknown> = Promise.resolve()
    await openLoop({ ratePerSecond: 25, total: 60 }, async (index) => {
      if (index === 45) middle = inTheMiddle()
      const checkout = await place()
      if (checkout) accepted.push(checkout)
    })
    await middle
    return accepted
  }

  const untilAllEnd = async (accepted: readonly Accepted[]): Promise<void> => {
    ok(accepted.length >= 20, `${accepted.length} were accepted`)
    const ended = await Promise.all(
      accepted.map(({ checkoutId, ends }) =>
        eventually(
          `the end of checkout ${checkoutId}`,
          async () => {
            const status = (await fetchCheckout(services.gatewayUrl, checkoutId))?.status ?? ''
            return ['completed', 'compensated', 'rejected'].includes(status) ? { status, ends } : undefined
          },
          { intervalMillis: 300, deadlineMillis: 60_000 },
        ),
      ),
    )
    deepEqual(
      ended.filter(({ status, ends }) => status !== ends),
      [],
    )
  }

  const freeze = async (port: number): Promise<() => void> => {
    const [, pid] = /^pid (\d+)/.exec(await portHolder(port)) ?? []
    ok(pid)
    process.kill(Number(pid), 'SIGSTOP')
    return () => process.kill(Number(pid), 'SIGCONT')
  }

  const logOf = async (name: ServiceName): Promise<LogLine[]> =>
    (await readFile(join(stack.runDirectory, `${name}.log`), 'utf8'))
      .split('\n')
      .filter((line) => line.startsWith('{'))
      .map((line) => JSON.parse(line) as LogLine)

  interface Handled {
    readonly topic: string
    readonly partition: number
    readonly offset: bigint
  }
  const handledBy = async (name: Service): Promise<Handled[]> =>
    (await logOf(name))
      .filter((line) => line['event.name'] === 'message.handled')
      .map((line) => ({
        topic: String(line['messaging.destination.name']),
        partition: Number(line['messaging.destination.partition.id']),
        offset: BigInt(String(line['messaging.kafka.offset'])),
      }))

  it('ends all services under load, with a payment in hand, a request half sent and event streams open; and nothing is done again', async () => {
    const kafka = new KafkaConnection(
      { brokers: [stack.urls.kafkaBrokers], clientId: 'tests' },
      createRecordingLogger().log,
    )
    const before = await Promise.all(consumerNames.map(async (name) => (await logOf(name)).length))

    // The third is the one whose payment takes 2 s.
    const first = await Promise.all([1, 2, 3].map((nth) => eventually(`checkout ${nth}`, place)))
    const [slow] = first.slice(-1)
    ok(slow)
    const streams = await Promise.all(
      Array.from({ length: 3 }, () => openEventStream(services.gatewayUrl, slow.checkoutId)),
    )
    const halfSent = await sendHalfOfARequest(services.gatewayUrl)
    const stalled = await sendHalfOfARequest(services.gatewayUrl)

    let took: Record<string, number> = {}
    const answers: string[] = []
    const accepted = await placeAround(async () => {
      const draining = drainAll()
      await eventually(
        'the gateway takes no connection any more',
        () => refusesConnections(services.gatewayUrl),
        {
          intervalMillis: 20,
        },
      )
      answers.push(await halfSent.finish())
      took = await draining
    })
    // The request that was under way was answered, and the streams were ended, not cut off.
    equal(answers[0]?.split('\r\n', 1)[0], 'HTTP/1.1 202 Accepted')
    for (const stream of streams) equal(await stream.ended, 'complete')
    stalled.socket.destroy()
    console.log(`      drained in ms: ${JSON.stringify(took)}`)

    const admin = kafka.client.admin()
    await admin.connect()
    for (const [index, name] of consumerNames.entries()) {
      // Nothing to warn of, and the last word is that it has stopped.
      const lines = (await logOf(name)).slice(before[index])
      const drain = lines.slice(lines.findIndex((line) => line['event.name'] === 'process.stopping'))
      deepEqual(
        drain.filter(({ level }) => level >= 40),
        [],
      )
      equal(drain.at(-1)?.['event.name'], 'process.stopped')
      // Whatever was handled the group is past.
      const offsets = await admin.fetchOffsets({ groupId: consumerGroupOf(name) })
      const committed = new Map(
        offsets.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition, offset }) => [`${topic}/${partition}`, BigInt(offset)] as const),
        ),
      )
      const handled = await handledBy(name)
      ok(handled.length > 0)
      deepEqual(
        handled.filter(
          ({ topic, partition, offset }) => (committed.get(`${topic}/${partition}`) ?? -1n) <= offset,
        ),
        [],
        `the group of ${name} is past what it has handled`,
      )
    }
    await admin.disconnect()

    await startAll()
    await untilAllEnd([...first, ...accepted])
    for (const name of consumerNames) {
      const places = (await handledBy(name)).map(
        ({ topic, partition, offset }) => `${topic}/${partition}/${offset}`,
      )
      deepEqual(places, [...new Set(places)], `${name} has handled each message once`)
    }
    const ids: string[] = []
    for (const topic of topics) {
      await readRanges(kafka, topic, await offsetRanges(kafka, topic), ({ headers }) => {
        ids.push(headers.ce_id ?? '')
      })
    }
    ok(ids.length > accepted.length)
    deepEqual(ids.sort(), [...new Set(ids)].sort(), 'each event was published once')
  })

  it('ends all services while Kafka answers nothing; what they could not send is sent by the next', async () => {
    let took: Record<string, number> = {}
    let thaw = (): unknown => undefined
    let drained: Promise<unknown> = Promise.resolve()
    const accepted = await placeAround(async () => {
      thaw = await freeze(stack.ports.kafka)
      // More requests come in and are committed before the end does.
      drained = eventually('a request that Kafka has not heard of', async () => (await place()) && true).then(
        async () => {
          took = await drainAll()
        },
      )
    })
    try {
      await drained
    } finally {
      thaw()
    }
    console.log(`      drained in ms: ${JSON.stringify(took)}`)
    await startAll()
    await untilAllEnd(accepted)
  })

  it('ends all services while the store answers nothing; what they had in hand is done by the next', async () => {
    let took: Record<string, number> = {}
    let thaw = (): unknown => undefined
    const accepted = await placeAround(async () => {
      thaw = await freeze(stack.ports.mongodb)
      try {
        took = await drainAll()
      } finally {
        thaw()
      }
    })
    console.log(`      drained in ms: ${JSON.stringify(took)}`)
    await startAll()
    await untilAllEnd(accepted)
  })
})

async function jsonOf(response: HttpResponse): Promise<unknown> {
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(chunk as Buffer)
  return JSON.parse(Buffer.concat(chunks).toString())
}

/** `ended` says whether it ended as HTTP has it or was cut off. */
async function openEventStream(
  gatewayUrl: string,
  checkoutId: string,
): Promise<{ readonly ended: Promise<'complete' | 'cut off'> }> {
  const getting = get(new URL(`/checkouts/${checkoutId}/events`, gatewayUrl), { agent: false })
  const [response] = (await once(getting, 'response')) as [HttpResponse]
  equal(response.statusCode, 200)
  const ended = new Promise<'complete' | 'cut off'>((resolve) => {
    response.on('error', () => undefined)
    response.once('close', () => resolve(response.complete ? 'complete' : 'cut off'))
  })
  response.resume()
  return { ended }
}

interface HalfSent {
  readonly socket: Socket
  /** Sends the rest. @returns the answer, as it came */
  finish(): Promise<string>
}

async function sendHalfOfARequest(gatewayUrl: string): Promise<HalfSent> {
  const { hostname, port } = new URL(gatewayUrl)
  const body = JSON.stringify(sampleCheckout({ email: 'half@people.example' }))
  const socket = connect(Number(port), hostname).setEncoding('utf8')
  let answer = ''
  socket.on('data', (text: string) => (answer += text)).on('error', () => undefined)
  const head = [
    'POST /checkouts HTTP/1.1',
    `host: ${hostname}:${port}`,
    'content-type: application/json',
    `content-length: ${Buffer.byteLength(body)}`,
  ]
  socket.write(`${head.join('\r\n')}\r\n\r\n${body.slice(0, 20)}`)
  await once(socket, 'connect')
  return {
    socket,
    finish: async () => {
      socket.write(body.slice(20))
      await once(socket, 'close')
      return answer
    },
  }
}

async function refusesConnections(url: string): Promise<true | undefined> {
  const { hostname, port } = new URL(url)
  const socket = connect(Number(port), hostname)
  try {
    await once(socket, 'connect')
    return undefined
  } catch {
    return true
  } finally {
    socket.destroy()
  }
}
