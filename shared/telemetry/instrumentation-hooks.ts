/** What the instrumentation libraries leave out and Sagascope's users look for. */
import type { Span } from '@opentelemetry/api'
import { propagation, ROOT_CONTEXT } from '@opentelemetry/api'
import type { MessageInfo } from '@opentelemetry/instrumentation-kafkajs'
import { ATTR_SAGA_ID } from './saga-id.ts'
import { producerOf } from './trace-hops.ts'

/** A consumer span links to the producer's, whether it is its child or not, so both kinds of reader find it. */
export function onConsume(span: Span, { message }: MessageInfo): void {
  if (!span.isRecording()) return
  const producer = producerOf(propagation.extract(ROOT_CONTEXT, message.headers))
  if (producer) span.addLink({ context: producer })
}

export function onProduce(span: Span, { message }: MessageInfo): void {
  if (message.key) span.setAttribute(ATTR_SAGA_ID, message.key.toString())
}
