/** How long messages have been in hand without a sign of life, and how often that ended the process. */
import { metrics } from '@opentelemetry/api'

const meter = metrics.getMeter('sagascope')

const silence = meter.createObservableGauge('kafka.consumer.longest_silence', {
  description: 'Since the message in hand that has waited longest was begun or last tried again',
  unit: 's',
})
const stalls = meter.createCounter('kafka.consumer.stalls', {
  description: 'Consumers that got nowhere any more, so that their process was ended',
  unit: '{consumer}',
})

export function observeSilence(groupId: string, longestSilenceMillis: () => number): void {
  silence.addCallback((result) => {
    result.observe(longestSilenceMillis() / 1_000, { 'messaging.consumer.group.name': groupId })
  })
}

/** @param errorType `handler_hung`, `consumer_silent` */
export function countStall(groupId: string, errorType: string): void {
  stalls.add(1, { 'messaging.consumer.group.name': groupId, 'error.type': errorType })
}
