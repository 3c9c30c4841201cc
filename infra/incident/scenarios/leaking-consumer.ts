/** A release of orders keeps what it has seen and never lets it go. */
import type { Scenario } from '../scenario.ts'
import { hasEnded } from '../scenario.ts'
import { query } from '../../../shared/backends/prometheus.ts'

/** Small, so that minutes show what takes weeks with the default. */
const heapMiB = 192

export const leakingConsumer: Scenario = {
  name: 'leaking-consumer',
  what: 'A new release of orders looks for duplicates in a list of all that it has seen, which only grows.',
  note: `Its heap may grow to ${heapMiB} MiB, and it lists every message many times over: a minute shows what takes weeks.`,
  alert: 'HeapNearLimit',
  panels: [
    { dashboard: 'services', title: 'Heap in use' },
    { dashboard: 'services', title: 'Event loop, utilisation' },
  ],
  exemplars: {
    panel: { dashboard: 'services', title: 'Requests and messages, p95' },
    narrowedTo: ({ alertLabels: { service_name = '' } }) => ({ service_name }),
  },
  affected: hasEnded,
  expected: { kind: 'span', services: ['orders'] },

  async lookFurther({ stack }, { alertLabels: { service_name: service = '' } }) {
    const [collecting] = await query(
      stack.urls.prometheusUrl,
      `sum(rate(v8js_gc_duration_seconds_sum{service_name="${service}"}[20s]))`,
    )
    return [
      `${service} spends ${((collecting?.value ?? 0) * 100).toFixed(1)} % of its time on garbage collection`,
    ]
  },

  prepare: () =>
    Promise.resolve({
      environment: {},
      async inject({ deployment }) {
        await deployment.deploy('orders', {
          main: 'infra/incident/leaking-orders.ts',
          environment: { NODE_OPTIONS: `--max-old-space-size=${heapMiB} --max-semi-space-size=4` },
        })
        return 'the new release of orders runs'
      },
      async fix({ deployment }) {
        await deployment.deploy('orders')
        return 'the release before runs again'
      },
    }),
}
