/** The soak itself: everything running, a steady load, and a sample of each process every few seconds. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { openLoop } from '../../producers/load/open-loop.ts'
import type { PlannedCheckout } from '../chaos/checkout-mix.ts'
import { planCheckouts } from '../chaos/checkout-mix.ts'
import { seededRandom } from '../chaos/random.ts'
import { ServiceProcess } from '../chaos/service-process.ts'
import { openStack } from '../native/open-stack.ts'
import { pickFreePorts } from '../native/ports.ts'
import { pidOf } from '../native/server-process.ts'
import type { Stop } from '../native/run-until-stopped.ts'
import { prepareServices } from '../native/services.ts'
import { placeCheckout } from '../verify/checkouts.ts'
import type { ProbeLine } from './probe.ts'
import { readProcessUsage } from './process-usage.ts'
import type { SoakOptions } from './soak-options.ts'
import type { Load, ProbeSample, Sample, WatchedProcess } from './soak-report.ts'

const sampleIntervalMillis = 5_000
const probeIntervalMillis = 15_000
const progressIntervalMillis = 30_000
/** Every so manieth checkout is followed through an event stream: followers must leave nothing behind either. */
const followedShare = 10
const endDeadlineMillis = 60_000

/** What is being watched, while it grows. */
interface Watch {
  readonly name: string
  readonly isService: boolean
  /** Its process at the moment. */
  pid(): Promise<number | undefined>
  readonly probeFile: string | undefined
  readonly samples: Sample[]
  readonly endings: string[]
  readonly lives: number[]
}

export async function runSoak(
  options: SoakOptions,
  onStop: (stop: Stop) => void,
  progress: (line: string) => void,
): Promise<{ readonly load: Load; readonly watched: readonly WatchedProcess[] }> {
  const stack = await openStack({ ports: await pickFreePorts() })
  onStop(() => stack.down())
  progress('Starting the servers.')
  await stack.allReady
  const services = await prepareServices(stack)
  const processes = services.names.map((name) => new ServiceProcess(services, name))
  onStop(async () => {
    await Promise.all(processes.map((each) => each.stop(20_000)))
  })
  progress('Starting the services.')
  const probe = new URL('./probe.ts', import.meta.url).href
  const watches = [
    ...processes.map((each): Watch => {
      const probeFile = join(stack.runDirectory, `${each.name}.probe`)
      const life = each.start({
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --import ${probe}`,
        SOAK_PROBE_FILE: probeFile,
        SOAK_PROBE_INTERVAL_MILLIS: String(probeIntervalMillis),
      })
      const endings: string[] = []
      void life.ended.then((how) => endings.push(how))
      const pid = () => Promise.resolve(life.running ? life.pid : undefined)
      return { name: each.name, isService: true, pid, probeFile, samples: [], endings, lives: [] }
    }),
    ...stack.names.map((name): Watch => ({
      name,
      isService: false,
      pid: () => pidOf(stack, name),
      probeFile: undefined,
      samples: [],
      endings: [],
      lives: [],
    })),
  ]
  await Promise.all(processes.map((each) => each.untilReady()))

  const startedAtMillis = Date.now()
  const seconds = () => (Date.now() - startedAtMillis) / 1_000
  const sampling = setInterval(() => {
    for (const watch of watches) void sample(watch, seconds())
  }, sampleIntervalMillis)
  const total = Math.round(options.minutes * 60 * options.ratePerSecond)
  const counts = { placed: 0, accepted: 0, followed: 0 }
  const astray: string[] = []
  const reporting = setInterval(() => {
    const memory = watches
      .filter(({ isService }) => isService)
      .map(({ name, samples }) => `${name} ${((samples.at(-1)?.rssBytes ?? 0) / 1024 ** 2).toFixed(0)}`)
    const minute = (seconds() / 60).toFixed(1)
    progress(
      `${minute} of ${options.minutes} min: ${counts.accepted} of ${counts.placed} accepted, RSS in MiB: ${memory.join(', ')}`,
    )
  }, progressIntervalMillis)

  const plans = planCheckouts(total, startedAtMillis.toString(36), seededRandom(startedAtMillis))
  const stopping = new AbortController()
  try {
    await Promise.race([
      openLoop({ ratePerSecond: options.ratePerSecond, total, signal: stopping.signal }, async (index) => {
        const plan = plans[index]
        if (!plan) return
        counts.placed += 1
        const checkoutId = await accept(services.gatewayUrl, plan)
        if (checkoutId === undefined) return
        counts.accepted += 1
        if (index % followedShare !== 0) return
        counts.followed += 1
        const end = await follow(services.gatewayUrl, checkoutId)
        if (end !== plan.expects) astray.push(`checkout ${checkoutId} should be ${plan.expects}: ${end}`)
      }),
      stack.failed.then((error) => {
        throw error
      }),
    ])
  } finally {
    stopping.abort()
    clearInterval(sampling)
    clearInterval(reporting)
  }
  await Promise.all(watches.map((watch) => sample(watch, seconds())))

  const { minutes, warmUpMinutes, ratePerSecond } = options
  return {
    load: { minutes, warmUpMinutes, ratePerSecond, ...counts, astray },
    // A copy, because from here on services are ended, and are asked to.
    watched: watches.map(({ name, isService, samples, endings, probeFile }) => ({
      name,
      isService,
      samples: [...samples],
      endings: [...endings],
      probes: probeFile === undefined ? [] : readProbes(probeFile, startedAtMillis),
    })),
  }
}

async function sample(watch: Watch, seconds: number): Promise<void> {
  const pid = await watch.pid()
  const usage = pid === undefined ? undefined : await readProcessUsage(pid)
  if (pid === undefined || !usage) return
  if (watch.lives.at(-1) !== pid) watch.lives.push(pid)
  watch.samples.push({ seconds, life: watch.lives.length, ...usage })
}

function readProbes(file: string, startedAtMillis: number): ProbeSample[] {
  if (!existsSync(file)) return []
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => {
      const { atMillis, ...probe } = JSON.parse(line) as ProbeLine
      return { ...probe, seconds: (atMillis - startedAtMillis) / 1_000, life: 1 }
    })
}

async function accept(gatewayUrl: string, { request }: PlannedCheckout): Promise<string | undefined> {
  try {
    return (await placeCheckout(gatewayUrl, request)).checkoutId
  } catch {
    return undefined // counted as not accepted
  }
}

/** @returns the state in which it ended, by its event stream, or why that is not known. Never rejects. */
async function follow(gatewayUrl: string, checkoutId: string): Promise<string> {
  try {
    const response = await fetch(new URL(`/checkouts/${checkoutId}/events`, gatewayUrl), {
      signal: AbortSignal.timeout(endDeadlineMillis),
    })
    const [, status] = /^event: end\ndata: \{"status":"(\w+)"/m.exec(await response.text()) ?? []
    return status ?? `the stream ended without an end (${response.status})`
  } catch (error) {
    return (error as Error).message
  }
}
