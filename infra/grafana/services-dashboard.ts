import * as units from '@grafana/grafana-foundation-sdk/units'
import { choice, dashboard, graph, logLines, quantile, rows } from './panels.ts'

const chosen = 'service_name=~"$service"'
/** What a service is asked to do: requests and messages, not the calls that it makes on the way. */
const asked = `${chosen}, span_kind=~"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER"`
const failed = `${asked}, status_code="STATUS_CODE_ERROR"`
const perSecond = (spans: string): string =>
  `sum by (service_name) (rate(traces_span_metrics_calls_total{${spans}}[$__rate_interval]))`

export const servicesDashboard = dashboard({
  uid: 'sagascope-services',
  title: 'Services',
  description:
    'Rate, errors and duration of every service, from its spans; then the process itself and its log.',
  variables: [choice('service', 'Service', 'label_values(nodejs_eventloop_utilization_ratio, service_name)')],
  questions: {
    'How much is each service asked to do?': [
      graph({
        title: 'Requests and messages',
        what: 'Server and consumer spans by service. Sampling makes this smaller than the truth.',
        unit: units.OpsPerSecond,
        queries: [
          {
            expr: perSecond(asked),
            legend: '{{service_name}}',
          },
        ],
      }),
      graph({
        title: 'By operation',
        what: 'The same, by span name.',
        unit: units.OpsPerSecond,
        queries: [
          {
            expr: `sum by (service_name, span_name) (rate(traces_span_metrics_calls_total{${asked}}[$__rate_interval]))`,
            legend: '{{service_name}}: {{span_name}}',
          },
        ],
      }),
    ],
    'What fails?': [
      graph({
        title: 'Share of failed requests and messages',
        what: 'Spans with status error. A declined payment is an answer, not an error.',
        unit: units.PercentUnit,
        queries: [
          {
            expr: `(${perSecond(failed)} or 0 * ${perSecond(asked)}) / ${perSecond(asked)}`,
            legend: '{{service_name}}',
          },
        ],
        // One of a hundred is what retries hide from customers; five of a hundred they notice.
        thresholds: { warning: 0.01, critical: 0.05 },
      }),
      graph({
        title: 'Failed operations, calls to others included',
        what: 'Every span with status error, by name. Those of calls are often tried again with success.',
        unit: units.OpsPerSecond,
        queries: [
          {
            expr: `sum by (service_name, span_name) (rate(traces_span_metrics_calls_total{${chosen}, status_code="STATUS_CODE_ERROR"}[$__rate_interval])) or vector(0)`,
            legend: '{{service_name}} {{span_name}}',
          },
        ],
      }),
    ],
    'How long does it take?': [
      graph({
        title: 'Requests and messages, p95',
        what: 'Each point beside the lines is one trace: follow it to Jaeger.',
        unit: units.Seconds,
        queries: [
          {
            expr: quantile(0.95, `traces_span_metrics_duration_seconds_bucket{${asked}}`, 'service_name'),
            legend: '{{service_name}}',
            exemplars: true,
          },
        ],
        // A hop takes milliseconds. At a second, a checkout of six hops is slow for its customer.
        thresholds: { warning: 1 },
      }),
      graph({
        title: 'Calls to others, p95',
        what: 'Client and producer spans: the store, the payment network, Kafka.',
        unit: units.Seconds,
        queries: [
          {
            expr: quantile(
              0.95,
              `traces_span_metrics_duration_seconds_bucket{${chosen}, span_kind=~"SPAN_KIND_CLIENT|SPAN_KIND_PRODUCER"}`,
              'service_name, span_name',
            ),
            legend: '{{service_name}}: {{span_name}}',
            exemplars: true,
          },
        ],
      }),
      graph({
        title: 'The gateway’s answers, p95',
        what: 'By its own clock, so unsampled requests are in it.',
        unit: units.Seconds,
        queries: [
          {
            expr: quantile(
              0.95,
              'http_server_request_duration_seconds_bucket',
              'http_route, http_response_status_code',
            ),
            legend: '{{http_route}} {{http_response_status_code}}',
          },
        ],
      }),
      graph({
        title: 'The gateway’s answers',
        what: 'By route and status. 202 is a promise; 5xx means that it could not be given.',
        unit: units.RequestsPerSecond,
        queries: [
          {
            expr: 'sum by (http_route, http_response_status_code) (rate(http_server_request_duration_seconds_count[$__rate_interval]))',
            legend: '{{http_route}} {{http_response_status_code}}',
          },
        ],
      }),
    ],
    'Why does the gateway refuse?': [
      graph({
        title: 'Refused, by reason',
        what: 'What a limit or a server in trouble cost. The caller is told to come again.',
        unit: units.RequestsPerSecond,
        queries: [
          {
            expr: 'sum by (reason) (rate(gateway_refusals_total[$__rate_interval])) or vector(0)',
            legend: '{{reason}}',
          },
        ],
      }),
      graph({
        title: 'Share of requests answered with a 5xx',
        what: 'From one of twenty on, see GatewayRefuses.',
        unit: units.PercentUnit,
        queries: [{ expr: 'gateway:server_errors:ratio_rate5m', legend: '5xx' }],
        thresholds: { warning: 0.01, critical: 0.05 },
      }),
    ],
    'Who talks to whom?': [
      rows({
        title: 'The service graph',
        what: 'Pairs of spans, the caller’s and the called one’s. unknown is what has no spans of its own: the store.',
        labels: { client: 'From', server: 'To' },
        columns: {
          Rate: {
            expr: 'sum by (client, server) (rate(traces_service_graph_request_total[5m]))',
            unit: units.OpsPerSecond,
          },
          Failed: {
            expr: 'sum by (client, server) (rate(traces_service_graph_request_failed_total[5m])) or 0 * sum by (client, server) (rate(traces_service_graph_request_total[5m]))',
            unit: units.OpsPerSecond,
          },
          p95: {
            expr: 'histogram_quantile(0.95, sum by (client, server, le) (rate(traces_service_graph_request_server_seconds_bucket[5m])))',
            unit: units.Seconds,
          },
        },
      }),
    ],
    'Is the process well?': [
      graph({
        title: 'Event loop, delay p99',
        what: 'From one look at the loop to the next, for one in a hundred; 50 ms when it is idle. From 0.15 s on, see EventLoopBlocked.',
        unit: units.Seconds,
        queries: [
          {
            expr: `max by (service_name) (nodejs_eventloop_delay_p99_seconds{${chosen}})`,
            legend: '{{service_name}}',
          },
        ],
        thresholds: { warning: 0.1, critical: 0.15 },
      }),
      graph({
        title: 'Event loop, utilisation',
        what: 'The share of time in which it is busy. Near 1 it is full: start another instance.',
        unit: units.PercentUnit,
        queries: [
          {
            expr: `max by (service_name) (nodejs_eventloop_utilization_ratio{${chosen}})`,
            legend: '{{service_name}}',
          },
        ],
        // Queues begin to grow steeply from about 80 % on, as in every queue.
        thresholds: { warning: 0.8 },
      }),
      graph({
        title: 'Heap in use',
        what: 'All spaces of V8. A saw is healthy; a saw whose valleys rise is a leak.',
        unit: units.BytesIEC,
        queries: [
          {
            expr: `sum by (service_name) (v8js_memory_heap_used_bytes{${chosen}})`,
            legend: '{{service_name}}',
          },
        ],
      }),
      graph({
        title: 'Garbage collection',
        what: 'The share of time that it takes.',
        unit: units.PercentUnit,
        queries: [
          {
            expr: `sum by (service_name) (rate(v8js_gc_duration_seconds_sum{${chosen}}[$__rate_interval]))`,
            legend: '{{service_name}}',
          },
        ],
      }),
    ],
    'What do they complain about?': [
      logLines({
        title: 'Warnings and errors',
        what: 'Log lines from severity WARN (13) on. Their trace_id leads to Jaeger.',
        query: 'severity_number:>=13 AND resource.attributes.service.name:${service:lucene}',
      }),
    ],
  },
})
