/** The arms of the lab, as data: each one way to run the services, and the one that it is compared with. */

export interface Arm {
  readonly name: string
  readonly group:
    'control' | 'signals' | 'export' | 'sampling' | 'instrumentation' | 'runtime' | 'alternatives' | 'bare'
  /** One sentence. */
  readonly what: string
  /** Name of the arm that it is compared with; its own where it is only there for others. */
  readonly against: string
  readonly chain: 'saga' | 'bare'
  /** Loaded by --import: a path from the repository's root; undefined where there is nothing to load. */
  readonly register: string | undefined
  readonly environment: Readonly<Record<string, string>>
  /** On the command line: NODE_OPTIONS does not take all of them. */
  readonly nodeFlags?: readonly string[]
  /** Of infra/collector, on top of its collector.yaml. */
  readonly collectorOverlays?: readonly string[]
  /** Who takes what is sent; `sink` is vendor/fake-agent.ts. */
  readonly receiver: 'collector' | 'sink' | 'none'
  /** The module whose span processors export, for the lab to count what they are given; undefined where there is no SDK. */
  readonly sdkTrace?: string
}

/** Telemetry as the services have it: traces, metrics and logs, every checkout, by OTLP to a Collector. */
const product = {
  group: 'signals',
  against: 'off',
  chain: 'saga',
  register: './shared/telemetry/register.ts',
  environment: {},
  receiver: 'collector',
  sdkTrace: '@opentelemetry/sdk-trace',
} as const satisfies Omit<Arm, 'name' | 'what'>

/** The same services without any. */
const silent = {
  group: 'control',
  against: 'off',
  chain: 'saga',
  register: undefined,
  environment: {},
  receiver: 'none',
} as const satisfies Omit<Arm, 'name' | 'what'>

const only = (signal: 'traces' | 'metrics' | 'logs'): Arm => ({
  ...product,
  name: signal,
  what: `Only ${signal}; the instrumentations are all there`,
  environment: Object.fromEntries(
    ['traces', 'metrics', 'logs']
      .filter((other) => other !== signal)
      .map((other) => [`OTEL_${other.toUpperCase()}_EXPORTER`, 'none']),
  ),
})

const exported = (name: string, what: string, environment: Arm['environment']): Arm => ({
  ...product,
  group: 'export',
  against: 'all',
  name,
  what,
  environment,
})

const batchesOf = (size: number): Arm =>
  exported(`batch-${size}`, `Batches of at most ${size} spans and log records; 512 by default`, {
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: String(size),
    OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: String(size),
  })

const delayOf = (name: string, millis: number): Arm =>
  exported(`delay-${name}`, `Batches wait ${name}; 5s by default`, {
    OTEL_BSP_SCHEDULE_DELAY: String(millis),
    OTEL_BLRP_SCHEDULE_DELAY: String(millis),
  })

/** The services’ own is http/protobuf with gzip. */
const protocol = (name: string, value: string, compression: 'none' | 'gzip'): Arm =>
  exported(
    `protocol-${name}${compression === 'gzip' ? '-gzip' : ''}`,
    `OTLP as ${value}, ${compression === 'gzip' ? 'compressed' : 'not compressed'}`,
    { OTEL_EXPORTER_OTLP_PROTOCOL: value, OTEL_EXPORTER_OTLP_COMPRESSION: compression },
  )

const sampled = (name: string, what: string, environment: Arm['environment']): Arm => ({
  ...product,
  group: 'sampling',
  name,
  what,
  environment,
})

const ratio = (percent: number): Arm =>
  sampled(`ratio-${percent}`, `${percent} % of checkouts, by trace id`, {
    OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
    OTEL_TRACES_SAMPLER_ARG: String(percent / 100),
  })

const lean = {
  ...product,
  group: 'instrumentation',
  register: './infra/lab/arms/lean/register.ts',
} as const satisfies Omit<Arm, 'name' | 'what'>

const automatic = {
  ...product,
  group: 'alternatives',
  register: './infra/lab/arms/auto-instrumentations.ts',
  // It brings an SDK of its own, of another version.
  sdkTrace:
    './node_modules/@opentelemetry/auto-instrumentations-node/node_modules/@opentelemetry/sdk-trace/dist/index.mjs',
} as const satisfies Omit<Arm, 'name' | 'what'>

export const arms: readonly Arm[] = [
  { ...silent, name: 'off', what: 'No telemetry at all' },
  { ...silent, name: 'off-again', what: 'The same once more: what a difference of nothing looks like' },
  {
    ...silent,
    name: 'api-only',
    group: 'signals',
    what: 'The instrumentations call the API, and no SDK is behind it',
    register: './infra/lab/arms/api-only.ts',
  },
  only('traces'),
  only('metrics'),
  only('logs'),
  { ...product, name: 'all', what: 'Traces, metrics and logs of every checkout, as the services come' },

  {
    ...exported('immediate', 'Each span and each log record is a request of its own', {}),
    register: './infra/lab/arms/immediate.ts',
  },
  batchesOf(128),
  batchesOf(2_048),
  delayOf('500ms', 500),
  delayOf('10s', 10_000),
  protocol('protobuf', 'http/protobuf', 'none'),
  protocol('json', 'http/json', 'none'),
  protocol('json', 'http/json', 'gzip'),
  protocol('grpc', 'grpc', 'none'),
  protocol('grpc', 'grpc', 'gzip'),

  sampled('always-off', 'No trace is recorded; metrics and logs are', { OTEL_TRACES_SAMPLER: 'always_off' }),
  ratio(50),
  ratio(10),
  {
    ...ratio(10),
    name: 'ratio-10-with-logs',
    what: '10 % of checkouts, and log records of these alone',
    environment: { ...ratio(10).environment, TRACE_BASED_LOGS: 'on' },
  },
  ratio(1),
  sampled('consistent-10', '10 % of checkouts, and each trace says so, for others to reckon with', {
    OTEL_TRACES_SAMPLER: 'parentbased_consistent_probability',
    OTEL_TRACES_SAMPLER_ARG: '0.1',
  }),
  sampled('rate-limited-10', 'At most 10 checkouts a second', {
    OTEL_TRACES_SAMPLER: 'parentbased_rate_limiting',
    OTEL_TRACES_SAMPLER_ARG: '10',
  }),
  {
    ...sampled(
      'tail-sampling',
      'All is sent, and the Collector keeps what failed, was slow, and a share',
      {},
    ),
    collectorOverlays: ['overlays/tail-sampling.yaml'],
  },

  {
    ...lean,
    name: 'lean',
    against: 'all',
    what: 'The leanest instrumentation that keeps the telemetry contract, on the same SDK',
  },
  { ...lean, name: 'lean-over-off', what: 'The same, for what it adds to no telemetry at all' },

  {
    ...product,
    group: 'runtime',
    against: 'all',
    name: 'small-young-generation',
    what: 'Young objects have 4 MiB, as with compose: less memory, more collections',
    nodeFlags: ['--max-semi-space-size=4'],
  },
  {
    ...product,
    group: 'runtime',
    against: 'all',
    name: 'large-young-generation',
    what: 'Young objects have 16 MiB from the start, so that spans die young: fewer collections, more memory',
    nodeFlags: ['--min-semi-space-size=16'],
  },

  {
    ...automatic,
    name: 'auto-instrumentations',
    what: '@opentelemetry/auto-instrumentations-node with its defaults',
  },
  {
    ...automatic,
    name: 'auto-instrumentations-over-all',
    against: 'all',
    what: 'The same, beside what the services come with',
  },
  {
    ...silent,
    name: 'dd-trace',
    group: 'alternatives',
    what: 'A vendor’s library, dd-trace, with its defaults; its agent is a fake that only takes and counts',
    register: './infra/lab/arms/vendor/register.ts',
    receiver: 'sink',
  },

  {
    ...silent,
    name: 'bare-chain',
    group: 'bare',
    against: 'bare-chain',
    chain: 'bare',
    what: 'The same hops and inserts with raw kafkajs and mongodb: no saga and no telemetry',
  },
  {
    ...silent,
    name: 'saga-over-bare',
    group: 'bare',
    against: 'bare-chain',
    what: 'What the saga costs: no telemetry, beside the bare chain',
  },
  {
    ...product,
    name: 'all-over-bare',
    group: 'bare',
    against: 'bare-chain',
    what: 'What saga and telemetry cost together, beside the bare chain',
  },
]

/** @throws Error when there is none of that name */
export function armNamed(name: string): Arm {
  const found = arms.find((arm) => arm.name === name)
  if (!found) throw new Error(`there is no arm ${name}; there are ${arms.map((arm) => arm.name).join(', ')}`)
  return found
}
