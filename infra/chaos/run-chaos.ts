/** One run: everything up, checkouts placed, faults injected, evidence collected and judged, everything down. */
import { createReadStream } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as delay } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import type { Stack } from '../native/open-stack.ts'
import { openStack } from '../native/open-stack.ts'
import { pickFreePorts, pickHealthPorts } from '../native/ports.ts'
import { prepareServices } from '../native/services.ts'
import { openLoop } from '../../producers/load/open-loop.ts'
import type { ChaosOptions } from './chaos-options.ts'
import type { Verdict } from './checker.ts'
import { check } from './checker.ts'
import { planCheckouts } from './checkout-mix.ts'
import type { Client } from './clients.ts'
import { newClient, placeAsClient } from './clients.ts'
import type { Evidence } from './evidence.ts'
import { collectEvidence } from './evidence.ts'
import type { InjectedFault } from './fault-injector.ts'
import { FaultInjector } from './fault-injector.ts'
import { startFaultProxy } from './fault-proxy.ts'
import { describeFault, killable, scheduleFaults } from './fault-schedule.ts'
import { seededRandom } from './random.ts'
import { Supervisor } from './supervisor.ts'

export interface ChaosResult extends Verdict {
  readonly seed: number
  readonly faults: readonly RecoveredFault[]
  /** Services that ended by themselves, or hung and were ended. */
  readonly unplannedEnds: readonly { readonly service: string; readonly how: string }[]
  /** Messages that a service was given more than once. */
  readonly redeliveries: number
  /** From the last fault's end to the end of the last checkout; 0 when none ended after it. */
  readonly lastEndAfterLastFaultMillis: number
  readonly tookMillis: number
}

/** Times count from the fault's beginning. */
export interface RecoveredFault extends InjectedFault {
  /** Until the last of the checkouts that it met had ended; undefined when one of them never did. */
  readonly caughtUpAfterMillis: number | undefined
}

export interface ChaosRun {
  readonly onStop: (stop: () => Promise<void>) => void
  readonly say: (line: string) => void
}

const clientTimeoutMillis = 5_000
/** Nobody places a checkout for longer than this. */
const clientPatienceMillis = 60_000
const progressIntervalMillis = 5_000
/** How long publishing may lag behind the last end: a dead writer's lease, its recovery, and some more. */
const publishingMillis = 30_000

/** @throws Error when a server does not start or ends by itself: then nothing was shown */
export async function runChaos(options: ChaosOptions, { onStop, say }: ChaosRun): Promise<ChaosResult> {
  const { seed, checkouts, ratePerSecond, sessionTimeoutMillis } = options
  const startedAt = Date.now()
  const random = seededRandom(seed)
  const plans = planCheckouts(checkouts, String(seed), random)
  const loadMillis = (checkouts * 1_000) / ratePerSecond
  const schedule = scheduleFaults(
    {
      counts: options.faults,
      fromMillis: 0.05 * loadMillis,
      untilMillis: 0.9 * loadMillis,
      sessionTimeoutMillis,
    },
    random,
  )
  say(`Seed ${seed}: ${checkouts} checkouts at ${ratePerSecond} a second, ${schedule.length} faults.`)

  const ports = await pickFreePorts()
  const { listener } = await pickHealthPorts(['listener'])
  const proxies = {
    kafka: await startFaultProxy({ targetPort: listener }),
    mongodb: await startFaultProxy({ targetPort: ports.mongodb }),
    collector: await startFaultProxy({ targetPort: ports.otlpHttp }),
    gateway: await startFaultProxy({ targetPort: ports.gateway }),
  }
  onStop(async () => {
    await Promise.all(Object.values(proxies).map((proxy) => proxy.close()))
  })
  const local = (port: number) => `127.0.0.1:${port}`
  const stack = await openStack({
    ports,
    only: ['kafka', 'mongodb', 'collector'],
    alsoReserve: ['gateway'],
    kafka: {
      listeners: [
        { name: 'PROXIED', protocol: 'PLAINTEXT', port: listener, advertisedPort: proxies.kafka.port },
      ],
    },
  })
  let keepRunDirectory = false
  onStop(() => stack.down(keepRunDirectory ? { keepRunDirectory } : {}))
  const direct = { mongodbUrl: stack.urls.mongodbUrl, kafkaBroker: stack.urls.kafkaBrokers }
  const services = await prepareServices(stack, {
    OTEL_METRIC_EXPORT_INTERVAL: '10000',
    KAFKA_SESSION_TIMEOUT_MILLIS: String(sessionTimeoutMillis),
    KAFKA_BROKERS: local(proxies.kafka.port),
    MONGODB_URL: stack.urls.mongodbUrl.replace(local(ports.mongodb), local(proxies.mongodb.port)),
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://${local(proxies.collector.port)}`,
    ...options.environment,
  })
  const unplannedEnds: { service: string; how: string }[] = []
  const supervisor = new Supervisor(services, {
    onEnd: (service, how) => {
      unplannedEnds.push({ service, how })
      say(`${clock()}  ${service} ended by itself: ${how}`)
    },
  })
  const stopping = new AbortController()
  onStop(() => {
    stopping.abort()
    return supervisor.stop()
  })
  const { signal } = stopping
  const failure = stack.failed.then((error) => {
    throw error
  })
  failure.catch(() => undefined)
  let loadStartedAt = Date.now()
  const clock = () => seconds(Date.now() - loadStartedAt).padStart(8)

  const run = async (): Promise<ChaosResult> => {
    await stack.allReady
    await supervisor.start()
    signal.throwIfAborted()
    const open = await OpenCheckouts.watch(direct.mongodbUrl)
    say(`Everything is up after ${seconds(Date.now() - startedAt)}.`)

    loadStartedAt = Date.now()
    const clients: Client[] = []
    const injector = new FaultInjector({ supervisor, server: (name) => stack.server(name), proxies, signal })
    const progress = () => {
      const accepted = clients.filter(({ answers }) => answers.some(({ kind }) => kind === 'accepted')).length
      return `${clients.length} placed, ${accepted} accepted, ${open.ended} ended`
    }
    const loaded = new AbortController()
    const ticking = async () => {
      while (!loaded.signal.aborted) {
        await delay(progressIntervalMillis, undefined, { signal: loaded.signal }).catch(() => undefined)
        await open.look(clients)
        say(`${clock()}  ${progress()}`)
      }
    }
    const ticked = ticking()
    try {
      const [, faults] = await Promise.all([
        openLoop({ ratePerSecond, total: checkouts, signal }, (index) => {
          const plan = plans[index]
          if (!plan) return Promise.resolve()
          const client = newClient(plan)
          clients.push(client)
          return placeAsClient(client, plan, {
            gatewayUrl: `http://${local(proxies.gateway.port)}`,
            timeoutMillis: clientTimeoutMillis,
            patienceMillis: clientPatienceMillis,
            signal,
          })
        }),
        Promise.all(
          schedule.map(async (fault) => {
            await delay(fault.atMillis, undefined, { signal })
            const injected = await injector.inject(fault, () => {
              say(`${clock()}  ${describeFault(fault)}`)
            })
            const took = seconds(injected.mendedAtMillis - injected.atMillis)
            say(`${clock()}  ${describeFault(fault)}: mended after ${took}`)
            return injected
          }),
        ),
      ])
      const lastFaultAt = Math.max(...faults.map(({ mendedAtMillis }) => mendedAtMillis))
      say(`${clock()}  all placed, all faults mended; waiting for the last checkouts`)
      while ((await open.look(clients)) > 0 && Date.now() < lastFaultAt + options.settleMillis)
        await delay(500)
      loaded.abort()
      await ticked
      say(`${clock()}  collecting the evidence`)
      const { evidence, verdict } = await judge(direct, clients)
      if (verdict.findings.length > 0) {
        keepRunDirectory = true
        say(`Logs and data are kept in ${stack.runDirectory}`)
      }
      const { lastEndAtMillis = 0 } = verdict.counts
      return {
        ...verdict,
        seed,
        unplannedEnds,
        faults: faults.map((fault) => ({ ...fault, caughtUpAfterMillis: caughtUpAfter(fault, evidence) })),
        redeliveries: await countRedeliveries(stack),
        lastEndAfterLastFaultMillis: Math.max(0, lastEndAtMillis - lastFaultAt),
        tookMillis: Date.now() - startedAt,
      }
    } finally {
      loaded.abort()
      await open.close()
    }
  }
  return Promise.race([run(), failure])
}

/** Everything has ended, but some of it may still have to be published: asks again until it is, or had its time. */
async function judge(
  direct: { readonly mongodbUrl: string; readonly kafkaBroker: string },
  clients: readonly Client[],
): Promise<{ evidence: Evidence; verdict: Verdict }> {
  const deadline = Date.now() + publishingMillis
  for (;;) {
    const evidence = await collectEvidence(direct, clients)
    const verdict = check(evidence)
    const mayStillBePublished = verdict.findings.some(({ kind }) => kind === 'not-published')
    if (!mayStillBePublished || Date.now() > deadline) return { evidence, verdict }
    await delay(1_000)
  }
}

const terminalTypes = new Set(['CheckoutCompleted', 'CheckoutCompensated', 'CheckoutRejected'])

/** Follows, straight in the store, which of the accepted checkouts have not ended; for the progress only. */
class OpenCheckouts {
  ended = 0
  readonly #client: MongoClient
  /** The version up to which each stream is known. */
  readonly #open = new Map<string, number>()
  readonly #known = new Set<string>()
  #looking: Promise<number> = Promise.resolve(0)

  private constructor(client: MongoClient) {
    this.#client = client
  }

  static async watch(mongodbUrl: string): Promise<OpenCheckouts> {
    const client = new MongoClient(mongodbUrl, { serverSelectionTimeoutMS: 2_000, socketTimeoutMS: 2_000 })
    await client.connect()
    return new OpenCheckouts(client)
  }

  /** @returns how many accepted ones have not ended; never rejects: while the store is away it says what it knows */
  look(clients: readonly Client[]): Promise<number> {
    this.#looking = this.#looking.then(async () => {
      for (const { answers } of clients) {
        for (const answer of answers) {
          if (answer.kind !== 'accepted' || this.#known.has(answer.checkoutId)) continue
          this.#known.add(answer.checkoutId)
          this.#open.set(answer.checkoutId, 1)
        }
      }
      await this.#advance().catch(() => undefined)
      return this.#open.size
    })
    return this.#looking
  }

  close(): Promise<void> {
    return this.#client.close()
  }

  async #advance(): Promise<void> {
    const commits = this.#client
      .db('sagascope-checkout')
      .collection<{ _id: string; events: { type: string }[] }>('commits')
    for (const [checkoutId, version] of [...this.#open]) {
      const next = await commits.findOne({ _id: `checkout/${checkoutId}@${version + 1}` })
      if (!next) continue
      if (next.events.some(({ type }) => terminalTypes.has(type))) {
        this.#open.delete(checkoutId)
        this.ended += 1
      } else this.#open.set(checkoutId, version + 1)
    }
  }
}

/** Until every checkout that had been accepted before the fault was mended, and not ended before it began, ended. */
function caughtUpAfter(
  { atMillis, mendedAtMillis }: InjectedFault,
  { told, commits }: Evidence,
): number | undefined {
  const acceptedAt = new Map<string, number>()
  for (const { answers } of told) {
    for (const answer of answers) {
      if (answer.kind === 'accepted' && !acceptedAt.has(answer.checkoutId)) {
        acceptedAt.set(answer.checkoutId, answer.atMillis)
      }
    }
  }
  const endedAt = new Map<string, number>()
  for (const commit of commits) {
    if (commit.events.some(({ type }) => terminalTypes.has(type)))
      endedAt.set(commit.checkoutId, commit.atMillis)
  }
  let last = mendedAtMillis
  for (const [checkoutId, accepted] of acceptedAt) {
    if (accepted > mendedAtMillis) continue
    const ended = endedAt.get(checkoutId)
    if (ended === undefined) return undefined
    last = Math.max(last, ended)
  }
  return last - atMillis
}

/** By the services' own logs: each message handled beyond the first time. */
async function countRedeliveries(stack: Stack): Promise<number> {
  let redeliveries = 0
  for (const service of killable) {
    const handled = new Set<string>()
    const lines = createInterface({ input: createReadStream(join(stack.runDirectory, `${service}.log`)) })
    for await (const line of lines) {
      if (!line.includes('"message.handled"')) continue
      const place = ['destination.name', 'destination.partition.id', 'kafka.offset']
        .map((name) => new RegExp(`"messaging.${name}":"([^"]*)"`).exec(line)?.[1])
        .join('/')
      if (handled.has(place)) redeliveries += 1
      handled.add(place)
    }
  }
  return redeliveries
}

const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1)} s`
