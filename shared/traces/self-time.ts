/** Where the time of a span went: to itself, or to what it waited for. */
import { durationMicrosOf, endMicrosOf } from './trace.ts'
import { isAsynchronous } from './span-forest.ts'
import type { SpanNode } from './span-forest.ts'

/**
 * A span's duration without the union of its children's times, as far as they lie within its own: never negative,
 * never more than the duration. The handling of a message takes nothing from the span that sent it, although it may
 * begin before that has its acknowledgement: it runs elsewhere.
 */
export function selfMicrosOf(node: SpanNode): number {
  const { startMicros } = node.span
  const endMicros = endMicrosOf(node.span)
  const intervals = node.children
    .filter((child) => !isAsynchronous(child))
    .map(
      ({ span }) =>
        [Math.max(span.startMicros, startMicros), Math.min(endMicrosOf(span), endMicros)] as const,
    )
    .sort(([one], [other]) => one - other)
  let covered = 0
  let until = startMicros
  for (const [from, to] of intervals) {
    covered += Math.max(0, to - Math.max(from, until))
    until = Math.max(until, to)
  }
  return durationMicrosOf(node.span) - covered
}

/** How long after its parent's end a span began: for the handling of a message, the time in the queue. */
export const waitMicrosOf = ({ span, parent }: SpanNode): number =>
  parent === undefined ? 0 : Math.max(0, span.startMicros - endMicrosOf(parent.span))
