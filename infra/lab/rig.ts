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
import { forEachPart, parts } from './lab-result.ts'
import type { Pinning } from './pinning.ts'
import { pin } from './pinning.ts'
import type { ProbeReading } from './probe.ts'
import { readProbe, readProfile } from './probe-client.ts'
import type { CpuProfile } from './profile/profile.ts'
import type { Relay, WireBytes } from './relay.ts'
import { startRelay } from './relay.ts'

export interface RigOptions {
  readonly pinning: Pinning | undefined
  readonly onStop: (stop: Stop) => void
  /** On top of the arm's own. */
  readonly environment?: Readonly<Record<string, string>>
  readonly partitions?: number
  /** The base of an OTLP/HTTP address for the traces that the Collector has left; they go nowhere unless told. */
  readonly traceBackend?: string
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
  startProfiles(): Promise<void>
  /** Since `startProfiles`, of each service. */
  stopProfiles(): Promise<Record<string, CpuProfile>>
  /** As the Collector counted them since it began; undefined for an arm without one. */
  spansReceived(): Promise<number | undefined>
  down(): Promise<void>
}

const probeModule = './infra/lab/probe.ts'
const discard = '../lab/collector/discard.yaml'
const discardTailSampled = '../lab/collector/discard-tail-sampled.yaml'
const tailSampling = 'overlays/tail-sampling.yaml'

/** Whatever waits, waits as long as it does by default; the native stack's own are short, because people watch it. */
const defaultTelemetryTimings = {
  OTEL_BSP_SCHEDULE_DELAY: '',
  OTEL_BLRP_SCHEDULE_DELAY: '',
  OTEL_METRIC_EXPORT_INTERVAL: '',
  OTEL_METRIC_EXPORT_TIMEOUT: '',
}

/** One machine's load comes from one address, and is no flood. */
export const withoutLimits = { RATE_LIMIT_PER_CALLER: '1000000', RATE_LIMIT_OVERALL: '1000000' }

export async function startRig(arm: Arm, options: RigOptions): Promise<Rig> {
  const { pinning, onStop, environment = {}, partitions, traceBackend } = options
  const overlays = arm.collectorOverlays ?? []
  const stops: Stop[] = []
  const stopBy = (stop: Stop) => {
    stops.push(stop)
    onStop(stop)
  }
  const stack = await openStack({
    ports: await pickFreePorts(),
    only: ['kafka', 'mongodb', ...(arm.receiver === 'collector' ? (['collector'] as const) : [])],
    alsoReserve: ['gateway'],
    collector: {
      overlays: [...overlays, discard, ...(overlays.includes(tailSampling) ? [discardTailSampled] : [])],
      ...(traceBackend !== undefined && {
        environment: { LAB_TRACES_TO: 'otlp_http/backend', LAB_TRACE_BACKEND: traceBackend },
      }),
    },
  })
  stopBy(() => stack.down())
  await stack.allReady

  const receiver = await openReceiver(arm, stack)
  stopBy(() => receiver.close())
  const relay = await startRelay(receiver.port)
  stopBy(() => relay.close())
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
      flags: arm.nodeFlags ?? [],
      imports: [...(arm.register === undefined ? [] : [arm.register]), probeModule],
      ...(arm.chain === 'bare' && { mainOf: bareMain }),
    },
  )
  const pids: Record<Part, ReadonlyMap<string, number>> = {
    services: await startServices(services, probePorts, stopBy),
    broker: await requirePid(stack, 'kafka'),
    store: await requirePid(stack, 'mongodb'),
    collector: arm.receiver === 'collector' ? await requirePid(stack, 'collector') : new Map(),
  }
  if (pinning) {
    const pinned = parts.flatMap((part) =>
      [...pids[part].values()].map((pid) =>
        pin(pid, part === 'collector' ? pinning.observers : pinning.system),
      ),
    )
    await Promise.all(pinned)
  }

  return {
    arm,
    stack,
    gatewayUrl: services.gatewayUrl,
    relay,
    read: (flush) => read({ pids, probePorts, relay }, flush ?? 'read'),
    async startProfiles() {
      await atEachProbe(probePorts, (port) => readProbe(port, 'start-profile'))
    },
    stopProfiles: () => atEachProbe(probePorts, readProfile),
    spansReceived: () =>
      arm.receiver === 'collector'
        ? receivedSpans(stack.urls.collectorMetricsUrl)
        : Promise.resolve(undefined),
    async down() {
      for (const stop of stops.toReversed()) await stop()
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
  stopBy: (stop: Stop) => void,
): Promise<Map<string, number>> {
  const processes = services.names.map((name) => new ServiceProcess(services, name))
  stopBy(async () => {
    await Promise.all(processes.map((each) => each.stop()))
  })
  const pids = processes.map((each) => {
    const { pid } = each.start({ LAB_PROBE_PORT: String(probePorts[each.name]) })
    return [each.name, pid] as const
  })
  await Promise.all(processes.map((each) => each.untilReady()))
  return new Map(pids)
}

async function requirePid(
  stack: Stack,
  name: 'kafka' | 'mongodb' | 'collector',
): Promise<Map<string, number>> {
  const pid = await pidOf(stack, name)
  if (pid === undefined) throw new Error(`the process of ${name} cannot be seen: the lab needs to measure it`)
  return new Map([[name, pid]])
}

interface Watched {
  /** By the name of each process. */
  readonly pids: Readonly<Record<Part, ReadonlyMap<string, number>>>
  readonly probePorts: Readonly<Record<ServiceName, number>>
  readonly relay: Relay
}

async function read({ pids, probePorts, relay }: Watched, command: 'read' | 'flush'): Promise<Reading> {
  const probes = await atEachProbe(probePorts, (port) => readProbe(port, command))
  const usages = await Promise.all(
    parts.flatMap((part) =>
      [...pids[part]].map(async ([name, pid]) => ({ part, name, ...(await usageOf(pid)) })),
    ),
  )
  const sums = (figure: 'cpuSeconds' | 'rssBytes') =>
    forEachPart((part) =>
      usages.filter((usage) => usage.part === part).reduce((sum, usage) => sum + usage[figure], 0),
    )
  const ofServices = (figure: 'cpuSeconds' | 'rssBytes') =>
    Object.fromEntries(
      usages.filter(({ part }) => part === 'services').map((usage) => [usage.name, usage[figure]]),
    )
  return {
    cpuSeconds: sums('cpuSeconds'),
    serviceCpuSeconds: ofServices('cpuSeconds'),
    rssBytes: sums('rssBytes'),
    serviceRssBytes: ofServices('rssBytes'),
    wire: relay.bytes,
    probes,
  }
}

/** All of them at once. */
async function atEachProbe<Reply>(
  ports: Readonly<Record<ServiceName, number>>,
  ask: (port: number) => Promise<Reply>,
): Promise<Record<string, Reply>> {
  return Object.fromEntries(
    await Promise.all(serviceNames.map(async (name) => [name, await ask(ports[name])] as const)),
  )
}

async function usageOf(pid: number) {
  const usage = await readProcessUsage(pid)
  if (!usage) throw new Error(`process ${pid} has ended while the lab measured it`)
  return usage
}

/** What each service has more after than before, divided by what it is told for: seconds, checkouts. */
export const growthByService = (
  before: Readonly<Record<string, number>>,
  after: Readonly<Record<string, number>>,
  by = 1,
): Record<string, number> =>
  Object.fromEntries(
    Object.entries(after).map(([service, value]) => [service, (value - (before[service] ?? 0)) / by]),
  )

/** The Collector's own count, over HTTP and gRPC. */
async function receivedSpans(metricsUrl: string): Promise<number> {
  const text = await (await fetch(metricsUrl)).text()
  return [...text.matchAll(/^otelcol_receiver_accepted_spans\S* (\S+)$/gm)].reduce(
    (sum, [, value]) => sum + Number(value),
    0,
  )
}
