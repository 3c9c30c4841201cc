/**
 * One lap: every crash point once, on servers of its own. All services die at the same time, each again and again at
 * its next point, while checkouts keep coming; then all are left alone, everything has to end, and the checker looks.
 *
 * Half of the checkouts go to a second gateway that gives them a second: they expire on the way as often as not. The
 * others have time enough, and must end as they asked for.
 */
import { readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { services as sagaServices } from '../../shared/saga/events.ts'
import { subscriptionsOf } from '../../shared/saga/flow.ts'
import { consumerGroupOf } from '../../consumers/runtime/service.ts'
import type { ProducerMessage } from '../../shared/kafka/kafka.ts'
import { KafkaConnection } from '../../shared/kafka/kafka.ts'
import type { Failpoint, ProcessName } from '../../shared/process/failpoints.ts'
import { lastWords } from '../../shared/process/failpoints.ts'
import { createRecordingLogger } from '../../shared/telemetry/recording-logger.ts'
import { cacheDirectory } from '../native/cache-directory.ts'
import { openStack } from '../native/open-stack.ts'
import type { Stack } from '../native/open-stack.ts'
import { pickFreePorts, pickHealthPorts } from '../native/ports.ts'
import type { Services } from '../native/services.ts'
import { prepareServices, serviceNames } from '../native/services.ts'
import { eventually, NotInTime } from '../verify/eventually.ts'
import type { Verdict } from './checker.ts'
import { check } from './checker.ts'
import type { Cell } from './crash-points-cells.ts'
import { cellName, outOfOrderPoints, planOf } from './crash-points-cells.ts'
import { isPoison, poisonFor, Traffic } from './crash-points-traffic.ts'
import type { Evidence } from './evidence.ts'
import { collectEvidence, readStore, readTopics } from './evidence.ts'
import type { GroupOffsets } from './group-offsets.ts'
import { connectGroupOffsets } from './group-offsets.ts'
import { seededRandom } from './random.ts'
import type { Life } from './service-process.ts'
import { ServiceProcess } from './service-process.ts'

export interface LapOptions {
  readonly seed: number
  readonly wanted: readonly Cell[]
  /** Told of each crash as it happens, and of what the lap waits for. */
  readonly onProgress?: (line: string) => void
}

export interface Crash extends Cell {
  readonly atMillis: number
}

export interface LapResult {
  readonly seed: number
  /** In the order in which they happened, those that only led to another one included. */
  readonly crashes: readonly Crash[]
  readonly verdict: Verdict
  /** What else went wrong, for people. */
  readonly faults: readonly string[]
  /** What was not asked for, and does no harm: a service that gave up and was started again. */
  readonly notes: readonly string[]
  readonly durationMillis: number
  /** The servers' and services' logs and data, kept when anything was wrong. */
  readonly runDirectory: string
}

const quickRecovery = {
  OTEL_SDK_DISABLED: 'true',
  NODE_COMPILE_CACHE: join(cacheDirectory(process.env), 'compiled'),
  KAFKA_SESSION_TIMEOUT_MILLIS: '1500',
  OFFSET_COMMIT_INTERVAL_MILLIS: '200',
  WRITER_BEAT_INTERVAL_MILLIS: '200',
  WRITER_LEASE_MILLIS: '1000',
  DEADLINE_CHECK_INTERVAL_MILLIS: '250',
  CHECKOUT_DEADLINE_MILLIS: '600000',
}
/**
 * The gateways and checkout look after the same writers. Each has to find what its own last life has left, however long
 * it takes to be back on a busy machine; so the others take nobody for dead meanwhile.
 */
const patientWithWriters = { WRITER_LEASE_MILLIS: '60000' }
const sharesWriters: ReadonlySet<ProcessName> = new Set(['gateway', 'checkout'])
const sweepPoints: ReadonlySet<Failpoint> = new Set(['sweep-read', 'sweep-published'])
const placingIntervalMillis = 300
/**
 * How long a crash may take to come about, and how long each try of one that needs another before it; both from when the
 * service is ready, which takes a busy machine its time.
 */
const startMillis = 120_000
const reachMillis = 90_000
const feedAgainMillis = 8_000
/** How many tries those get. */
const feedings = 8
const settleMillis = 120_000

/** The second gateway by its place in the traffic. */
const hasty = 1

export async function runLap(options: LapOptions): Promise<LapResult> {
  const ports = await pickFreePorts()
  const properties = { 'group.min.session.timeout.ms': '500' }
  const stack = await openStack({ ports, only: ['kafka', 'mongodb'], kafka: { properties } })
  let keepRunDirectory = true
  try {
    await stack.allReady
    const result = await new Lap(
      options,
      stack,
      await prepareServices(stack, quickRecovery, { imports: [] }),
    ).run()
    keepRunDirectory = result.faults.length > 0 || result.verdict.findings.length > 0
    return result
  } finally {
    await stack.down({ keepRunDirectory })
  }
}

class Lap {
  readonly #options: LapOptions
  readonly #stack: Stack
  readonly #services: Services
  readonly #processes: ReadonlyMap<ProcessName, ServiceProcess>
  readonly #crashes: Crash[] = []
  readonly #faults: string[] = []
  readonly #notes: string[] = []
  /** Lives that were ended from here. */
  readonly #stopped = new WeakSet<Life>()
  readonly #startedAt = performance.now()

  constructor(options: LapOptions, stack: Stack, services: Services) {
    this.#options = options
    this.#stack = stack
    this.#services = services
    this.#processes = new Map(serviceNames.map((name) => [name, new ServiceProcess(services, name)]))
  }

  async run(): Promise<LapResult> {
    const { mongodbUrl, kafkaBrokers } = this.#stack.urls
    const { log } = createRecordingLogger()
    const kafka = new KafkaConnection({ brokers: [kafkaBrokers], clientId: 'crash-points' }, log)
    await kafka.ensureTopics(6)
    const producer = await kafka.connectProducer()
    const offsets = await connectGroupOffsets(kafkaBrokers)
    const { hasty: hastyPort } = await pickHealthPorts(['hasty'])
    const hastyGateway = new ServiceProcess(this.#services, 'gateway')
    const traffic = new Traffic([this.#services.gatewayUrl, `http://127.0.0.1:${hastyPort}`])
    const places = { mongodbUrl, kafkaBroker: kafkaBrokers }
    try {
      hastyGateway.start({
        GATEWAY_PORT: String(hastyPort),
        CHECKOUT_DEADLINE_MILLIS: '1000',
        ...patientWithWriters,
      })
      traffic.start(placingIntervalMillis)
      await Promise.all(
        [...this.#processes.keys()].map((name) => this.#crashOnPlan(name, traffic, producer.send)),
      )
      await traffic.stop()
      await this.#stop('gateway')
      this.#keepRunning('gateway', { isPatient: false })
      await this.#untilQuiet(places, offsets)
      for (const point of outOfOrderPoints) {
        if (!this.#wants({ service: 'users', point })) continue
        await this.#crashOutOfOrder(point, traffic, offsets)
        await this.#untilQuiet(places, offsets)
      }
      await Promise.all([hastyGateway.stop(), ...serviceNames.map((name) => this.#stop(name))])
      const evidence = await collectEvidence(places, traffic.told)
      this.#checkDeadLetters(evidence)
      return {
        seed: this.#options.seed,
        crashes: this.#crashes,
        verdict: check(withoutPoison(evidence)),
        faults: this.#faults,
        notes: this.#notes,
        durationMillis: performance.now() - this.#startedAt,
        runDirectory: this.#stack.runDirectory,
      }
    } finally {
      for (const { life } of this.#processes.values()) if (life) this.#stopped.add(life)
      await Promise.all([hastyGateway, ...this.#processes.values()].map((process) => process.kill()))
      await Promise.all([producer.disconnect(), offsets.close()])
    }
  }

  /** Has a service die at each point that is wanted, and leaves it running. */
  async #crashOnPlan(
    name: ProcessName,
    traffic: Traffic,
    send: (messages: ProducerMessage[]) => Promise<void>,
  ): Promise<void> {
    const { seed, wanted } = this.#options
    // Each service has numbers of its own, so that a lap of one service alone goes the same way.
    const random = seededRandom(seed + 1_000_003 * serviceNames.indexOf(name))
    const provoking = (point: Failpoint) => async () => {
      if (point === 'dead-letter-sent' && name !== 'gateway') await send([poisonFor(name)])
      // Most of the captures that this leaves are of checkouts that expire before payments is back: a refund is due.
      if (point === 'capture-answered') for (let count = 0; count < 4; count++) void traffic.place(hasty)
    }
    for (const { point, arrival, feeder } of planOf(name, wanted, random)) {
      const waitMillis = feeder ? feedAgainMillis : reachMillis
      let triesLeft = feeder ? feedings : 1
      while (!(await this.#crash(name, point, { arrival, waitMillis, provoke: provoking(point) }))) {
        triesLeft -= 1
        if (triesLeft === 0) {
          this.#fault(`${name} never came by ${point}`)
          break
        }
        if (feeder) await this.#crash(name, feeder, { provoke: provoking(feeder) })
      }
    }
    this.#keepRunning(name)
  }

  /** Runs it unarmed from now on. What ends by itself is started again, as an orchestrator would, and noted. */
  #keepRunning(name: ProcessName, { isPatient = true } = {}): void {
    const life = this.#start(name, {}, isPatient)
    void life.ended.then((how) => {
      if (life !== this.#process(name).life || this.#stopped.has(life)) return
      this.#note(`${name} ended by itself: ${how}`)
      this.#keepRunning(name, { isPatient })
    })
  }

  /** Drains it, if it runs. */
  async #stop(name: ProcessName): Promise<void> {
    const { life } = this.#process(name)
    if (!life) return
    this.#stopped.add(life)
    await life.stop(15_000)
  }

  /**
   * A cancellation overtakes the request that it cancels: users sees what lies on `checkouts` later. Once with nothing
   * claimed (`bar-entered`), once with a claim that a crash has kept from the stream.
   */
  async #crashOutOfOrder(point: Failpoint, traffic: Traffic, offsets: GroupOffsets): Promise<void> {
    const group = consumerGroupOf('users')
    const users = this.#process('users')
    await this.#stop('users')
    const before = await offsets.of(group, 'checkouts')
    if (point === 'bar-refused') {
      const provoke = async () => {
        await users.untilReady()
        await traffic.place(hasty)
      }
      if (!(await this.#crash('users', 'claim-entered', { provoke }))) {
        this.#fault('users never came by claim-entered')
      }
    } else await traffic.place(hasty)
    await this.#untilCancelled()
    await offsets.set(group, 'checkouts', await offsets.endOf('checkouts'))
    if (!(await this.#crash('users', point))) this.#fault(`users never came by ${point}`)
    await offsets.set(group, 'checkouts', before)
    this.#keepRunning('users')
  }

  /** Waits until orders has cancelled, and so will publish that, whatever users has not registered. */
  async #untilCancelled(): Promise<void> {
    const { mongodbUrl, kafkaBrokers } = this.#stack.urls
    await eventually('the last checkout is cancelled', async () => {
      const { commits } = await readStore({ mongodbUrl, kafkaBroker: kafkaBrokers })
      const requested = commits.filter(({ service, version }) => service === 'checkout' && version === 1)
      const last = requested.sort((one, other) => one.atMillis - other.atMillis).at(-1)
      const isCancellation = commits.some(
        ({ checkoutId, events }) =>
          checkoutId === last?.checkoutId && events.some(({ type }) => type === 'OrderCancelled'),
      )
      return isCancellation || undefined
    })
  }

  /**
   * Starts a service so that it dies at a point, and waits until it has.
   * @returns false when it did not come by in time; then it is stopped
   */
  async #crash(
    name: ProcessName,
    point: Failpoint,
    { arrival = 1, waitMillis = reachMillis, provoke }: CrashOptions = {},
  ): Promise<boolean> {
    await this.#stop(name)
    const startedAt = performance.now()
    const life = this.#start(name, { FAILPOINT: `${point}@${arrival}` }, !sweepPoints.has(point))
    await provoke?.()
    const waiting = new AbortController()
    const late = this.#process(name)
      .untilReady(startMillis)
      .catch(() => undefined) // one that ends before is no longer waited for
      .then(() => delay(waitMillis, undefined, { signal: waiting.signal }))
      .then(
        () => 'late' as const,
        () => 'ended' as const,
      )
    const outcome = await Promise.race([life.ended, late])
    waiting.abort()
    if (outcome === 'late') {
      this.#options.onProgress?.(`${name} has not come by ${point} for ${waitMillis / 1_000} s`)
      // It may just have.
      await life.stop(15_000)
    }
    if ((await life.ended) !== 'signal SIGKILL' || !this.#saidLastWords(name, point)) {
      if (outcome === 'late') return false
      this.#note(`${name} ended by itself: ${outcome}`)
      return this.#crash(name, point, { arrival, waitMillis, ...(provoke && { provoke }) })
    }
    this.#crashes.push({ service: name, point, atMillis: Date.now() })
    const seconds = ((performance.now() - startedAt) / 1_000).toFixed(1)
    this.#options.onProgress?.(`${cellName({ service: name, point })}@${arrival} after ${seconds} s`)
    return true
  }

  #logStart = new Map<ProcessName, number>()

  /** @param isPatient with writers that give no sign of life, where it shares them with other processes */
  #start(name: ProcessName, environment: NodeJS.ProcessEnv, isPatient: boolean): Life {
    this.#logStart.set(name, statSync(this.#logOf(name), { throwIfNoEntry: false })?.size ?? 0)
    const patience = isPatient && sharesWriters.has(name) && patientWithWriters
    return this.#process(name).start({ ...patience, ...environment })
  }

  /** SIGKILL may come from elsewhere, for instance when memory runs out. */
  #saidLastWords(name: ProcessName, point: Failpoint): boolean {
    const log = readFileSync(this.#logOf(name)).subarray(this.#logStart.get(name))
    return log.includes(`${lastWords(point)}\n`)
  }

  #logOf(name: ProcessName): string {
    return this.#services.command(name).logFile
  }

  /** Every checkout has ended, everything is on its topic, and every group has read to the end. */
  async #untilQuiet(
    places: { mongodbUrl: string; kafkaBroker: string },
    offsets: GroupOffsets,
  ): Promise<void> {
    const look = async (): Promise<string | undefined> => {
      for (const service of sagaServices) {
        const lag = await offsets.lag(consumerGroupOf(service), subscriptionsOf(service))
        if (lag > 0) return `${service} has messages before it`
      }
      const { commits } = await readStore(places)
      const open = new Set(commits.map(({ checkoutId }) => checkoutId))
      for (const { service, checkoutId, events } of commits) {
        if (service === 'checkout' && events.some(({ type }) => ends.has(type))) open.delete(checkoutId)
      }
      if (open.size > 0) return 'checkouts have not ended'
      const { messages } = await readTopics(places.kafkaBroker)
      const onTopics = new Set(messages.map(({ eventId }) => eventId))
      // A commit's events are sent together.
      return commits.some(({ id }) => !onTopics.has(`${id}/0`)) ? 'not everything is on its topic' : undefined
    }
    let last: string | undefined = ''
    try {
      await eventually(
        'quiet',
        async () => {
          const before = last
          last = await look()
          if (last !== before) this.#options.onProgress?.(last ?? 'all is quiet')
          return last === undefined || undefined
        },
        { deadlineMillis: settleMillis, intervalMillis: 200 },
      )
    } catch (error) {
      if (!(error instanceof NotInTime)) throw error
      this.#fault(`${settleMillis / 1_000} s after the last crash: ${last}`)
    }
  }

  /** Each message that could not be read has its dead letter, or several when there was a crash right after it. */
  #checkDeadLetters({ messages, deadLetters }: Evidence): void {
    const kept = new Set(deadLetters.map(({ origin }) => origin))
    for (const { topic, partition, offset } of messages.filter(isPoison)) {
      const place = `${topic}/${partition}@${offset}`
      if (!kept.has(place)) this.#fault(`the unreadable message at ${place} has no dead letter`)
    }
  }

  #wants({ service, point }: Cell): boolean {
    return this.#options.wanted.some((cell) => cell.service === service && cell.point === point)
  }

  #process(name: ProcessName): ServiceProcess {
    const process = this.#processes.get(name)
    if (!process) throw new Error(`there is no service ${name}`)
    return process
  }

  #note(what: string): void {
    this.#notes.push(what)
    this.#options.onProgress?.(what)
  }

  #fault(what: string): void {
    this.#faults.push(what)
    this.#options.onProgress?.(what)
  }
}

interface CrashOptions {
  readonly arrival?: number
  readonly waitMillis?: number
  /** Does what leads to the point, once the process is started. */
  readonly provoke?: () => Promise<void>
}

const ends = new Set(['CheckoutCompleted', 'CheckoutCompensated', 'CheckoutRejected'])

/** The checker takes every unreadable message and every dead letter for a fault; these were asked for. */
function withoutPoison(evidence: Evidence): Evidence {
  const poison = evidence.messages.filter(isPoison)
  const places = new Set(poison.map(({ topic, partition, offset }) => `${topic}/${partition}@${offset}`))
  return {
    ...evidence,
    messages: evidence.messages.filter((message) => !isPoison(message)),
    deadLetters: evidence.deadLetters.filter(({ origin }) => !places.has(origin)),
  }
}
