/**
 * Everything that one arm needs, running: a broker, a store, a Collector behind a relay that counts, and the five services.
 * Each arm has its own, so that nothing of one is in another's way but an idle machine's share; topics, collections,
 * caches and compiled code stay warm from visit to visit.
 */
import { ServiceProcess } from '../chaos/service-process.ts'
import type { Stack } from '../native/open-stack.ts'
import { openStack } from '../native/open-stack.ts'
import { pickFreePorts, pickHealthPorts } from '../native/ports.ts'
import type { Stop } from '../native/run-until-stopped.ts'
import { pidOf } from '../native/server-process.ts'
import type { ServiceName, Services } from '../native/services.ts'
import { prepareServices, serviceNames } from '../native/services.ts'
import { readProcessUsage } from '../soak/process-usage.ts'
import { armResourceAttributes } from './announce.ts'
import type { Arm } from './arms/arms.ts'
import { startFakeAgent } from './arms/vendor/fake-agent.ts'
import type { Part } from './lab-result.ts'
import type { Pinning } from './pinning.ts'
import { pin } from './pinning.ts'
import type { ProbeReading } from './probe.ts'
import { readProbe } from './probe-client.ts'
import type { Relay, WireBytes } from './relay.ts'
import { startRelay } from './relay.ts'

export interface RigOptions {
  readonly pinning: Pinning | undefined
  readonly onStop: (stop: Stop) => void
  /** On top of the arm's own. */
  readonly environment?: Readonly<Record<string, string>>
  readonly partitions?: number
}

/** What all processes of a rig have used so far. */
export interface Reading {
  readonly cpuSeconds: Readonly<Record<Part, number>>
  readonly serviceCpuSeconds: Readonly<Record<string, number>>
  readonly rssBytes: Readonly<Record<Part, number>>
  readonly serviceRssBytes: Readonly<Record<string, number>>
  readonly wire: WireBytes
  /** Since the reading before. */
  readonly probes: Readonly<Record<string, ProbeReading>>
}

export interface Rig {
  readonly arm: Arm
  readonly stack: Stack
  readonly gatewayUrl: string
  readonly relay: Relay
  /** @param flush has the services export what they hold before they say how much they ended */
  read(flush?: 'flush'): Promise<Reading>
  /** As the Collector counted them since it began; undefined for an arm without one. */
  spansReceived(): Promise<number | undefined>
  down(): Promise<void>
}

const probeModule = './infra/lab/probe.ts'
const discard = '../lab/collector/discard.yaml'
const discardTailSampled = '../lab/collector/discard-tail-sampled.yaml'
const tailSampling = 'overlays/tail-sampling.yaml'

/** What the SDK waits by default; the native stack's own are short, because people watch it. */
const defaultTelemetryTimings = {
  OTEL_BSP_SCHEDULE_DELAY: '5000',
  OTEL_BLRP_SCHEDULE_DELAY: '1000',
  OTEL_METRIC_EXPORT_INTERVAL: '60000',
  OTEL_METRIC_EXPORT_TIMEOUT: '30000',
}

/** One machine's load comes from one address, and is no flood. */
const withoutLimits = { RATE_LIMIT_PER_CALLER: '1000000', RATE_LIMIT_OVERALL: '1000000' }

export async function startRig(arm: Arm, options: RigOptions): Promise<Rig> {
  const { pinning, onStop, environment = {}, partitions } = options
  const overlays = arm.collectorOverlays ?? []
  const last = overlays.includes(tailSampling) ? discardTailSampled : discard
  const stack = await openStack({
    ports: await pickFreePorts(),
    only: ['kafka', 'mongodb', ...(arm.receiver === 'collector' ? (['collector'] as const) : [])],
    alsoReserve: ['gateway'],
    collector: { overlays: [...overlays, last] },
  })
  onStop(() => stack.down())
  await stack.allReady

  const receiver = await openReceiver(arm, stack)
  onStop(() => receiver.close())
  const relay = await startRelay(receiver.port)
  onStop(() => relay.close())
  const probePorts = await pickHealthPorts(serviceNames)
  const services = await prepareServices(
    stack,
    {
      ...defaultTelemetryTimings,
      ...withoutLimits,
      GATEWAY_CONSOLE: 'off',
      ...(partitions !== undefined && { KAFKA_TOPIC_PARTITIONS: String(partitions) }),
      ...receiver.environment(relay.port),
      OTEL_RESOURCE_ATTRIBUTES: armResourceAttributes(arm.name),
      LAB_PROBE_SDK: arm.sdkTrace ?? '',
      ...arm.environment,
      ...environment,
    },
    {
      imports: [...(arm.register === undefined ? [] : [arm.register]), probeModule],
      ...(arm.chain === 'bare' && { mainOf: bareMain }),
    },
  )
  const processes = await startServices(services, probePorts, onStop)
  const pids: Record<Part, readonly number[]> = {
    services: processes.map(({ life }) => life?.pid ?? 0),
    broker: await requirePid(stack, 'kafka'),
    store: await requirePid(stack, 'mongodb'),
    collector: arm.receiver === 'collector' ? await requirePid(stack, 'collector') : [],
  }
  if (pinning) {
    const { collector, ...system } = pids
    await Promise.all(Object.values(system).flatMap((each) => each.map((pid) => pin(pid, pinning.system))))
    await Promise.all(collector.map((pid) => pin(pid, pinning.observers)))
  }

  return {
    arm,
    stack,
    gatewayUrl: services.gatewayUrl,
    relay,
    read: (flush) => read({ pids, processes, probePorts, relay }, flush ?? 'read'),
    spansReceived: () =>
      arm.receiver === 'collector'
        ? receivedSpans(stack.urls.collectorMetricsUrl)
        : Promise.resolve(undefined),
    async down() {
      await Promise.all(processes.map((each) => each.stop()))
      await relay.close()
      await receiver.close()
      await stack.down()
    },
  }
}

interface Receiver {
  readonly port: number
  /** What has the services send to it through a port. */
  readonly environment: (port: number) => Readonly<Record<string, string>>
  close(): Promise<void>
}

/** Who takes the arm's telemetry; where nobody does, the Collector's port, at which nobody listens. */
async function openReceiver({ receiver, environment }: Arm, { ports }: Stack): Promise<Receiver> {
  if (receiver === 'sink') {
    const agent = await startFakeAgent()
    return {
      port: agent.port,
      environment: (port) => ({ DD_TRACE_AGENT_PORT: String(port) }),
      close: () => agent.close(),
    }
  }
  const isGrpc = environment.OTEL_EXPORTER_OTLP_PROTOCOL === 'grpc'
  return {
    port: isGrpc ? ports.otlpGrpc : ports.otlpHttp,
    environment: (port) => ({ OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}` }),
    close: () => Promise.resolve(),
  }
}

const bareMain = (name: ServiceName): string => `infra/lab/arms/bare-chain/${name}.ts`

async function startServices(
  services: Services,
  probePorts: Readonly<Record<ServiceName, number>>,
  onStop: (stop: Stop) => void,
): Promise<ServiceProcess[]> {
  const processes = services.names.map((name) => new ServiceProcess(services, name))
  onStop(async () => {
    await Promise.all(processes.map((each) => each.stop()))
  })
  for (const each of processes) each.start({ LAB_PROBE_PORT: String(probePorts[each.name]) })
  await Promise.all(processes.map((each) => each.untilReady()))
  return processes
}

async function requirePid(stack: Stack, name: 'kafka' | 'mongodb' | 'collector'): Promise<[number]> {
  const pid = await pidOf(stack, name)
  if (pid === undefined) throw new Error(`the process of ${name} cannot be seen: the lab needs to measure it`)
  return [pid]
}

interface Watched {
  readonly pids: Readonly<Record<Part, readonly number[]>>
  readonly processes: readonly ServiceProcess[]
  readonly probePorts: Readonly<Record<ServiceName, number>>
  readonly relay: Relay
}

async function read(
  { pids, processes, probePorts, relay }: Watched,
  command: 'read' | 'flush',
): Promise<Reading> {
  const probes = Object.fromEntries(
    await Promise.all(
      serviceNames.map(async (name) => [name, await readProbe(probePorts[name], command)] as const),
    ),
  )
  const usageOf = async (pid: number) => {
    const usage = await readProcessUsage(pid)
    if (!usage) throw new Error(`process ${pid} has ended while the lab measured it`)
    return usage
  }
  const services = await Promise.all(
    processes.map(async ({ name, life }) => [name, await usageOf(life?.pid ?? 0)] as const),
  )
  const sumOf = async (part: Part) => {
    const usages = await Promise.all(pids[part].map(usageOf))
    return {
      cpuSeconds: usages.reduce((sum, { cpuSeconds }) => sum + cpuSeconds, 0),
      rssBytes: usages.reduce((sum, { rssBytes }) => sum + rssBytes, 0),
    }
  }
  const [all, collector, broker, store] = await Promise.all([
    sumOf('services'),
    sumOf('collector'),
    sumOf('broker'),
    sumOf('store'),
  ])
  return {
    cpuSeconds: {
      services: all.cpuSeconds,
      collector: collector.cpuSeconds,
      broker: broker.cpuSeconds,
      store: store.cpuSeconds,
    },
    rssBytes: {
      services: all.rssBytes,
      collector: collector.rssBytes,
      broker: broker.rssBytes,
      store: store.rssBytes,
    },
    serviceCpuSeconds: Object.fromEntries(services.map(([name, { cpuSeconds }]) => [name, cpuSeconds])),
    serviceRssBytes: Object.fromEntries(services.map(([name, { rssBytes }]) => [name, rssBytes])),
    wire: relay.bytes,
    probes,
  }
}

/** The Collector's own count, over HTTP and gRPC. */
async function receivedSpans(metricsUrl: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text()
  return [...text.matchAll(/^otelcol_receiver_accepted_spans\S* (\S+)$/gm)].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  )
}
