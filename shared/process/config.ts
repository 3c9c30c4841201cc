/** Configuration from the environment, read once at the start; a bad value ends the process with its name. */
import { isIP } from 'node:net'
import { z } from 'zod'
import { defaultTimings } from '../kafka/timings.ts'
import type { TransportSecurity } from './transport-security.ts'
import { readTransportSecurity } from './transport-security.ts'

const port = z.coerce.number().int().min(0).max(65_535)
const millis = z.coerce.number().int().positive()
const limit = z.coerce.number().int().min(1)

const httpUrl = z
  .string()
  .refine((text) => /^https?:$/.test(URL.parse(text)?.protocol ?? ''), 'is a URL with http:// or https://')
  .refine((text) => (URL.parse(text)?.username ?? '') === '', 'has a user in it, which a page would show')

/** `192.0.2.1`, `10.0.0.0/8`, `2001:db8::/32` */
function isAddressRange(text: string): boolean {
  const [address = '', bits, ...rest] = text.split('/')
  const family = isIP(address)
  return (
    family !== 0 &&
    rest.length === 0 &&
    /^\d{1,3}$/.test(bits ?? '0') &&
    Number(bits ?? 0) <= (family === 6 ? 128 : 32)
  )
}

const variables = z.object({
  KAFKA_BROKERS: z
    .string()
    .default('127.0.0.1:9092')
    .transform((list) => list.split(',').map((broker) => broker.trim()))
    .refine((brokers) => brokers.every((broker) => /^.+:\d+$/.test(broker)), 'is a list of host:port'),
  KAFKA_TOPIC_PARTITIONS: z.coerce.number().int().min(1).default(6),
  KAFKA_TOPIC_REPLICATION_FACTOR: z.coerce.number().int().min(1).default(1),
  MONGODB_URL: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\//, 'starts with mongodb:// or mongodb+srv://')
    .default('mongodb://127.0.0.1:27017'),
  /** Where payments finds the payment network, which is somebody else's: MONGODB_URL unless told. */
  PAYMENT_NETWORK_URL: z
    .string()
    .regex(/^mongodb(\+srv)?:\/\//, 'starts with mongodb:// or mongodb+srv://')
    .optional(),
  MONGODB_DATABASE_PREFIX: z
    .string()
    .regex(/^[a-z0-9-]{1,30}$/, 'is 1 to 30 of a-z, 0-9 and -')
    .default('sagascope'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
  /** Where a service answers /healthz and /readyz; 0 takes any free port. */
  HEALTH_PORT: port.default(0),
  HEALTH_HOST: z.string().default('127.0.0.1'),
  // What these are for, and how they depend on each other: shared/kafka/timings.ts.
  KAFKA_SESSION_TIMEOUT_MILLIS: millis.default(defaultTimings.sessionTimeoutMillis),
  KAFKA_REBALANCE_TIMEOUT_MILLIS: millis.default(defaultTimings.rebalanceTimeoutMillis),
  HANDLER_TIMEOUT_MILLIS: millis.default(defaultTimings.handlerTimeoutMillis),
  CONSUMER_STALL_LIMIT_MILLIS: millis.default(defaultTimings.stallLimitMillis),
  OFFSET_COMMIT_INTERVAL_MILLIS: millis.default(1_000),
  /** How often a process gives a sign of life and looks at those of others: producers/outbox/outbox.ts. */
  WRITER_BEAT_INTERVAL_MILLIS: millis.default(2_000),
  /** A process without a sign of life for so long is taken for dead, and others publish what it left. */
  WRITER_LEASE_MILLIS: millis.default(5_000),
  GATEWAY_PORT: port.default(8_080),
  GATEWAY_HOST: z.string().default('127.0.0.1'),
  /** Proxies whose X-Forwarded-For and X-Forwarded-Proto are believed; without one, the socket's address is the caller. */
  TRUSTED_PROXIES: z
    .string()
    .default('')
    .transform((list) =>
      list
        .split(',')
        .map((entry) => entry.trim())
        .filter((entry) => entry !== ''),
    )
    .refine((list) => list.every(isAddressRange), 'is a list of addresses and CIDR ranges'),
  /** Requests in 10 s, of one caller; the default only ends a flood, lower it for callers that are people. */
  RATE_LIMIT_PER_CALLER: limit.default(20_000),
  /** Requests in 10 s, of all callers at one gateway. */
  RATE_LIMIT_OVERALL: limit.default(50_000),
  GATEWAY_CONNECTIONS_LIMIT: limit.default(10_000),
  GATEWAY_CONNECTIONS_PER_CALLER_LIMIT: limit.default(2_500),
  /** Requests that work with the store at once, at most; fewer while it is slow. One more gets a 503. */
  GATEWAY_UNDER_WAY_LIMIT: limit.default(2_000),
  /** After this a request that waits for the store gets a 503. */
  GATEWAY_STORE_TIMEOUT_MILLIS: millis.default(10_000),
  /** Checkouts accepted and not on Kafka yet, at which the gateway accepts no more until half of them are. */
  GATEWAY_BACKLOG_LIMIT: limit.default(10_000),
  /** The age of the oldest of them at which it accepts no more; below CHECKOUT_DEADLINE_MILLIS, or they only expire. */
  GATEWAY_BACKLOG_AGE_LIMIT_MILLIS: millis.default(60_000),
  /** A page that shows checkouts, traces and logs to whoever reaches the gateway: for development, gateway/console. */
  GATEWAY_CONSOLE: z.enum(['off', 'on']).default('off'),
  // Where the console reads ...
  JAEGER_URL: httpUrl.default('http://127.0.0.1:16686'),
  ELASTICSEARCH_URL: httpUrl.default('http://127.0.0.1:9200'),
  PROMETHEUS_URL: httpUrl.default('http://127.0.0.1:9090'),
  /** ... and the pages that it links to, of those that there are. */
  JAEGER_UI_URL: httpUrl.optional(),
  KIBANA_URL: httpUrl.optional(),
  GRAFANA_URL: httpUrl.optional(),
  /** How long a checkout may take before it is taken back. */
  CHECKOUT_DEADLINE_MILLIS: millis.default(120_000),
  DEADLINE_CHECK_INTERVAL_MILLIS: millis.default(1_000),
  // These three are telemetry's, which starts before any configuration is read; here a bad value is refused.
  /** What becomes of a caller's trace context at the HTTP edge: shared/telemetry/public-edge.ts. */
  INCOMING_TRACE_CONTEXT: z.enum(['continue', 'link']).default('continue'),
  /** Which trace a hop over Kafka is in: shared/telemetry/trace-hops.ts. */
  TRACE_HOPS: z.enum(['parent', 'link']).default('parent'),
  /** Whether log records of traces that are not sampled stay at home: shared/telemetry/log-processors.ts. */
  TRACE_BASED_LOGS: z.enum(['off', 'on']).default('off'),
})

export type Config = z.infer<typeof variables> & TransportSecurity

export class BadConfiguration extends Error {
  readonly code = 'bad_configuration'
}

/** @throws BadConfiguration naming every wrong variable, its value and what it should be */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const read = variables.safeParse(set)
  const { faults: transportFaults, ...transport } = readTransportSecurity(set)
  if (read.success && transportFaults.length === 0) return { ...read.data, ...transport }
  const faults = (read.error?.issues ?? []).map((issue) => {
    const name = String(issue.path[0])
    // A connection string may hold a password.
    const value = name.endsWith('_URL') ? 'its value' : JSON.stringify(environment[name])
    return `${name}: ${value} is refused: ${issue.message}`
  })
  throw new BadConfiguration([...faults, ...transportFaults].join('\n'))
}
