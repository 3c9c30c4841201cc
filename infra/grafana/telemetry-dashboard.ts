import * as units from '@grafana/grafana-foundation-sdk/units'
import { labGauges } from '../lab/announce.ts'
import { dashboard, graph, number, rows, timeline } from './panels.ts'

/** A second, by signal: `otelcol_<what>_spans` and its siblings. */
const bySignal = (what: string) =>
  [
    ['traces', 'spans'],
    ['metrics', 'metric_points'],
    ['logs', 'log_records'],
  ].map(([signal, items]) => ({
    expr: `sum(rate(otelcol_${what}_${items}[$__rate_interval]))`,
    legend: `${signal}`,
  }))

/** What the lab has measured of each arm last, as far back as the picture goes. */
const ofArm = (gauge: string, labels = '') => `max by (arm) (last_over_time(${gauge}${labels}[$__range]))`

const checkouts = '(saga:checkouts_requested:rate5m > 0)'

export const telemetryDashboard = dashboard({
  uid: 'sagascope-telemetry',
  title: 'What telemetry costs',
  description: 'What the services and the Collector spend, what they carry, and whether anything is lost.',
  marks: [
    {
      name: 'Arms of the lab',
      expr: `max by (arm, phase) (${labGauges.arm} == 1)`,
      title: '{{arm}}',
      text: '{{phase}}',
      colour: 'blue',
    },
  ],
  questions: {
    'What does one checkout leave behind?': [
      number({
        title: 'Spans a checkout',
        what: 'Spans that the Collector took in, for each checkout, over five minutes.',
        unit: units.Short,
        expr: `sum(collector:items_accepted:rate5m{signal="traces"}) / ${checkouts}`,
        span: 6,
        ifNone: 'no checkouts',
      }),
      number({
        title: 'Log lines a checkout',
        what: 'The same for log lines.',
        unit: units.Short,
        expr: `sum(collector:items_accepted:rate5m{signal="logs"}) / ${checkouts}`,
        span: 6,
        ifNone: 'no checkouts',
      }),
      number({
        title: 'Bytes of log a checkout',
        what: 'Sent to Elasticsearch, compressed.',
        unit: units.BytesIEC,
        expr: `sum(rate({"otelcol.elasticsearch.flushed.bytes"}[5m])) / ${checkouts}`,
        span: 6,
        ifNone: 'no checkouts',
      }),
      number({
        title: 'Traced',
        what: 'The share of sent messages that have a span. 1 without sampling; less is the sampling, or a loss.',
        unit: units.PercentUnit,
        expr: 'avg(service:messages_with_span:ratio_rate5m)',
        span: 6,
        ifNone: 'no messages',
      }),
    ],
    'What do the services spend?': [
      graph({
        title: 'Processor',
        what: 'Cores, user and system. All of the service; what of it is telemetry, infra/lab measures.',
        unit: units.Short,
        queries: [
          {
            expr: 'sum by (service_name) (rate(process_cpu_time_seconds_total[$__rate_interval]))',
            legend: '{{service_name}}',
          },
        ],
      }),
      graph({
        title: 'Resident memory',
        what: 'Of all instances together.',
        unit: units.BytesIEC,
        queries: [{ expr: 'sum by (service_name) (process_memory_usage_bytes)', legend: '{{service_name}}' }],
      }),
    ],
    'What does the Collector spend?': [
      graph({
        title: 'Processor',
        what: 'Cores.',
        unit: units.Short,
        span: 8,
        queries: [
          { expr: 'sum(rate(otelcol_process_cpu_seconds[$__rate_interval]))', legend: 'Collector' },
          { expr: 'sum(rate(otelcol_process_cpu_seconds_total[$__rate_interval]))', legend: 'Jaeger' },
        ],
      }),
      graph({
        title: 'Resident memory',
        what: 'The Collector refuses data before it runs out (COLLECTOR_MEMORY_LIMIT_MIB, 512 unless set).',
        unit: units.BytesIEC,
        span: 8,
        queries: [
          { expr: 'sum(otelcol_process_memory_rss)', legend: 'Collector' },
          { expr: 'sum(otelcol_process_memory_rss_bytes)', legend: 'Jaeger' },
        ],
      }),
      graph({
        title: 'Network to Elasticsearch',
        what: 'Log documents, before compression and as they are sent. It is the only exporter that counts bytes.',
        unit: units.BytesPerSecondIEC,
        span: 8,
        queries: [
          {
            expr: 'sum(rate({"otelcol.elasticsearch.flushed.uncompressed_bytes"}[$__rate_interval]))',
            legend: 'before compression',
          },
          {
            expr: 'sum(rate({"otelcol.elasticsearch.flushed.bytes"}[$__rate_interval]))',
            legend: 'sent',
          },
        ],
      }),
    ],
    'How much goes through the Collector?': [
      graph({
        title: 'In',
        what: 'Spans, metric points and log records accepted from the services.',
        unit: units.OpsPerSecond,
        queries: bySignal('receiver_accepted'),
      }),
      graph({
        title: 'Out',
        what: 'The same, passed on to Jaeger, Prometheus and Elasticsearch. Metric points are more than came in: span metrics are added.',
        unit: units.OpsPerSecond,
        queries: bySignal('exporter_sent'),
      }),
    ],
    'Is anything lost?': [
      graph({
        title: 'Refused, failed, given up',
        what: 'By signal. Anything above 0 is lost; no checkout notices.',
        unit: units.OpsPerSecond,
        queries: [{ expr: 'collector:items_lost:rate5m', legend: '{{signal}}' }],
      }),
      graph({
        title: 'Dropped in the services',
        what: 'By service and signal: a full queue, or a Collector that is away.',
        unit: units.OpsPerSecond,
        queries: [
          {
            expr: 'service:telemetry_dropped:rate5m or vector(0)',
            legend: '{{service_name}}: {{signal}} {{error_type}}',
          },
        ],
      }),
      graph({
        title: 'Messages that have a span',
        what: 'By service. A fall that nobody decided is a loss.',
        unit: units.PercentUnit,
        queries: [{ expr: 'service:messages_with_span:ratio_rate5m', legend: '{{service_name}}' }],
      }),
    ],
    'Do the backends keep up?': [
      graph({
        title: 'Queues, how full',
        what: 'The Collector’s queue to each backend. When it is full, what comes is dropped.',
        unit: units.PercentUnit,
        queries: [
          {
            expr: 'otelcol_exporter_queue_size / otelcol_exporter_queue_capacity',
            legend: '{{exporter}}',
          },
        ],
        // From half on, see CollectorQueueFilling.
        thresholds: { warning: 0.5 },
      }),
      graph({
        title: 'Scrapes',
        what: 'How long Prometheus takes for each target. The limit is the scrape interval, 5 s.',
        unit: units.Seconds,
        queries: [{ expr: 'scrape_duration_seconds', legend: '{{job}} {{instance}}' }],
        thresholds: { warning: 2, critical: 5 },
      }),
      graph({
        title: 'Time series',
        what: 'Samples of each scrape. A steady rise means that an id has become a label.',
        unit: units.Short,
        queries: [{ expr: 'scrape_samples_scraped', legend: '{{job}} {{instance}}' }],
      }),
      graph({
        title: 'Documents that Elasticsearch took, and did not',
        what: 'By its answer for each document of a bulk request.',
        unit: units.OpsPerSecond,
        queries: [
          {
            expr: 'sum by (outcome) (rate({"otelcol.elasticsearch.docs.processed"}[$__rate_interval]))',
            legend: '{{outcome}}',
          },
        ],
      }),
    ],
    'Which arm of the lab ran when, and what did it cost?': [
      timeline({
        title: 'Arms',
        what: 'When the lab (npm run lab) measured which arm. The same times are marked in every graph above.',
        query: { expr: `max by (arm) (${labGauges.arm} == 1)`, legend: '{{arm}}' },
        ifNone: 'no lab',
      }),
      graph({
        title: 'Checkouts a second, by arm',
        what: 'Of each visit, at saturation. Single visits differ by what else the machine does: the lab’s report compares pairs.',
        unit: units.Short,
        queries: [{ expr: `max by (arm) (${labGauges.throughput})`, legend: '{{arm}}' }],
      }),
      graph({
        title: 'Processor time of the services a checkout, by arm',
        what: 'Of each visit, at saturation.',
        unit: units.Seconds,
        queries: [
          {
            expr: `max by (arm) (${labGauges.cpuPerCheckout}{part="services"})`,
            legend: '{{arm}}',
          },
        ],
      }),
      rows({
        title: 'What the last visit of each arm measured',
        what: 'Throughput and processor time at saturation, the time to the end at half load, memory at the end of the visit.',
        columns: {
          'Checkouts a second': { expr: ofArm(labGauges.throughput), unit: units.Short },
          'Services, a checkout': {
            expr: ofArm(labGauges.cpuPerCheckout, '{part="services"}'),
            unit: units.Seconds,
          },
          'Collector, a checkout': {
            expr: ofArm(labGauges.cpuPerCheckout, '{part="collector"}'),
            unit: units.Seconds,
          },
          'To the end, p50': { expr: ofArm(labGauges.duration, '{quantile="0.5"}'), unit: units.Seconds },
          'To the end, p99': { expr: ofArm(labGauges.duration, '{quantile="0.99"}'), unit: units.Seconds },
          'Telemetry, a checkout': { expr: ofArm(labGauges.wirePerCheckout), unit: units.BytesIEC },
          'Memory of the services': {
            expr: ofArm(labGauges.memory, '{part="services"}'),
            unit: units.BytesIEC,
          },
        },
        labels: { arm: 'Arm' },
      }),
    ],
  },
})
