/** What checkouts leave behind where they are kept: on the broker, in the store, in Elasticsearch and in Prometheus. */
import { randomBytes } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MongoClient } from 'mongodb'
import { z } from 'zod'
import { GatewayClient } from '../../../producers/load/gateway-client.ts'
import { checkoutsOf } from '../../../producers/load/mix.ts'
import { openLoop } from '../../../producers/load/open-loop.ts'
import { query } from '../../../shared/backends/prometheus.ts'
import { readJson } from '../../../shared/backends/read-json.ts'
import { KafkaConnection } from '../../../shared/kafka/kafka.ts'
import { createLogger } from '../../../shared/telemetry/logger.ts'
import { seededRandom } from '../../chaos/random.ts'
import type { Stack } from '../../native/open-stack.ts'
import { openStack } from '../../native/open-stack.ts'
import { pickFreePorts } from '../../native/ports.ts'
import { prepareServices } from '../../native/services.ts'
import { eventually } from '../../verify/eventually.ts'
import { fetchCheckout } from '../../verify/checkouts.ts'
import { placeAccepted } from '../place-accepted.ts'
import { withoutLimits } from '../rig.ts'
import type { SizesStudy } from '../study-results.ts'
import type { Study } from './study.ts'

const ratePerSecond = 20
const warmUpCheckouts = 100
const measuredCheckouts = 1_000
const settleMillis = 60_000
const requestTimeoutMillis = 10_000
/** As infra/prometheus/prometheus.yml has it. */
const scrapeIntervalSeconds = 5

export const studySizes: Study<SizesStudy> = async ({ onStop, say }) => {
  const stack = await openStack({ ports: await pickFreePorts() })
  onStop(() => stack.down())
  await stack.allReady
  const services = await prepareServices(stack, withoutLimits)
  onStop(() => services.down())
  await Promise.all(services.names.map((name) => services.up(name)))

  await place(services.gatewayUrl, warmUpCheckouts)
  const before = await readSizes(stack)
  await place(services.gatewayUrl, measuredCheckouts)
  const after = await readSizes(stack)
  const [series, instances] = await Promise.all([
    valueOf(stack, 'count({service_name!=""})'),
    valueOf(stack, 'count(count by (instance) (process_memory_usage_bytes))'),
  ])
  await services.down()
  await stack.down()

  const kafka = {
    messages: after.kafka.messages - before.kafka.messages,
    bytes: after.kafka.bytes - before.kafka.bytes,
  }
  const store = {
    product: after.store.product,
    documents: after.store.documents - before.store.documents,
    bytes: after.store.bytes - before.store.bytes,
  }
  const logs = {
    records: after.logs.records - before.logs.records,
    bytes: after.logs.bytes - before.logs.bytes,
  }
  for (const [name, { bytes }] of Object.entries({ kafka, store, logs }))
    say(`${name}: ${(bytes / measuredCheckouts).toFixed(0)} bytes a checkout.`)
  return {
    checkouts: measuredCheckouts,
    kafka,
    store,
    logs,
    metrics: { series, instances, scrapeIntervalSeconds },
  }
}

/** Until all of them have completed, and what they left is where it stays. */
async function place(gatewayUrl: string, total: number): Promise<void> {
  const client = new GatewayClient(gatewayUrl, requestTimeoutMillis)
  const next = checkoutsOf({ completed: 1 }, { run: randomBytes(6).toString('hex') }, seededRandom(7))
  const placed: string[] = []
  await openLoop({ ratePerSecond, total }, async () => {
    placed.push(await placeAccepted(client, next().request))
  })
  client.close()
  for (const checkoutId of placed) {
    await eventually(
      `checkout ${checkoutId} to complete`,
      async () => (await fetchCheckout(gatewayUrl, checkoutId))?.status === 'completed' || undefined,
      { deadlineMillis: settleMillis },
    )
  }
  // Logs are exported and indexed after a while.
  await delay(5_000)
}

async function readSizes(stack: Stack) {
  const [kafka, store, logs] = await Promise.all([
    kafkaSize(stack),
    storeSize(stack.urls.mongodbUrl),
    logsSize(stack.urls.elasticsearchUrl),
  ])
  return { kafka, store, logs }
}

/** The broker's own topics begin with two underscores, and are not what checkouts leave behind. */
const isOwnTopic = (name: string): boolean => name.startsWith('__')

async function kafkaSize(stack: Stack): Promise<SizesStudy['kafka']> {
  const folder = join(stack.runDirectory, 'kafka', 'data')
  let bytes = 0
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    if (!entry.isDirectory() || isOwnTopic(entry.name)) continue
    for (const file of await readdir(join(folder, entry.name)))
      if (file.endsWith('.log')) bytes += (await stat(join(folder, entry.name, file))).size
  }
  return { messages: await countMessages(stack.urls.kafkaBrokers), bytes }
}

async function countMessages(broker: string): Promise<number> {
  const log = createLogger('lab', 'error')
  const admin = new KafkaConnection({ brokers: [broker], clientId: 'lab' }, log).client.admin()
  await admin.connect()
  try {
    const topics = (await admin.listTopics()).filter((name) => !isOwnTopic(name))
    const offsets = await Promise.all(topics.map((topic) => admin.fetchTopicOffsets(topic)))
    return offsets.flat().reduce((sum, { high, low }) => sum + Number(high) - Number(low), 0)
  } finally {
    await admin.disconnect()
  }
}

const storeStats = z.object({ objects: z.number(), dataSize: z.number(), indexSize: z.number().default(0) })
/** FerretDB names the version of MongoDB that it stands for, and its own beside it. */
const buildInfo = z.object({ version: z.string(), ferretdbVersion: z.string().optional() })

async function storeSize(url: string): Promise<SizesStudy['store']> {
  const client = await new MongoClient(url).connect()
  try {
    const { databases } = await client.db().admin().listDatabases()
    const names = databases
      .map(({ name }) => name)
      .filter((name) => !['admin', 'config', 'local'].includes(name))
    const stats = await Promise.all(
      names.map(async (name) => storeStats.parse(await client.db(name).stats())),
    )
    const { ferretdbVersion, version } = buildInfo.parse(await client.db('admin').command({ buildInfo: 1 }))
    return {
      product: ferretdbVersion === undefined ? `MongoDB ${version}` : `FerretDB ${ferretdbVersion} on SQLite`,
      documents: stats.reduce((sum, { objects }) => sum + objects, 0),
      bytes: stats.reduce((sum, { dataSize, indexSize }) => sum + dataSize + indexSize, 0),
    }
  } finally {
    await client.close()
  }
}

const indexStats = z.object({
  _all: z.object({
    primaries: z.object({
      docs: z.object({ count: z.number() }),
      store: z.object({ size_in_bytes: z.number() }),
    }),
  }),
})

async function logsSize(url: string): Promise<SizesStudy['logs']> {
  await fetch(new URL('/sagascope-logs*/_forcemerge?max_num_segments=1&flush=true', url), { method: 'POST' })
  const { primaries } = indexStats.parse(
    await readJson('Elasticsearch', new URL('/sagascope-logs*/_stats/docs,store', url)),
  )._all
  return { records: primaries.docs.count, bytes: primaries.store.size_in_bytes }
}

async function valueOf(stack: Stack, promql: string): Promise<number> {
  const [sample] = await query(stack.urls.prometheusUrl, promql)
  if (!sample) throw new Error(`Prometheus has nothing for ${promql}`)
  return sample.value
}
