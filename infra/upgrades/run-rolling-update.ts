/** One rolling update: everything up, a steady load, one replica after the other, everything judged, everything down. */
import { setTimeout as delay } from 'node:timers/promises'
import { check } from '../chaos/checker.ts'
import type { Verdict } from '../chaos/checker.ts'
import { planCheckouts } from '../chaos/checkout-mix.ts'
import type { Client } from '../chaos/clients.ts'
import { newClient, placeAsClient } from '../chaos/clients.ts'
import type { Evidence } from '../chaos/evidence.ts'
import { collectEvidence } from '../chaos/evidence.ts'
import { seededRandom } from '../chaos/random.ts'
import { openStack } from '../native/open-stack.ts'
import { pickFreePorts } from '../native/ports.ts'
import type { ServiceName } from '../native/services.ts'
import { openLoop } from '../../producers/load/open-loop.ts'
import { Balancer, prepareReplicas } from './replicas.ts'
import type { Replica } from './replicas.ts'
import type { RollingUpdateOptions } from './rolling-update-options.ts'

export interface Restart {
  readonly service: ServiceName
  readonly replica: number
  /** From SIGTERM to its end. */
  readonly drainMillis: number
  readonly ended: string
  /** From its start to its readiness. */
  readonly startMillis: number
}

export interface RollingUpdateResult extends Verdict {
  readonly seed: number
  readonly restarts: readonly Restart[]
  /** From the request's commit to the end's, over all that ended: median, 99th percentile, longest. */
  readonly toEndMillis: { readonly p50: number; readonly p99: number; readonly longest: number }
  readonly tookMillis: number
}

export interface RollingUpdateRun {
  readonly onStop: (stop: () => Promise<void>) => void
  readonly say: (line: string) => void
}

const replicasOfEach = 2
/** Before the first restart and after the last. */
const marginMillis = 3_000
/**
 * From a gateway's being taken out of the balancer to its SIGTERM. With the 4 s that it gives to requests under way it is
 * longer than a client waits, so none of them is cut off.
 */
const preStopMillis = 1_500
/** A service drains for 20 s at most. */
const drainDeadlineMillis = 25_000
/** A checkout that nobody works on expires after two minutes, and has to be taken back then. */
const settleMillis = 150_000
/** More than any run places. */
const mostCheckouts = 20_000

/** @throws Error when a server does not start or ends by itself: then nothing was shown */
export async function runRollingUpdate(
  options: RollingUpdateOptions,
  { onStop, say }: RollingUpdateRun,
): Promise<RollingUpdateResult> {
  const { seed, ratePerSecond } = options
  const startedAt = Date.now()
  const stack = await openStack({
    ports: await pickFreePorts(),
    only: ['kafka', 'mongodb'],
    alsoReserve: ['gateway'],
  })
  onStop(() => stack.down())
  const failure = stack.failed.then((error) => {
    throw error
  })
  failure.catch(() => undefined)

  const run = async (): Promise<RollingUpdateResult> => {
    await stack.allReady
    const replicas = await prepareReplicas(stack, replicasOfEach)
    const all = [...replicas.values()].flat()
    const stopping = new AbortController()
    const { signal } = stopping
    onStop(async () => {
      stopping.abort()
      await Promise.all(all.map((replica) => replica.process.stop()))
    })
    for (const { process } of all) process.start()
    await Promise.all(all.map(({ process }) => process.untilReady()))
    say(`Two of each are up after ${seconds(Date.now() - startedAt)}. Seed ${seed}.`)

    const balancer = new Balancer(replicas.get('gateway') ?? [])
    const plans = planCheckouts(mostCheckouts, String(seed), seededRandom(seed))
    const clients: Client[] = []
    const load = new AbortController()
    const clientOptions = {
      // Asked anew for each attempt.
      get gatewayUrl() {
        return balancer.next()
      },
      timeoutMillis: 5_000,
      patienceMillis: 30_000,
      signal,
    }
    const loaded = openLoop({ ratePerSecond, total: plans.length, signal: load.signal }, async (index) => {
      const plan = plans[index]
      if (!plan) return
      const client = newClient(plan)
      clients.push(client)
      await placeAsClient(client, plan, clientOptions)
    })
    const rollout = async (): Promise<Restart[]> => {
      const restarts: Restart[] = []
      await delay(marginMillis, undefined, { signal })
      for (let round = 0; round < options.rounds; round++) {
        for (const service of options.services) {
          for (const [index, replica] of (replicas.get(service) ?? []).slice(0, options.replicas).entries()) {
            const restart = { service, replica: index + 1, ...(await restarted(replica, balancer)) }
            restarts.push(restart)
            say(`${clients.length} placed. ${describeRestart(restart)}`)
            await delay(options.pauseMillis, undefined, { signal })
          }
        }
      }
      await delay(marginMillis, undefined, { signal })
      return restarts
    }
    const restarts = await rollout().finally(() => load.abort())
    await loaded
    say(`${clients.length} placed. Waiting for the last of them.`)
    const places = { mongodbUrl: stack.urls.mongodbUrl, kafkaBroker: stack.urls.kafkaBrokers }
    const { evidence, verdict } = await judge(places, clients)
    return {
      ...verdict,
      seed,
      restarts,
      toEndMillis: timesToEnd(evidence),
      tookMillis: Date.now() - startedAt,
    }
  }
  return Promise.race([run(), failure])
}

async function restarted(
  replica: Replica,
  balancer: Balancer,
): Promise<Omit<Restart, 'service' | 'replica'>> {
  const { process: service } = replica
  const isGateway = service.name === 'gateway'
  if (isGateway) {
    balancer.takeOut(replica)
    await delay(preStopMillis)
  }
  const stoppedAt = performance.now()
  const { life } = service
  if (life?.running === true) process.kill(life.pid, 'SIGTERM')
  const ended = await Promise.race([life?.ended, delay(drainDeadlineMillis, undefined, { ref: false })])
  await service.kill()
  const startedAt = performance.now()
  service.start()
  await service.untilReady()
  if (isGateway) balancer.putBack(replica)
  return {
    ended: ended ?? `force, after ${seconds(drainDeadlineMillis)}`,
    drainMillis: Math.round(startedAt - stoppedAt),
    startMillis: Math.round(performance.now() - startedAt),
  }
}

/** Asks again while some have not ended or are still being published. */
async function judge(
  places: { readonly mongodbUrl: string; readonly kafkaBroker: string },
  clients: readonly Client[],
): Promise<{ evidence: Evidence; verdict: Verdict }> {
  const deadline = Date.now() + settleMillis
  for (;;) {
    const evidence = await collectEvidence(places, clients)
    const verdict = check(evidence)
    const underWay = verdict.findings.some(({ kind }) => kind === 'not-terminal' || kind === 'not-published')
    if (!underWay || Date.now() > deadline) return { evidence, verdict }
    await delay(1_000)
  }
}

const terminalTypes = new Set(['CheckoutCompleted', 'CheckoutCompensated', 'CheckoutRejected'])

function timesToEnd({ commits }: Evidence): RollingUpdateResult['toEndMillis'] {
  const requestedAt = new Map<string, number>()
  const endedAt = new Map<string, number>()
  for (const { checkoutId, atMillis, events } of commits) {
    if (events.some(({ type }) => type === 'CheckoutRequested')) requestedAt.set(checkoutId, atMillis)
    if (events.some(({ type }) => terminalTypes.has(type))) endedAt.set(checkoutId, atMillis)
  }
  const times = [...endedAt]
    .map(([checkoutId, atMillis]) => atMillis - (requestedAt.get(checkoutId) ?? atMillis))
    .sort((one, other) => one - other)
  const at = (share: number) => times[Math.max(0, Math.ceil(times.length * share) - 1)] ?? 0
  return { p50: at(0.5), p99: at(0.99), longest: at(1) }
}

/**
 * Of all clients; one of ten has no key and asks but once. When more were never told anything, patient ones gave up: the
 * load was refused, and little of the update seen.
 */
const mostUnanswered = 0.1

/** What a client sees of a gateway that went away under its request; busy ones answer 503, or too late. */
const brokenConnections = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'UND_ERR_SOCKET'])

/** What is wrong, in words; nothing when nothing is. */
export function faultsOf({ findings, counts, restarts }: Omit<RollingUpdateResult, 'toEndMillis'>): string[] {
  const broken = Object.entries(counts.failedRequests).filter(([why]) => brokenConnections.has(why))
  const { accepted, unanswered } = counts
  const unwell = restarts.filter(({ ended }) => ended !== 'exit code 0')
  return [
    ...findings.map(({ kind, about, detail }) => `${kind} ${about}: ${detail}`),
    ...broken.map(([why, count]) => `${count} requests were cut off: ${why}`),
    ...unwell.map(({ service, replica, ended }) => `${service} ${replica} ended by ${ended}`),
    ...(accepted === 0 ? ['no checkout was accepted, so nothing was shown'] : []),
    ...(unanswered > (accepted + unanswered) * mostUnanswered
      ? [`${unanswered} of ${accepted + unanswered} clients were never told anything`]
      : []),
  ]
}

export function describeResult(result: RollingUpdateResult): string {
  const { counts, restarts, toEndMillis } = result
  const faults = faultsOf(result)
  return [
    ...restarts.map(describeRestart),
    '',
    `${counts.accepted} clients were told 202; ${counts.ended.completed} checkouts completed, ` +
      `${counts.ended.compensated} compensated (${counts.expired} because their deadline had passed), ` +
      `${counts.ended.rejected} rejected.`,
    `Requests that failed, and were sent again where they had a key: ${JSON.stringify(counts.failedRequests)}.`,
    `To the end: median ${toEndMillis.p50} ms, 99th percentile ${toEndMillis.p99} ms, longest ${toEndMillis.longest} ms.`,
    `${counts.duplicateMessages} of ${counts.messages} messages on the topics are copies.`,
    `All of it took ${seconds(result.tookMillis)}. Seed ${result.seed}.`,
    ...faults.map((fault) => `  ${fault}`),
    faults.length === 0 ? 'PASSED.' : `FAILED: ${faults.length} faults.`,
  ].join('\n')
}

const describeRestart = ({ service, replica, drainMillis, startMillis, ended }: Restart): string =>
  `${service.padEnd(8)} ${replica}: drained in ${seconds(drainMillis)} (${ended}), ready after ${seconds(startMillis)}`

const seconds = (millis: number): string => `${(millis / 1_000).toFixed(1)} s`
