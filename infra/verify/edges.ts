/** A checkout's hops over Kafka, as seen in its spans, and as the flow table says they must be. */
import type { EventType } from '../../shared/saga/events.ts'
import { topicOf } from '../../shared/saga/events.ts'
import { flow } from '../../shared/saga/flow.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'

/** `gateway -checkouts-> users` */
export type Edge = string

const edge = (from: string, topic: string, to: string): Edge => `${from} -${topic}-> ${to}`

/** An edge without who sent it: `-checkouts-> users` */
export const arrivalOf = (edge: Edge): string => edge.slice(edge.indexOf(' ') + 1)

export interface Hop {
  readonly edge: Edge
  readonly consumer: TraceSpan
  /** The span that sent the message: the consumer's parent, or, where hops are links, the one it links to. */
  readonly producer: TraceSpan | undefined
  /** The span that the consumer's is a child of, when it is among the spans. */
  readonly parent: TraceSpan | undefined
  /** True when the consumer's span links to its producer's. */
  readonly linked: boolean
}

/** Every consumer span with where it came from. @param spans of one trace, or of all traces of a checkout */
export function hopsOf(spans: readonly TraceSpan[]): Hop[] {
  const byId = new Map(spans.map((span) => [span.spanId, span]))
  return spans
    .filter((span) => span.kind === 'consumer')
    .map((consumer) => {
      const parent = byId.get(consumer.parentSpanId ?? '')
      const producer = parent ?? consumer.links.map((link) => byId.get(link.spanId)).find((span) => span)
      const topic = consumer.attributes['messaging.destination.name'] ?? 'unknown'
      return {
        edge: edge(producer?.service ?? 'nobody', topic, consumer.service),
        consumer,
        producer,
        parent,
        linked: consumer.links.some(
          (link) => link.spanId === producer?.spanId && link.traceId === producer.traceId,
        ),
      }
    })
}

/** The hops that a checkout with these steps must have: one for each reaction that the flow table has. */
export function expectedEdges(steps: readonly { readonly type: string; readonly service: string }[]): Edge[] {
  return steps.flatMap((step) => {
    const type = step.type as EventType
    const from = type === 'CheckoutRequested' ? 'gateway' : step.service
    return flow
      .filter((row) => (row.on as readonly string[]).includes(type))
      .map((row) => edge(from, topicOf[type], row.by))
  })
}
