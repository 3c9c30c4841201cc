/**
 * What Sagascope's telemetry promises: service by signal, as data. The contract test holds it against the real
 * backends, in both directions: nothing promised is missing, nothing is there that was not promised.
 *
 * The hops between services are not listed here: they follow from the flow table, see edges.ts.
 */
import type { EventType, Service } from '../../shared/saga/events.ts'
import { services, topicOf } from '../../shared/saga/events.ts'
import { consumedBy, producedBy } from '../../shared/saga/flow.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'

type ServiceName = Service | 'gateway' | 'dead-letters'

export interface SpanRow {
  readonly service: ServiceName
  readonly kind: TraceSpan['kind']
  readonly name: string
  /** The attributes that every such span has; `saga.id` is on all of them besides. */
  readonly attributes: readonly string[]
}

// https://opentelemetry.io/docs/specs/semconv/http/http-spans/
const httpServer = [
  'http.request.method',
  'http.response.status_code',
  'http.route',
  'url.path',
  'url.scheme',
]
// https://opentelemetry.io/docs/specs/semconv/messaging/messaging-spans/
const messaging = [
  'messaging.system',
  'messaging.destination.name',
  'messaging.operation.name',
  'messaging.operation.type',
  'messaging.kafka.message.key',
]
const consuming = [
  ...messaging,
  'messaging.destination.partition.id',
  'messaging.kafka.offset',
  'messaging.consumer.group.name',
]
// https://opentelemetry.io/docs/specs/semconv/database/mongodb/
const database = [
  'db.system.name',
  'db.namespace',
  'db.collection.name',
  'db.operation.name',
  'server.address',
]

const everyone: readonly ServiceName[] = ['gateway', ...services]

const databaseSpans = (service: ServiceName, names: readonly string[]): SpanRow[] =>
  names.map((name) => ({ service, kind: 'client', name, attributes: database }))

const topicsOf = (types: ReadonlySet<EventType>): string[] => [
  ...new Set([...types].map((type) => topicOf[type])),
]

/** By the flow table: a producer span for each topic that a service writes to, a consumer span for each it reacts to. */
const messagingSpans = services.flatMap((service): SpanRow[] => [
  ...topicsOf(producedBy(service)).map((topic): SpanRow => ({
    service,
    kind: 'producer',
    name: `send ${topic}`,
    attributes: messaging,
  })),
  ...topicsOf(consumedBy(service)).map((topic): SpanRow => ({
    service,
    kind: 'consumer',
    name: `process ${topic}`,
    attributes: consuming,
  })),
])

const payment = ['peer.service', 'payment.outcome']

/**
 * The spans of a checkout's trace, whatever its outcome. One that goes well reads nothing: a `find` is of one that is
 * taken back or has expired, or of a process that has just been started.
 */
export const spanContract: readonly SpanRow[] = [
  { service: 'gateway', kind: 'server', name: 'POST /checkouts', attributes: httpServer },
  { service: 'gateway', kind: 'internal', name: 'router - /checkouts', attributes: ['http.route'] },
  { service: 'gateway', kind: 'producer', name: 'send checkouts', attributes: messaging },
  ...messagingSpans,
  { service: 'payments', kind: 'client', name: 'capture payment', attributes: payment },
  { service: 'payments', kind: 'client', name: 'cancel payment', attributes: payment },
  { service: 'checkout', kind: 'internal', name: 'expire checkout', attributes: [] },
  ...databaseSpans('gateway', ['insert commits']),
  ...databaseSpans('users', ['insert commits', 'insert email_register', 'find email_register']),
  ...databaseSpans('orders', ['insert commits', 'find commits']),
  ...databaseSpans('payments', ['insert commits', 'insert ledger', 'find ledger']),
  ...databaseSpans('checkout', ['insert commits', 'find commits']),
]

/**
 * Each alone in a trace of its own: one command in which the inserts of several checkouts went to the store together. It
 * has no `saga.id`, and links to their spans, which say by `db.operation.batch.size` that they shared it.
 */
export const batchContract: readonly SpanRow[] = everyone.map((service) => ({
  service,
  kind: 'client',
  name: 'BATCH insert commits',
  attributes: [...database, 'db.operation.batch.size'],
}))

/**
 * The spans that a message leaves besides, when it is dead-lettered and redriven: here one of topic `orders` that
 * payments could not handle. Held by producers/dead-letters/dead-letters.live.test.ts.
 */
export const redriveContract: readonly SpanRow[] = [
  // Of a payment that was never decided, an expiry is the first that is heard.
  ...databaseSpans('payments', ['find commits']),
  { service: 'payments', kind: 'producer', name: 'send dead-letters', attributes: messaging },
  {
    service: 'dead-letters',
    kind: 'internal',
    name: 'redrive dead letter',
    attributes: [
      'dead_letter.id',
      'messaging.destination.name',
      'messaging.consumer.group.name',
      'error.type',
    ],
  },
  { service: 'dead-letters', kind: 'producer', name: 'send orders', attributes: messaging },
  { service: 'dead-letters', kind: 'producer', name: 'send dead-letters', attributes: messaging },
]

export interface MetricRow {
  readonly services: readonly ServiceName[]
  /** As Prometheus has it. */
  readonly name: string
  readonly labels: readonly string[]
}

export const metricContract: readonly MetricRow[] = [
  { services: ['users'], name: 'user_registered_total', labels: ['outcome'] },
  { services: ['orders'], name: 'order_processed_total', labels: ['outcome'] },
  { services: ['payments'], name: 'payment_processed_total', labels: ['outcome'] },
  { services: ['gateway', 'checkout'], name: 'checkout_processed_total', labels: ['outcome'] },
  { services: ['checkout'], name: 'checkout_duration_seconds_bucket', labels: ['outcome', 'le'] },
  { services, name: 'saga_step_duration_seconds_bucket', labels: ['saga_step', 'le'] },
  {
    services,
    name: 'saga_queue_duration_seconds_bucket',
    labels: ['messaging_destination_name', 'messaging_consumer_group_name', 'le'],
  },
  {
    services,
    name: 'kafka_consumer_group_lag',
    labels: [
      'messaging_consumer_group_name',
      'messaging_destination_name',
      'messaging_destination_partition_id',
    ],
  },
  { services, name: 'kafka_consumer_longest_silence_seconds', labels: ['messaging_consumer_group_name'] },
  { services: everyone, name: 'outbox_backlog', labels: [] },
  { services: everyone, name: 'outbox_oldest_age_seconds', labels: [] },
  { services: everyone, name: 'process_cpu_time_seconds_total', labels: ['cpu_mode'] },
  { services: everyone, name: 'process_memory_usage_bytes', labels: [] },
  { services: everyone, name: 'nodejs_eventloop_delay_p99_seconds', labels: [] },
  { services: everyone, name: 'v8js_memory_heap_used_bytes', labels: ['v8js_heap_space_name'] },
  { services: everyone, name: 'v8js_memory_heap_old_max_bytes', labels: [] },
  { services: everyone, name: 'v8js_gc_duration_seconds_bucket', labels: ['v8js_gc_type', 'le'] },
  {
    services: ['gateway'],
    name: 'http_server_request_duration_seconds_bucket',
    labels: ['http_request_method', 'http_route', 'http_response_status_code', 'le'],
  },
  {
    services: everyone,
    // Its instrumentation names no unit, so Prometheus' name has none; it is in seconds.
    name: 'messaging_client_operation_duration_bucket',
    labels: ['messaging_system', 'messaging_operation_name', 'le'],
  },
  {
    services: everyone,
    name: 'messaging_client_sent_messages_total',
    labels: ['messaging_system', 'messaging_destination_name'],
  },
  {
    services,
    name: 'messaging_process_duration_bucket',
    labels: ['messaging_system', 'messaging_destination_name', 'le'],
  },
  // What the SDK has sent or dropped; what it dropped has an `error_type`.
  {
    services: everyone,
    name: 'otel_sdk_processor_span_processed_total',
    labels: ['otel_component_name', 'otel_component_type'],
  },
  {
    services: everyone,
    name: 'otel_sdk_processor_log_processed_total',
    labels: ['otel_component_name', 'otel_component_type'],
  },
  // Made from spans in the Collector, before any sampling.
  { services: everyone, name: 'traces_span_metrics_calls_total', labels: ['span_name', 'span_kind'] },
  {
    services: everyone,
    name: 'traces_span_metrics_duration_seconds_bucket',
    labels: ['span_name', 'span_kind', 'le'],
  },
]

export interface LogRow {
  readonly service: ServiceName
  /** The `event.name` of the line. */
  readonly event: string
}

/** The lines that a checkout leaves, by the names that alerts and searches may rely on. */
export const logContract: readonly LogRow[] = [
  { service: 'gateway', event: 'http.request' },
  ...services.map((service): LogRow => ({ service, event: 'message.handled' })),
  { service: 'checkout', event: 'checkout.expired' },
]

/** Labels that may never be: each value would be a time series of its own. */
export const forbiddenLabels = /saga_id|checkout_id|trace_id|span_id|message_key|email|user_id/

/** How many time series one instance of a service may have: they grow with the code, never with use. */
export const seriesLimitPerInstance = 3_000
