/** One checkout's message is sent again and again: its partition has no time for the others that lie on it. */
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { randomUUID } from 'node:crypto'
import { z } from 'zod'
import { elasticsearchHeaders } from '../../../shared/backends/elasticsearch-credentials.ts'
import { readJson } from '../../../shared/backends/read-json.ts'
import type { TraceSpan } from '../../../shared/traces/trace.ts'
import { startFaultProxy } from '../../chaos/fault-proxy.ts'
import type { ChildProcess } from '../../native/child-process.ts'
import { startProcess } from '../../native/child-process.ts'
import { placeCheckout, sampleCheckout, untilEnded } from '../../verify/checkouts.ts'
import type { Scenario } from '../scenario.ts'
import { isSlow, storeThrough } from '../scenario.ts'

const repository = fileURLToPath(new URL('../../../', import.meta.url))
/** Each way. A store on the same machine would answer faster than this machine can send. */
const storeMillis = 25
/** A message that is known costs two reads, so that of one partition ten can be handled a second. */
const handledPerSecond = 1_000 / (2 * 2 * storeMillis)
/** Some more than that, and not many: what is sent until the fix is handled before anything else is. */
const replaysPerSecond = 14

const serviceOf = (consumerGroup = ''): string => consumerGroup.replace('sagascope-', '')

const isOfReplay = (trace: readonly TraceSpan[]): boolean =>
  trace.some(({ name }) => name === 'replay message')

export const hotPartition: Scenario = {
  name: 'hot-partition',
  what: `A script replays one checkout's request in a loop, ${replaysPerSecond} times a second, all to its partition.`,
  note: `The store is ${2 * storeMillis} ms away here, as in another region: of one partition, ${handledPerSecond} such messages can be handled a second.`,
  alert: 'CheckoutsSlow',
  panels: [
    { dashboard: 'kafka-and-outbox', title: 'Lag by partition, the ten worst' },
    { dashboard: 'kafka-and-outbox', title: 'Queue time, p99' },
  ],
  exemplars: {
    panel: { dashboard: 'services', title: 'Requests and messages, p95' },
    // Who lags, on what: the panel before says it.
    narrowedTo: ({ lines: [lag] }) => ({
      service_name: serviceOf(lag?.labels.messaging_consumer_group_name),
      span_name: `process ${lag?.labels.messaging_destination_name ?? ''}`,
    }),
    isTelling: isOfReplay,
  },
  affected: isSlow,
  // Both read the topic, and what else they read waits with it.
  expected: { kind: 'queue', services: ['users', 'checkout'] },

  async lookFurther({ stack }, { faultAtMillis, lines: [lag], trace }) {
    const service = serviceOf(lag?.labels.messaging_consumer_group_name)
    const partition = lag?.labels.messaging_destination_partition_id ?? ''
    const { key, count, all } = await busiestCheckout(stack.urls.elasticsearchUrl, service, faultAtMillis)
    const [handled] = trace.filter(({ kind, service: of }) => kind === 'consumer' && of === service)
    // One of hundreds.
    if (!handled || count < all / 4) return []
    return [
      `partition ${partition} is behind; the exemplar's message is a replay, and lay on partition ${handled.attributes['messaging.destination.partition.id'] ?? '?'}`,
      `${count} of the ${all} messages that ${service} has handled since the fault are of checkout ${key}`,
    ]
  },

  async prepare(stack, onStop) {
    const proxy = await startFaultProxy({ targetPort: stack.ports.mongodb })
    onStop(() => proxy.close())
    proxy.inject({ kind: 'latency', millis: storeMillis })
    let replaying: ChildProcess | undefined
    onStop(async () => replaying?.kill())
    return {
      environment: { MONGODB_URL: storeThrough(stack, proxy.port) },
      async inject({ gatewayUrl, environment }) {
        const { checkoutId } = await placeCheckout(
          gatewayUrl,
          sampleCheckout({ email: `${randomUUID()}@example.com` }),
        )
        await untilEnded(gatewayUrl, checkoutId)
        replaying = startProcess({
          command: process.execPath,
          args: [
            '--import',
            './shared/telemetry/register.ts',
            'infra/incident/replay-in-a-loop.ts',
            checkoutId,
            String(replaysPerSecond),
          ],
          directory: repository,
          environment: { ...environment, OTEL_SERVICE_NAME: 'replay' },
          logFile: join(stack.runDirectory, 'replay.log'),
        })
        return `checkout ${checkoutId} is replayed in a loop`
      },
      async fix() {
        await replaying?.stop(5_000)
        return 'the script is stopped'
      },
    }
  },
}

const busiest = z.object({
  hits: z.object({ total: z.object({ value: z.number() }) }),
  aggregations: z.object({
    checkouts: z.object({ buckets: z.array(z.object({ key: z.string(), doc_count: z.number() })) }),
  }),
})

/** As Kibana's field statistics for `attributes.saga.id` have it. */
async function busiestCheckout(elasticsearchUrl: string, service: string, sinceMillis: number) {
  const search = {
    size: 0,
    track_total_hits: true,
    query: {
      bool: {
        filter: [
          { term: { 'attributes.event.name': 'message.handled' } },
          { term: { 'resource.attributes.service.name': service } },
          { range: { '@timestamp': { gte: new Date(sinceMillis).toISOString() } } },
        ],
      },
    },
    aggs: { checkouts: { terms: { field: 'attributes.saga.id', size: 1 } } },
  }
  const url = new URL('/sagascope-logs*/_search', elasticsearchUrl)
  const { hits, aggregations } = busiest.parse(
    await readJson('Elasticsearch', url, search, elasticsearchHeaders()),
  )
  const [first] = aggregations.checkouts.buckets
  return { key: first?.key ?? '', count: first?.doc_count ?? 0, all: hits.total.value }
}
