/** What the instrumentation libraries leave out and Sagascope's users look for. */
import type { Span } from '@opentelemetry/api'
import { propagation, ROOT_CONTEXT, trace } from '@opentelemetry/api'
import type { MessageInfo } from '@opentelemetry/instrumentation-kafkajs'
import { readableHeaders } from '../messaging/headers.ts'
import { ATTR_SAGA_ID } from './saga-id.ts'

/** A consumer span is a child of the producer's and links to it as well, so both kinds of reader find it. */
export function onConsume(span: Span, { message }: MessageInfo): void {
  const producer = trace.getSpanContext(propagation.extract(ROOT_CONTEXT, readableHeaders(message.headers)))
  if (producer) span.addLink({ context: producer })
}

export function onProduce(span: Span, { message }: MessageInfo): void {
  if (message.key) span.setAttribute(ATTR_SAGA_ID, message.key.toString())
}
