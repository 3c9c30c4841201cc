/** Consumer lag as a metric, asked for only when metrics are collected. */
import { setTimeout as delay } from 'node:timers/promises'
import { metrics } from '@opentelemetry/api'
import type { PartitionLag } from '../kafka/kafka.ts'

const gauge = metrics.getMeter('sagascope').createObservableGauge('kafka.consumer_group.lag', {
  description: 'Messages that the group has not handled yet, by partition',
  unit: '{message}',
})

/** A broker that is away must not keep the other metrics from being exported. */
const deadlineMillis = 500

/**
 * Observes the partitions that this member of the group has; where the broker is away there is a gap. It is asked
 * again only when it has answered, or questions would pile up for as long as it is silent.
 */
export function observeLag(groupId: string, lag: () => Promise<readonly PartitionLag[]>): void {
  let asked: Promise<readonly PartitionLag[]> | undefined
  gauge.addCallback(async (result) => {
    asked ??= lag()
      .catch(() => [])
      .finally(() => (asked = undefined))
    const inTime = await Promise.race([asked, delay(deadlineMillis, [], { ref: false })])
    for (const { topic, partition, messages } of inTime) {
      result.observe(messages, {
        'messaging.consumer.group.name': groupId,
        'messaging.destination.name': topic,
        'messaging.destination.partition.id': String(partition),
      })
    }
  })
}
