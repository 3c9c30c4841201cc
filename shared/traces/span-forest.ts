/**
 * Spans as trees. A span hangs below its parent; one whose parent is not among the spans hangs below the first of
 * those that it links to, so that a checkout is one tree whether its hops are children or links (TRACE_HOPS).
 */
import type { SpanReference, TraceSpan } from './trace.ts'

export interface SpanNode {
  readonly span: TraceSpan
  readonly parent: SpanNode | undefined
  /** The earliest first. */
  readonly children: readonly SpanNode[]
  /** 0 for a root. */
  readonly depth: number
}

interface Growing extends SpanNode {
  readonly children: Growing[]
  parent: Growing | undefined
  depth: number
}

/** Any order that is the same for the same spans, whatever the order they were read in. */
const earliestFirst = (one: SpanNode, other: SpanNode): number =>
  one.span.startMicros - other.span.startMicros || (keyOf(one.span) < keyOf(other.span) ? -1 : 1)

/** A span's id is unique only within its trace. */
export const keyOf = ({ traceId, spanId }: SpanReference): string => `${traceId}/${spanId}`

/**
 * The roots, the earliest first, each with all below it. Every span is there exactly once: of two with the same id the
 * first counts, and where spans are each other's ancestors the earliest of them becomes a root.
 * @param spans of one trace, or of all traces of a checkout, in any order
 */
export function spanForest(spans: readonly TraceSpan[]): SpanNode[] {
  const nodes = new Map<string, Growing>()
  for (const span of spans) {
    if (!nodes.has(keyOf(span))) nodes.set(keyOf(span), { span, parent: undefined, children: [], depth: 0 })
  }
  const sorted = [...nodes.values()].sort(earliestFirst)
  for (const node of sorted) node.parent = parentOf(node.span, nodes)
  cutCycles(sorted)
  for (const node of sorted) node.parent?.children.push(node)
  const roots = sorted.filter((node) => node.parent === undefined)
  for (const node of depthFirst(roots)) node.depth = node.parent === undefined ? 0 : node.parent.depth + 1
  return roots
}

function parentOf(span: TraceSpan, nodes: ReadonlyMap<string, Growing>): Growing | undefined {
  const { traceId, parentSpanId, links } = span
  const parent = parentSpanId === undefined ? undefined : nodes.get(keyOf({ traceId, spanId: parentSpanId }))
  return parent ?? links.map((link) => nodes.get(keyOf(link))).find((found) => found !== undefined)
}

function cutCycles(sorted: readonly Growing[]): void {
  const reachRoot = new Set<Growing>()
  for (const start of sorted) {
    const path = new Set<Growing>()
    let node: Growing | undefined = start
    while (node !== undefined && !reachRoot.has(node) && !path.has(node)) {
      path.add(node)
      node = node.parent
    }
    // The walk came back to itself: the earliest of the circle is where it is opened.
    if (node !== undefined && path.has(node)) openCircle(node)
    for (const passed of path) reachRoot.add(passed)
  }
}

function openCircle(on: Growing): void {
  let earliest = on
  for (let node = on.parent; node !== undefined && node !== on; node = node.parent) {
    if (earliestFirst(node, earliest) < 0) earliest = node
  }
  earliest.parent = undefined
}

/** Parents before their children, siblings in their order. Without recursion: a trace may be deeper than the stack. */
export function depthFirst<Node extends { readonly children: readonly Node[] }>(
  roots: readonly Node[],
): Node[] {
  const ordered: Node[] = []
  const waiting = roots.toReversed()
  for (let node = waiting.pop(); node !== undefined; node = waiting.pop()) {
    ordered.push(node)
    for (const child of node.children.toReversed()) waiting.push(child)
  }
  return ordered
}

/**
 * True for what nobody waits for: the handling of a message, seen from the span that sent it. It may begin before the
 * sending has ended, and may end long after.
 */
export const isAsynchronous = ({ span, parent }: SpanNode): boolean =>
  span.kind === 'consumer' && parent?.span.kind === 'producer'
