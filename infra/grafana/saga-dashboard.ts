import * as units from '@grafana/grafana-foundation-sdk/units'
import { dashboard, graph, number, percentiles, quantile } from './panels.ts'

const ended = 'outcome=~"completed|compensated|rejected"'

/** The share of the checkouts that ended which ended so; none where none ended. */
const shareOf = (outcome: string): string =>
  `(sum(saga:checkouts_ended:rate5m{outcome="${outcome}"}) or vector(0)) / (sum(saga:checkouts_ended:rate5m) > 0)`

export const sagaDashboard = dashboard({
  uid: 'sagascope-saga',
  title: 'Saga',
  description: 'Checkouts from the request to their end: how many, how long, and why some are taken back.',
  questions: {
    'Do checkouts end as they should?': [
      number({
        title: 'Requested',
        what: 'Checkouts that the gateway accepted, a second, over five minutes.',
        unit: units.RequestsPerSecond,
        expr: 'saga:checkouts_requested:rate5m',
      }),
      number({
        title: 'Completed',
        what: 'Share of the checkouts that ended, over five minutes.',
        unit: units.PercentUnit,
        expr: shareOf('completed'),
        ifNone: 'none ended',
      }),
      number({
        title: 'Compensated',
        what: 'Share of the checkouts that ended by being taken back. From a quarter on, see CompensationRateHigh.',
        unit: units.PercentUnit,
        expr: 'saga:checkouts_compensated:ratio_rate5m',
        // The alert's threshold; half of it is worth a look.
        thresholds: { warning: 0.125, critical: 0.25 },
        ifNone: 'none ended',
      }),
      number({
        title: 'Duration, p95',
        what: 'From the request to the end, of completed checkouts, over five minutes.',
        unit: units.Seconds,
        expr: 'saga:checkout_duration_seconds:p95_5m{outcome="completed"}',
        // Tens of milliseconds are usual; 5 s is the alert's threshold.
        thresholds: { warning: 1, critical: 5 },
        ifNone: 'none completed',
      }),
      number({
        title: 'Stuck',
        what: 'Checkouts that stay open longer than their deadline. How it is worked out stands at the alert CheckoutsStuck.',
        unit: units.Short,
        expr: 'min_over_time(saga:checkouts_open:count[10m]) > 120 * (saga:checkouts_requested:rate5m or vector(0)) or vector(0)',
        thresholds: { warning: 1 },
      }),
      number({
        title: 'Alerts',
        what: 'Alerts that are firing. What to do is in infra/prometheus/RUNBOOK.md.',
        unit: units.Short,
        expr: 'count(ALERTS{alertstate="firing"}) or vector(0)',
        thresholds: { warning: 1 },
      }),
    ],
    'How many are there, and how do they end?': [
      graph({
        title: 'Checkouts by outcome',
        what: 'What is requested and what ends should lie on each other, shifted by the duration.',
        unit: units.RequestsPerSecond,
        queries: [
          {
            expr: 'sum by (outcome) (rate(checkout_processed_total[$__rate_interval]))',
            legend: '{{outcome}}',
          },
        ],
      }),
      graph({
        title: 'Open checkouts',
        what: 'Requested and not ended. It goes up and down with the load; a line that never comes down again are stuck ones.',
        unit: units.Short,
        queries: [{ expr: 'saga:checkouts_open:count', legend: 'open' }],
      }),
    ],
    'How long does a checkout take?': [
      graph({
        title: 'Duration of completed checkouts',
        what: 'From the request to CheckoutCompleted.',
        unit: units.Seconds,
        queries: percentiles('checkout_duration_seconds_bucket{outcome="completed"}'),
        // As for the number above.
        thresholds: { warning: 1, critical: 5 },
      }),
      graph({
        title: 'Duration by outcome, p95',
        what: 'Taking back is a longer way than completing; a rejection is the shortest.',
        unit: units.Seconds,
        queries: [
          { expr: quantile(0.95, 'checkout_duration_seconds_bucket', 'outcome'), legend: '{{outcome}}' },
        ],
      }),
    ],
    'Which step takes the time?': [
      graph({
        title: 'Duration of a step, p95',
        what: 'From the commit of an event to the commit of its answer, named by the answer: queue, handling and store.',
        unit: units.Seconds,
        queries: [
          { expr: quantile(0.95, 'saga_step_duration_seconds_bucket', 'saga_step'), legend: '{{saga_step}}' },
        ],
      }),
      graph({
        title: 'Time on a topic, p95',
        what: 'From producing a message to the start of its handling: the part of a step in which nobody works.',
        unit: units.Seconds,
        queries: [
          {
            expr: quantile(
              0.95,
              'saga_queue_duration_seconds_bucket',
              'messaging_destination_name, messaging_consumer_group_name',
            ),
            legend: '{{messaging_destination_name}} to {{messaging_consumer_group_name}}',
          },
        ],
      }),
    ],
    'Why are checkouts taken back?': [
      graph({
        title: 'Registrations',
        what: 'rejected ends a checkout at once; revoked and kept are compensations.',
        unit: units.OpsPerSecond,
        span: 8,
        queries: [
          {
            expr: 'sum by (outcome) (rate(user_registered_total[$__rate_interval]))',
            legend: '{{outcome}}',
          },
        ],
      }),
      graph({
        title: 'Orders',
        what: 'rejected: nothing was ordered. cancelled: the payment failed, or the deadline passed.',
        unit: units.OpsPerSecond,
        span: 8,
        queries: [
          {
            expr: 'sum by (outcome) (rate(order_processed_total[$__rate_interval]))',
            legend: '{{outcome}}',
          },
        ],
      }),
      graph({
        title: 'Payments',
        what: 'declined takes the checkout back. refunded: captured, and then the deadline passed.',
        unit: units.OpsPerSecond,
        span: 8,
        queries: [
          {
            expr: 'sum by (outcome) (rate(payment_processed_total[$__rate_interval]))',
            legend: '{{outcome}}',
          },
        ],
      }),
    ],
    'Does anything run out of time?': [
      graph({
        title: 'Expired checkouts',
        what: 'Not at their end by their deadline, and taken back. Each one is a customer who waited for nothing.',
        unit: units.OpsPerSecond,
        queries: [
          {
            expr: 'sum(rate(checkout_processed_total{outcome="expired"}[$__rate_interval])) or vector(0)',
            legend: 'expired',
          },
        ],
      }),
      graph({
        title: 'Ended and requested, six hours',
        what: 'To the unit, also over restarts. The difference is what is open.',
        unit: units.Short,
        queries: [
          { expr: 'saga:checkout_processed:increase6h{outcome="requested"}', legend: 'requested' },
          { expr: `sum(saga:checkout_processed:increase6h{${ended}})`, legend: 'ended' },
        ],
      }),
    ],
  },
})
