/** Configuration from the environment, read once at the start; a bad value ends the process with its name. */
import { z } from 'zod'

const port = z.coerce.number().int().min(0).max(65_535)
const millis = z.coerce.number().int().positive()

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
  MONGODB_DATABASE_PREFIX: z
    .string()
    .regex(/^[a-z0-9-]{1,30}$/, 'is 1 to 30 of a-z, 0-9 and -')
    .default('sagascope'),
  LOG_LEVEL: z.enum(['trace', 'debug', 'info', 'warn', 'error', 'fatal']).default('info'),
  /** Where a service answers /healthz and /readyz; 0 takes any free port. */
  HEALTH_PORT: port.default(0),
  HEALTH_HOST: z.string().default('127.0.0.1'),
  CONSUMER_CONCURRENCY: z.coerce.number().int().min(1).default(6),
  OFFSET_COMMIT_INTERVAL_MILLIS: millis.default(1_000),
  OUTBOX_SWEEP_INTERVAL_MILLIS: millis.default(5_000),
  /** A commit this old and not published was left behind by a crash. */
  OUTBOX_SWEEP_GRACE_MILLIS: millis.default(10_000),
  GATEWAY_PORT: port.default(8_080),
  GATEWAY_HOST: z.string().default('127.0.0.1'),
  /** How long a checkout may take before it is taken back. */
  CHECKOUT_DEADLINE_MILLIS: millis.default(120_000),
  DEADLINE_CHECK_INTERVAL_MILLIS: millis.default(1_000),
  // These two are telemetry's, which starts before any configuration is read; here a bad value is refused.
  /** What becomes of a caller's trace context at the HTTP edge: shared/telemetry/public-edge.ts. */
  INCOMING_TRACE_CONTEXT: z.enum(['continue', 'link']).default('continue'),
  /** Which trace a hop over Kafka is in: shared/telemetry/trace-hops.ts. */
  TRACE_HOPS: z.enum(['parent', 'link']).default('parent'),
})

export type Config = z.infer<typeof variables>

export class BadConfiguration extends Error {
  readonly code = 'bad_configuration'
}

/** @throws BadConfiguration naming every wrong variable, its value and what it should be */
export function readConfig(environment: NodeJS.ProcessEnv = process.env): Config {
  const set = Object.fromEntries(Object.entries(environment).filter(([, value]) => value !== ''))
  const read = variables.safeParse(set)
  if (read.success) return read.data
  const faults = read.error.issues.map((issue) => {
    const name = String(issue.path[0])
    // A connection string may hold a password.
    const value = name.endsWith('_URL') ? 'its value' : JSON.stringify(environment[name])
    return `${name}: ${value} is refused: ${issue.message}`
  })
  throw new BadConfiguration(faults.join('\n'))
}
