import { connect, createServer } from 'node:net'
import { portHolder } from './port-holder.ts'
import { reservePort } from './port-reservations.ts'
import type { ServerName } from './server-names.ts'

/** Every port that a person or a service addresses. All are opened on 127.0.0.1 only. */
export const portTable = {
  gateway: { variable: 'GATEWAY_PORT', defaultPort: 8080, what: 'gateway' },
  kafka: { variable: 'KAFKA_PORT', defaultPort: 9092, what: 'Kafka' },
  mongodb: { variable: 'MONGODB_PORT', defaultPort: 27017, what: 'MongoDB protocol' },
  elasticsearch: { variable: 'ELASTICSEARCH_PORT', defaultPort: 9200, what: 'Elasticsearch' },
  otlpGrpc: { variable: 'OTLP_GRPC_PORT', defaultPort: 4317, what: 'Collector, OTLP over gRPC' },
  otlpHttp: { variable: 'OTLP_HTTP_PORT', defaultPort: 4318, what: 'Collector, OTLP over HTTP' },
  jaeger: { variable: 'JAEGER_PORT', defaultPort: 16686, what: 'Jaeger query API' },
  prometheus: { variable: 'PROMETHEUS_PORT', defaultPort: 9090, what: 'Prometheus' },
} as const

export type PortName = keyof typeof portTable
export type Ports = Record<PortName, number>

export const portNames = Object.keys(portTable) as PortName[]

/** The ports that each server opens; the gateway's is left, which is a service. */
export const serverPorts: Readonly<Record<ServerName, readonly PortName[]>> = {
  kafka: ['kafka'],
  mongodb: ['mongodb'],
  elasticsearch: ['elasticsearch'],
  collector: ['otlpGrpc', 'otlpHttp'],
  jaeger: ['jaeger'],
  prometheus: ['prometheus'],
}

/**
 * Reads the ports from the environment.
 * @throws {Error} naming each variable that holds no port, or two variables that hold the same one
 */
export function readPorts(environment: NodeJS.ProcessEnv): Ports {
  const complaints: string[] = []
  const owners = new Map<number, string>()
  const entries = portNames.map((name) => {
    const { variable, defaultPort } = portTable[name]
    const value = environment[variable] ?? ''
    if (value === '') return [name, defaultPort, variable] as const
    if (!/^\d{1,5}$/.test(value) || Number(value) < 1 || Number(value) > 65_535) {
      complaints.push(`${variable}="${value}" is not a port: a number from 1 to 65535 is wanted`)
      return [name, defaultPort, variable] as const
    }
    return [name, Number(value), variable] as const
  })
  for (const [, port, variable] of entries) {
    const owner = owners.get(port)
    if (owner !== undefined) complaints.push(`${owner} and ${variable} are both ${port}`)
    owners.set(port, variable)
  }
  if (complaints.length > 0) throw new Error(complaints.join('\n'))
  return Object.fromEntries(entries.map(([name, port]) => [name, port])) as Ports
}

/** A full set of free ports, so that tests run beside a running stack and beside each other. */
export function pickFreePorts(): Promise<Ports> {
  return pickPorts(portNames)
}

/** Ports that only the servers use among themselves, so that nobody has to choose them. */
const internalPortNames = [
  'kafkaController',
  'elasticsearchTransport',
  'applicationMetrics',
  'collectorMetrics',
  'collectorHealth',
  'jaegerOtlp',
  'jaegerQueryGrpc',
  'jaegerMetrics',
  'jaegerHealth',
] as const

export type InternalPorts = Record<(typeof internalPortNames)[number], number>

export function pickInternalPorts(): Promise<InternalPorts> {
  return pickPorts(internalPortNames)
}

async function pickPorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  const free = await freePorts(names.length)
  return Object.fromEntries(names.map((name, index) => [name, free[index]])) as Record<Name, number>
}

// Below the ranges that Linux (32768 up) and macOS (49152 up) take outgoing connections' ports from: a
// server that is stopped and started again must not find its port lent to some client meanwhile.
const lowestPicked = 20_000
const highestPicked = 32_000

// Who keeps to the defaults opens them later: nobody listens there yet, and they are not free.
const handedOut = new Set<number>(portNames.map((name) => portTable[name].defaultPort))

/**
 * `count` different ports on 127.0.0.1 that nobody listens on: never one of another run, one that was handed out
 * before, nor anybody's default.
 */
async function freePorts(count: number): Promise<number[]> {
  const found: number[] = []
  while (found.length < count) {
    const port = lowestPicked + Math.floor(Math.random() * (highestPicked - lowestPicked))
    if (handedOut.has(port) || (await isTaken(port)) || !reservePort(port)) continue
    handedOut.add(port)
    found.push(port)
  }
  return found
}

/** @throws {Error} naming every taken port, who holds it, and the variable that moves it */
export async function requireFreePorts(ports: Ports, names: readonly PortName[]): Promise<void> {
  const complaints = await Promise.all(
    names.map(async (name) => {
      const port = ports[name]
      const { variable, what } = portTable[name]
      if (!(await isTaken(port))) return []
      return [`port ${port} (${what}) is taken by ${await portHolder(port)}; set ${variable} to move it`]
    }),
  )
  if (complaints.flat().length > 0) throw new Error(complaints.flat().join('\n'))
}

async function isTaken(port: number): Promise<boolean> {
  // Both questions are needed: a port can be held by a socket that does not answer, and on macOS a
  // listener on all addresses does not stop another one from binding to this one.
  return (await answers(port)) || !(await canListen(port))
}

/** Whether somebody on 127.0.0.1 takes connections on this port. */
export function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1' })
    const finish = (taken: boolean) => {
      socket.destroy()
      resolve(taken)
    }
    socket.once('connect', () => finish(true)).once('error', () => finish(false))
    socket.setTimeout(1_000, () => finish(true))
  })
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => server.close(() => resolve(true)))
  })
}

/** Free ports for the services' health answers, one for each name. */
export function pickHealthPorts<Name extends string>(names: readonly Name[]): Promise<Record<Name, number>> {
  return pickPorts(names)
}
