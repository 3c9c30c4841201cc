/** What the instrumentation libraries leave out and Sagascope's users look for. */
import type { Span } from '@opentelemetry/api'
import type { MessageInfo } from '@opentelemetry/instrumentation-kafkajs'
import { isCheckoutId } from '../saga/checkout-id.ts'
import { ATTR_SAGA_ID } from './saga-id.ts'

export function onConsume(span: Span, { message }: MessageInfo): void {
  if (span.isRecording()) hideUnknownKey(span, message.key)
}

export function onProduce(span: Span, { message }: MessageInfo): void {
  if (!span.isRecording()) return
  const key = message.key?.toString()
  if (isCheckoutId(key)) span.setAttribute(ATTR_SAGA_ID, key)
  hideUnknownKey(span, key)
}

const ATTR_MESSAGING_KAFKA_MESSAGE_KEY = 'messaging.kafka.message.key'

/** A key that is no checkout id may be anything, an email for instance. The instrumentation writes any. */
function hideUnknownKey(span: Span, key: Buffer | string | null | undefined): void {
  if (key && !isCheckoutId(key.toString())) span.setAttribute(ATTR_MESSAGING_KAFKA_MESSAGE_KEY, '*')
}
