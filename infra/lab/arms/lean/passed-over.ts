/** Which messages of its topics a service is sent and does not handle, by their type alone. */
import type { KafkaMessage } from 'kafkajs'
import type { Service } from '../../../../shared/saga/events.ts'
import { eventTypes, services, topicOf } from '../../../../shared/saga/events.ts'
import { consumedBy, keeperOf } from '../../../../shared/saga/flow.ts'
import { cloudEventType } from '../../../../shared/kafka/cloud-events.ts'
import type { IsPassedOver } from './kafkajs.ts'

/** Those that are another service's to handle, and to dead-letter where they cannot be read. */
export function passedOverBy(name: string): IsPassedOver {
  const service = services.find((each) => each === name)
  if (!service) return () => false
  const topicOfOthers = new Map<string, string>(
    eventTypes.filter((type) => isOthers(service, type)).map((type) => [cloudEventType(type), topicOf[type]]),
  )
  return (topic, message) => topicOfOthers.get(typeIn(message)) === topic
}

const isOthers = (service: Service, type: (typeof eventTypes)[number]): boolean =>
  !consumedBy(service).has(type) && keeperOf(topicOf[type], type) !== service

function typeIn({ headers }: KafkaMessage): string {
  const type = headers?.ce_type
  return Buffer.isBuffer(type) ? type.toString('latin1') : ''
}
