/** The services as resources: each a process of its own, started as anybody would start it. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { services } from '../../shared/saga/events.ts'
import type { Command } from './child-process.ts'
import type { Stack } from './open-stack.ts'
import { pickHealthPorts } from './ports.ts'
import { createServer, type Server } from './server.ts'
import type { ServiceUrls } from './service-environment.ts'
import { serviceEnvironment } from './service-environment.ts'

export const serviceNames = ['gateway', ...services] as const
export type ServiceName = (typeof serviceNames)[number]

export interface Services {
  readonly gatewayUrl: string
  readonly names: readonly ServiceName[]
  server(name: ServiceName): Server
  /** What an orchestrator asks before it ends a process: whether that answers at all, ready or not. */
  isAlive(name: ServiceName): Promise<boolean>
  /** Starts one service and waits until it says that it is ready. */
  up(name: ServiceName): Promise<void>
  /** Resolves, never rejects, with the first service that ended by itself. */
  readonly failed: Promise<Error>
  /**
   * How one is started, for whoever expects it to die: infra/chaos/service-process.ts.
   * @param environment of this start, on top of everything else
   */
  command(name: ServiceName, environment?: NodeJS.ProcessEnv): Command
  /** Drains and stops them all. */
  down(): Promise<void>
}

const repository = fileURLToPath(new URL('../../', import.meta.url))

const ownMain = (name: ServiceName): string =>
  name === 'gateway' ? 'gateway/main.ts' : `consumers/${name}/main.ts`

/** Telemetry that a person watches should be there at once; the defaults of the SDK wait 5 to 60 s. */
const promptTelemetry = {
  OTEL_BSP_SCHEDULE_DELAY: '500',
  OTEL_BLRP_SCHEDULE_DELAY: '500',
  OTEL_METRIC_EXPORT_INTERVAL: '1000',
  OTEL_METRIC_EXPORT_TIMEOUT: '900',
}

/** What services need to know of a stack, whoever has started it. */
export interface ServedStack extends Pick<Stack, 'ports' | 'runDirectory'> {
  readonly urls: ServiceUrls
}

export interface ServicesOptions {
  /** Loaded before a service's own code, in order; what starts telemetry unless told. With none they start in a third of the time. */
  readonly imports?: readonly string[]
  /** Of Node, before all else. */
  readonly flags?: readonly string[]
  /** The program that each is, from the repository's root. */
  readonly mainOf?: (name: ServiceName) => string
}

/**
 * Without a bound V8 lets a heap grow to three times what is alive before it looks at the old part: 200 MiB more under
 * load. Containers have their own bounds.
 */
const boundedHeap = '--max-old-space-size=160 --max-semi-space-size=16'

/** Another that is to keep the same contract can be tried in its place: infra/lab/arms/lean/register.ts is. */
export const startsTelemetry = process.env.SAGASCOPE_TELEMETRY ?? './shared/telemetry/register.ts'

/**
 * Prepares the services to run against a stack; nothing is started before `up`.
 * @param environment on top of what points them at the stack
 */
export async function prepareServices(
  stack: ServedStack,
  environment: NodeJS.ProcessEnv = {},
  { imports = [startsTelemetry], flags = [], mainOf = ownMain }: ServicesOptions = {},
): Promise<Services> {
  const healthPorts = await pickHealthPorts(serviceNames)
  const failure = Promise.withResolvers<Error>()

  const commandOf = (name: ServiceName, extra: NodeJS.ProcessEnv = {}): Command => ({
    command: process.execPath,
    args: [...flags, ...imports.flatMap((module) => ['--import', module]), mainOf(name)],
    directory: repository,
    environment: {
      ...process.env,
      NODE_OPTIONS: [boundedHeap, process.env.NODE_OPTIONS].join(' ').trim(),
      ...promptTelemetry,
      ...serviceEnvironment(stack),
      GATEWAY_PORT: String(stack.ports.gateway),
      HEALTH_PORT: String(healthPorts[name]),
      ...environment,
      ...extra,
    },
    logFile: join(stack.runDirectory, `${name}.log`),
  })

  const probe = async (name: ServiceName, path: '/healthz' | '/readyz'): Promise<boolean> => {
    const port = name === 'gateway' ? stack.ports.gateway : healthPorts[name]
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { signal: AbortSignal.timeout(2_000) })
    await response.body?.cancel()
    return response.ok
  }
  const define = (name: ServiceName) =>
    createServer(
      { name, command: () => commandOf(name), isHealthy: () => probe(name, '/readyz') },
      failure.resolve,
    )
  const servers = new Map(serviceNames.map((name) => [name, define(name)]))
  const server = (name: ServiceName): Server => {
    const found = servers.get(name)
    if (!found) throw new Error(`there is no service ${name}`)
    return found
  }

  return {
    gatewayUrl: `http://127.0.0.1:${stack.ports.gateway}`,
    names: serviceNames,
    server,
    isAlive: (name) => probe(name, '/healthz').catch(() => false),
    up: (name) => server(name).up(),
    failed: failure.promise,
    command: commandOf,
    async down() {
      await Promise.all([...servers.values()].map((each) => each.down()))
    },
  }
}
