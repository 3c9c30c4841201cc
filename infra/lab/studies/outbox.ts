/**
 * From when the store has a commit to when the broker has acknowledged its events: published at once, as the services do,
 * and by an outbox that polls the store for what is above its watermark. The same class publishes both.
 */
import { randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import { openLoop } from '../../../producers/load/open-loop.ts'
import { LatencyHistogram } from '../../../producers/load/latency-histogram.ts'
import { Outbox } from '../../../producers/outbox/outbox.ts'
import { KafkaConnection } from '../../../shared/kafka/kafka.ts'
import type { Send } from '../../../shared/kafka/kafka.ts'
import { EventStore } from '../../../shared/kernel/event-store.ts'
import { Writers } from '../../../shared/kernel/writers.ts'
import { connectStore } from '../../../shared/kernel/mongo.ts'
import { createLogger } from '../../../shared/telemetry/logger.ts'
import { openStack } from '../../native/open-stack.ts'
import { pickFreePorts } from '../../native/ports.ts'
import { eventually } from '../../verify/eventually.ts'
import { measurePair } from '../pairs.ts'
import type { OutboxStudy } from '../study-results.ts'
import type { Study } from './study.ts'

const rounds = 6
const ratePerSecond = 50
const commitsPerRound = 500
const warmUpCommits = 200
const pollingEveryMillis = 500
const pollingLimit = 500
const deadlineMillis = 20_000

const ways = ['immediate', 'polling'] as const
type Way = (typeof ways)[number]

export const studyOutbox: Study<OutboxStudy> = async ({ onStop, say }) => {
  const stack = await openStack({ ports: await pickFreePorts(), only: ['kafka', 'mongodb'] })
  onStop(() => stack.down())
  await stack.allReady
  const connection = await connectStore({ mongodbUrl: stack.urls.mongodbUrl, databasePrefix: 'lab' })
  onStop(() => connection.close())
  const log = createLogger('lab', 'error')
  const kafka = new KafkaConnection({ brokers: [stack.urls.kafkaBrokers], clientId: 'lab' }, log)
  await kafka.ensureTopics(6)
  const producer = await kafka.connectProducer()
  onStop(() => producer.disconnect())

  const publish = async (way: Way, commits: number): Promise<LatencyHistogram> => {
    // Of its own: each begins with an empty store.
    const name = `lab-outbox-${randomBytes(4).toString('hex')}`
    const database = connection.databaseOf('orders').client.db(name)
    const store = new EventStore(database, 'orders')
    await store.prepare()
    const committedAt = new Map<string, number>()
    const latencies = new LatencyHistogram()
    const send: Send = async (messages) => {
      await producer.send(messages)
      const acknowledgedAt = performance.now()
      for (const { headers } of messages) {
        const since = committedAt.get(headers.ce_id ?? '')
        if (since !== undefined) latencies.record(acknowledgedAt - since)
      }
    }
    const outbox = new Outbox({
      store,
      writers: new Writers(database),
      send,
      log,
      beatIntervalMillis: 1_000,
      leaseMillis: 5_000,
    })
    await outbox.start()
    const poll = async (): Promise<void> => {
      const { id, publishedTo } = store.writer
      const found = await store.writtenBy(id, publishedTo, pollingLimit)
      await Promise.all(found.map((commit) => outbox.publish(commit)))
    }
    const polling = new AbortController()
    const polled = way === 'polling' ? repeat(poll, polling.signal) : undefined
    await openLoop({ ratePerSecond, total: commits }, async (index) => {
      const result = await store.append({
        checkoutId: `lab-${index}`,
        version: 1,
        causedBy: `lab-${index}`,
        at: new Date(),
        events: [{ type: 'OrderRejected', data: { reason: 'out_of_stock', sku: 'SAGA-POSTER' } }],
        traceHeaders: {},
      })
      if (result.outcome !== 'appended') throw new Error(`a commit was not appended: ${result.outcome}`)
      for (const { id } of result.commit.events) committedAt.set(id, performance.now())
      if (way === 'immediate') await outbox.publish(result.commit)
    })
    await eventually(
      'all commits are acknowledged',
      () => Promise.resolve(latencies.percentiles().count >= commits || undefined),
      { deadlineMillis },
    )
    polling.abort()
    await polled
    await outbox.stop()
    return latencies
  }

  for (const way of ways) await publish(way, warmUpCommits)
  const measured: OutboxStudy['rounds'] = []
  for (let index = 0; index < rounds; index++) {
    const round = await measurePair(index, ways, async (way) => summary(await publish(way, commitsPerRound)))
    measured.push(round)
    say(
      `${index + 1} of ${rounds}: from commit to acknowledgement p50 ${round.immediate.p50.toFixed(2)} ms at once, ` +
        `${round.polling.p50.toFixed(0)} ms by polling every ${pollingEveryMillis} ms.`,
    )
  }
  return { ratePerSecond, pollingEveryMillis, rounds: measured }
}

async function repeat(work: () => Promise<void>, signal: AbortSignal): Promise<void> {
  for (;;) {
    const isOver = await delay(pollingEveryMillis, false, { signal }).catch(() => true)
    if (isOver) return
    await work()
  }
}

const summary = (histogram: LatencyHistogram) => {
  const { count, p50, p95, p99 } = histogram.summary()
  return { count, p50, p95, p99 }
}
