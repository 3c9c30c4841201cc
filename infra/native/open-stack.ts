import { cacheDirectory, publicCacheDirectory } from './cache-directory.ts'
import { findOnPath } from './child-process.ts'
import { install } from './install.ts'
import {
  pickInternalPorts,
  requireFreePorts,
  serverPorts,
  type InternalPorts,
  type PortName,
  type Ports,
} from './ports.ts'
import { recipes } from './recipes.ts'
import { javaRuntime, requireTools } from './required-tools.ts'
import { createRunDirectory, type RunDirectory } from './run-directory.ts'
import { createServer, type Server, type ServerDefinition } from './server.ts'
import { serverNames, type ServerName } from './server-names.ts'
import { collector, type CollectorOptions } from './servers/collector.ts'
import { elasticsearch } from './servers/elasticsearch.ts'
import { jaeger } from './servers/jaeger.ts'
import { kafka, type KafkaOptions } from './servers/kafka.ts'
import { mongodb, type MongodbOptions } from './servers/mongodb.ts'
import { prometheus, type PrometheusOptions } from './servers/prometheus.ts'

export interface StackOptions {
  ports: Ports
  /** The servers that are wanted; all of them unless told otherwise. */
  only?: readonly ServerName[]
  /** Ports that others will open later, checked now together with the servers' own. */
  alsoReserve?: readonly PortName[]
  kafka?: Pick<KafkaOptions, 'listeners' | 'access' | 'properties'>
  mongodb?: Pick<MongodbOptions, 'access'>
  collector?: Pick<CollectorOptions, 'overlays' | 'environment'>
  prometheus?: Pick<PrometheusOptions, 'configuration' | 'interval'>
}

export interface Stack {
  readonly ports: Ports
  readonly urls: StackUrls
  /** Data, configuration and logs of this run. */
  readonly runDirectory: string
  /** The servers that were asked for, in the order in which they are installed. */
  readonly names: readonly ServerName[]
  /** Resolves when the server is installed, started and healthy; rejects when that fails. */
  ready(name: ServerName): Promise<void>
  /** The same for all of them. */
  readonly allReady: Promise<void>
  /** Resolves, never rejects, with the first failure, at start or later; pending while all is well. */
  readonly failed: Promise<Error>
  /** What a server is doing now, for people. */
  status(name: ServerName): string
  /** One server of those that are ready, to stop, start, or end by force. */
  server(name: ServerName): Server
  /** Stops everything, running installations too. The run directory is kept when something had failed. */
  down(options?: { keepRunDirectory?: boolean }): Promise<void>
}

export interface StackUrls {
  /** `host:port`, as Kafka clients want it. */
  kafkaBrokers: string
  mongodbUrl: string
  elasticsearchUrl: string
  otlpHttpUrl: string
  otlpGrpcUrl: string
  jaegerUrl: string
  prometheusUrl: string
  /** The Collector's metrics of itself. */
  collectorMetricsUrl: string
}

/**
 * Installs what is missing and starts the servers, each as soon as it can be. Resolves when all checks are
 * passed and the work has begun; await `ready` or `allReady`.
 * @throws {Error} when a tool is missing or a port is taken; nothing was started then
 */
export async function openStack(options: StackOptions): Promise<Stack> {
  const { ports, only, alsoReserve = [] } = options
  const names = serverNames.filter((name) => only?.includes(name) ?? true)
  const cache = cacheDirectory(process.env)
  const cacheOf = (name: ServerName) =>
    name === 'elasticsearch' && isRoot() ? publicCacheDirectory(cache) : cache
  // A mongod gets its users over a port that lets nobody else in yet: more than a local run needs.
  const mongod = options.mongodb?.access ? undefined : findOnPath('mongod')
  const toInstall = names.filter((name) => !(name === 'mongodb' && mongod !== undefined))

  await requireTools(toInstall.map((name) => ({ recipe: recipes[name], cache: cacheOf(name) })))
  await requireFreePorts(ports, [...names.flatMap((name) => serverPorts[name]), ...alsoReserve])

  const javaHome = (await javaRuntime())?.home ?? ''
  const run = createRunDirectory()
  const internalPorts = await pickInternalPorts()
  const place: Place = {
    ports: { ...ports, ...internalPorts },
    javaHome,
    mongod,
    run,
    options,
  }
  const stopping = new AbortController()
  const failure = Promise.withResolvers<Error>()
  let hasFailed = false
  const fail = (error: Error) => {
    if (stopping.signal.aborted) return
    hasFailed = true
    failure.resolve(error)
  }

  const statuses = new Map<ServerName, string>()
  const servers = new Map<ServerName, Server>()
  const installations = new Map<ServerName, Promise<string>>()
  const ready = new Map<ServerName, Promise<void>>()

  const installAfter = async (previous: ServerName | undefined, name: ServerName) => {
    if (previous !== undefined) {
      statuses.set(name, `waiting until ${previous} is installed`)
      await installations.get(previous)?.catch(() => undefined) // its failure is its own
    }
    statuses.set(name, 'looking for it in the cache')
    const verb = recipes[name].tool === 'go' ? 'compiling' : 'downloading'
    return install(recipes[name], cacheOf(name), {
      signal: stopping.signal,
      onBuild: () => statuses.set(name, verb),
      onWait: () => statuses.set(name, 'waiting for another run that installs it'),
    })
  }

  const start = async (name: ServerName) => {
    try {
      const installation = (await installations.get(name)) ?? ''
      for (const needed of needs[name].filter((other) => names.includes(other))) {
        statuses.set(name, `waiting for ${needed}`)
        await ready.get(needed)
      }
      stopping.signal.throwIfAborted()
      statuses.set(name, 'starting')
      const server = createServer(define(name, installation, place), fail)
      servers.set(name, server)
      await server.up()
      statuses.set(name, 'ready')
    } catch (error) {
      // What fails while everything is being stopped has not failed: it was stopped.
      stopping.signal.throwIfAborted()
      statuses.set(name, 'failed')
      fail(error as Error)
      throw error
    }
  }

  // Two lanes, each one after the other: downloads hardly need the processor, compilers take all of it.
  for (const tool of ['maven', 'go'] as const) {
    const lane = toInstall.filter((name) => recipes[name].tool === tool)
    for (const [index, name] of lane.entries()) {
      installations.set(name, installAfter(lane[index - 1], name))
    }
  }
  for (const name of names) ready.set(name, start(name))
  const allReady = Promise.all(ready.values()).then(() => undefined)
  for (const promise of [allReady, ...ready.values(), ...installations.values()])
    promise.catch(() => undefined)

  const get = <Value>(map: Map<ServerName, Value>, name: ServerName): Value => {
    const value = map.get(name)
    if (value === undefined) throw new Error(`${name} is not part of this stack, or not ready yet`)
    return value
  }

  return {
    ports,
    urls: {
      ...urlsOf(ports),
      collectorMetricsUrl: `http://127.0.0.1:${internalPorts.collectorMetrics}/metrics`,
    },
    runDirectory: run.path,
    names,
    ready: (name) => get(ready, name),
    allReady,
    failed: failure.promise,
    status: (name) => get(statuses, name),
    server: (name) => get(servers, name),
    async down({ keepRunDirectory = hasFailed } = {}) {
      stopping.abort()
      // The Collector first: what it still holds goes to the others. Log lines that nobody takes it would hold on to.
      const collector = servers.get('collector')
      await (names.includes('elasticsearch') ? collector?.down() : collector?.kill())
      await Promise.all([...servers.values()].map((server) => server.down()))
      await Promise.allSettled([...ready.values(), ...installations.values()])
      if (!keepRunDirectory) run.remove()
    },
  }
}

interface Place {
  ports: Ports & InternalPorts
  javaHome: string
  mongod: string | undefined
  run: RunDirectory
  options: Pick<StackOptions, 'kafka' | 'mongodb' | 'collector' | 'prometheus'>
}

function define(name: ServerName, installation: string, place: Place): ServerDefinition {
  const options = { ...place, installation }
  const chosen = place.options
  switch (name) {
    case 'kafka':
      return kafka({ ...options, ...chosen.kafka })
    case 'mongodb':
      return mongodb({ ...options, ...chosen.mongodb })
    case 'elasticsearch':
      return elasticsearch(options)
    case 'collector':
      return collector({ ...options, ...chosen.collector })
    case 'jaeger':
      return jaeger(options)
    case 'prometheus':
      return prometheus({ ...options, ...chosen.prometheus })
  }
}

// Logs that arrived before the index template would create an index without it.
const needs: Record<ServerName, readonly ServerName[]> = {
  kafka: [],
  mongodb: [],
  elasticsearch: [],
  collector: ['elasticsearch'],
  jaeger: [],
  prometheus: [],
}

/** Where the servers of a stack are, whoever has started it. */
export function urlsOf(ports: Ports): Omit<StackUrls, 'collectorMetricsUrl'> {
  const http = (port: number) => `http://127.0.0.1:${port}`
  return {
    kafkaBrokers: `127.0.0.1:${ports.kafka}`,
    // SQLite, behind FerretDB, has one writer at a time, and the others wait by sleeping: better they queue here.
    mongodbUrl: `mongodb://127.0.0.1:${ports.mongodb}/?directConnection=true&maxPoolSize=10`,
    elasticsearchUrl: http(ports.elasticsearch),
    otlpHttpUrl: http(ports.otlpHttp),
    otlpGrpcUrl: http(ports.otlpGrpc),
    jaegerUrl: http(ports.jaeger),
    prometheusUrl: http(ports.prometheus),
  }
}

function isRoot(): boolean {
  return process.getuid?.() === 0
}
