import * as units from '@grafana/grafana-foundation-sdk/units'
import { dashboard, graph, number, quantile } from './panels.ts'

const groupAndTopic = 'messaging_consumer_group_name, messaging_destination_name'
const readsTopic = '{{messaging_consumer_group_name}} on {{messaging_destination_name}}'

export const kafkaDashboard = dashboard({
  uid: 'sagascope-kafka',
  title: 'Kafka and outbox',
  description: 'Messages between the services: what waits, for how long, and what did not get through.',
  questions: {
    'Is anything held up?': [
      number({
        title: 'Lag',
        what: 'Messages that some group has not handled yet, all topics.',
        unit: units.Short,
        expr: 'sum(kafka:consumer_group_lag:sum)',
        // A second's work, and the threshold of ConsumerLagHigh.
        thresholds: { warning: 100, critical: 1_000 },
        span: 6,
      }),
      number({
        title: 'Outbox',
        what: 'Commits of running processes that are not on Kafka yet. Under load a few always are on their way.',
        unit: units.Short,
        expr: 'sum(outbox_backlog)',
        // More than is under way at the highest load.
        thresholds: { warning: 1_000 },
        span: 6,
      }),
      number({
        title: 'Oldest unpublished',
        what: 'Age of the oldest commit that a running process has not published. From a minute on, see OutboxStuck.',
        unit: units.Seconds,
        expr: 'max(outbox_oldest_age_seconds)',
        // Longer than a broker takes to change its leader, then the alert's threshold.
        thresholds: { warning: 15, critical: 60 },
        span: 6,
      }),
      number({
        title: 'Dead letters, 1 h',
        what: 'Messages that could not be handled. Each is a checkout that waits for its deadline.',
        unit: units.Short,
        // The counter is born with its first count, which increase() would not see.
        expr: '(sum(max_over_time(saga_dead_letters_total[1h])) or vector(0)) - (sum(saga_dead_letters_total offset 1h) or vector(0))',
        thresholds: { warning: 1 },
        span: 6,
      }),
    ],
    'Who is behind?': [
      graph({
        title: 'Lag by group and topic',
        what: 'Falling after a pause is catching up; rising is not keeping up.',
        unit: units.Short,
        queries: [{ expr: 'kafka:consumer_group_lag:sum', legend: readsTopic }],
        // ConsumerLagHigh.
        thresholds: { warning: 1_000 },
      }),
      graph({
        title: 'Lag by partition, the ten worst',
        what: 'Counted from the first message that is not handled. One partition alone: that one is slow or tried again; later ones may be handled.',
        unit: units.Short,
        queries: [
          {
            expr: `topk(10, max by (${groupAndTopic}, messaging_destination_partition_id) (kafka_consumer_group_lag))`,
            legend: `${readsTopic} / {{messaging_destination_partition_id}}`,
          },
        ],
      }),
    ],
    'How long do messages wait?': [
      graph({
        title: 'Queue time, p50',
        what: 'From producing to the start of handling, by the broker’s clock and the service’s.',
        unit: units.Seconds,
        queries: [
          { expr: quantile(0.5, 'saga_queue_duration_seconds_bucket', groupAndTopic), legend: readsTopic },
        ],
      }),
      graph({
        title: 'Queue time, p99',
        what: 'A few milliseconds on an idle machine. What rises here and not in the p50 are bursts and rebalances.',
        unit: units.Seconds,
        queries: [
          { expr: quantile(0.99, 'saga_queue_duration_seconds_bucket', groupAndTopic), legend: readsTopic },
        ],
        // A checkout waits like this up to six times.
        thresholds: { warning: 1 },
      }),
    ],
    'How much goes through?': [
      graph({
        title: 'Sent',
        what: 'Messages by topic.',
        unit: units.OpsPerSecond,
        queries: [
          {
            expr: 'sum by (messaging_destination_name) (rate(messaging_client_sent_messages_total[$__rate_interval]))',
            legend: '{{messaging_destination_name}}',
          },
        ],
      }),
      graph({
        title: 'Handled',
        what: 'Messages that a group began to handle. What it only passes over is not in it.',
        unit: units.OpsPerSecond,
        queries: [
          {
            expr: `sum by (${groupAndTopic}) (rate(saga_queue_duration_seconds_count[$__rate_interval]))`,
            legend: readsTopic,
          },
        ],
      }),
    ],
    'Is the broker quick to answer?': [
      graph({
        title: 'Requests to Kafka, p95',
        what: 'By kind of request. Fetch waits for messages on purpose, so it is left out.',
        unit: units.Seconds,
        queries: [
          {
            expr: quantile(
              0.95,
              'messaging_client_operation_duration_bucket{messaging_operation_name!="Fetch"}',
              'messaging_operation_name',
            ),
            legend: '{{messaging_operation_name}}',
          },
        ],
      }),
      graph({
        title: 'Handling a message, p95',
        what: 'By service and topic, the store and the outside world included.',
        unit: units.Seconds,
        queries: [
          {
            expr: quantile(
              0.95,
              'messaging_process_duration_bucket',
              'service_name, messaging_destination_name',
            ),
            legend: '{{service_name}} on {{messaging_destination_name}}',
          },
        ],
      }),
    ],
    'Does a handler hang?': [
      graph({
        title: 'Longest silence',
        what: 'Of the message in hand that waits longest. At HANDLER_TIMEOUT_MILLIS, a minute, its process ends itself.',
        unit: units.Seconds,
        queries: [
          {
            expr: 'max by (messaging_consumer_group_name) (kafka_consumer_longest_silence_seconds)',
            legend: '{{messaging_consumer_group_name}}',
          },
        ],
        thresholds: { warning: 10, critical: 30 },
      }),
      graph({
        title: 'Consumers that gave up',
        what: 'Processes that ended themselves because they got nowhere; see ConsumerGaveUp.',
        unit: units.Short,
        queries: [
          {
            expr: 'sum by (messaging_consumer_group_name, error_type) (max_over_time(kafka_consumer_stalls_total[15m])) or vector(0)',
            legend: '{{messaging_consumer_group_name}} {{error_type}}',
          },
        ],
      }),
    ],
    'What did not get through at first?': [
      graph({
        title: 'Outbox by service',
        what: 'Commits not on Kafka yet, of the process that has most. Rising: Kafka is away.',
        unit: units.Short,
        queries: [{ expr: 'max by (service_name) (outbox_backlog)', legend: '{{service_name}}: commits' }],
      }),
      graph({
        title: 'Dead letters by origin and reason',
        what: 'The log has the line, the topic dead-letters the message.',
        unit: units.Short,
        queries: [
          {
            expr: 'sum by (messaging_destination_name, error_type) (saga_dead_letters_total) or vector(0)',
            legend: '{{messaging_destination_name}} {{error_type}}',
          },
        ],
      }),
    ],
  },
})
