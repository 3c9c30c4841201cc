/** Consumer lag as a metric, asked for only when metrics are collected. */
import { setTimeout as delay } from 'node:timers/promises'
import { metrics } from '@opentelemetry/api'
import type { PartitionLag } from '../messaging/kafka.ts'

const gauge = metrics.getMeter('sagascope').createObservableGauge('kafka.consumer_group.lag', {
  description: 'Messages that the group has not handled yet, by partition',
  unit: '{message}',
})

/** A broker that is away must not keep the other metrics from being exported. */
const deadlineMillis = 500

/** Observes the partitions that this member of the group has; where the broker is away there is a gap. */
export function observeLag(groupId: string, lag: () => Promise<readonly PartitionLag[]>): void {
  gauge.addCallback(async (result) => {
    const answered = lag().catch(() => [])
    const inTime = await Promise.race([answered, delay(deadlineMillis, [], { ref: false })])
    for (const { topic, partition, messages } of inTime) {
      result.observe(messages, {
        'messaging.consumer.group.name': groupId,
        'messaging.destination.name': topic,
        'messaging.destination.partition.id': String(partition),
      })
    }
  })
}
