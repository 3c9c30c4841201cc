/** Many traces of one kind as one tree: below each path of spans, what all of them took there. */
import { labelOf, measureTrace } from '../../shared/traces/compare-traces.ts'
import type { MeasuredTrace } from '../../shared/traces/compare-traces.ts'
import { isAsynchronous } from '../../shared/traces/span-forest.ts'
import type { SpanNode } from '../../shared/traces/span-forest.ts'
import type { SpanKind, TraceSpan } from '../../shared/traces/trace.ts'
import { median } from '../statistics/quantiles.ts'

/** One value for each trace that has the span. */
export interface Samples {
  readonly durationMicros: number[]
  readonly selfMicros: number[]
  readonly waitMicros: number[]
  readonly offsetMicros: number[]
  readonly criticalMicros: number[]
  readonly criticalWaitMicros: number[]
}

export interface ProfileNode {
  readonly service: string
  readonly name: string
  readonly spanKind: SpanKind
  /** Where it handles messages, their topic. */
  readonly topic: string | undefined
  readonly isAsynchronous: boolean
  /** 1 for the first of its siblings with this label. */
  readonly occurrence: number
  readonly samples: Samples
  failed: number
  children: readonly ProfileNode[]
}

export interface Profile {
  readonly roots: readonly ProfileNode[]
  /** Of each trace. */
  readonly durationMicros: readonly number[]
}

interface Growing extends ProfileNode {
  readonly byKey: Map<string, Growing>
}

/**
 * Spans are the same when they have the same label, are the same among siblings of that label, and so are all above
 * them: of the same traces in any order the same comes out.
 * @param traces each the spans of one checkout
 */
export function profileOf(traces: readonly (readonly TraceSpan[])[]): Profile {
  const top = new Map<string, Growing>()
  const measured = traces.map((spans) => measureTrace(spans))
  for (const trace of measured) {
    const waiting = [{ siblings: trace.roots, into: top }]
    for (let level = waiting.pop(); level !== undefined; level = waiting.pop()) {
      for (const [node, grown] of growLevel(level.siblings, level.into)) {
        addSample(grown, node, trace)
        waiting.push({ siblings: node.children, into: grown.byKey })
      }
    }
  }
  return { roots: inOrder(top), durationMicros: measured.map(({ summary }) => summary.durationMicros) }
}

function growLevel(siblings: readonly SpanNode[], into: Map<string, Growing>): [SpanNode, Growing][] {
  const counts = new Map<string, number>()
  return siblings.map((node) => {
    const label = labelOf(node.span)
    const occurrence = (counts.get(label) ?? 0) + 1
    counts.set(label, occurrence)
    const key = `${label} ${occurrence}`
    const grown = into.get(key) ?? emptyNode(node, occurrence)
    into.set(key, grown)
    return [node, grown]
  })
}

const emptyNode = (node: SpanNode, occurrence: number): Growing => ({
  service: node.span.service,
  name: node.span.name,
  spanKind: node.span.kind,
  topic: node.span.attributes['messaging.destination.name'],
  isAsynchronous: isAsynchronous(node),
  occurrence,
  samples: {
    durationMicros: [],
    selfMicros: [],
    waitMicros: [],
    offsetMicros: [],
    criticalMicros: [],
    criticalWaitMicros: [],
  },
  failed: 0,
  children: [],
  byKey: new Map(),
})

function addSample(grown: Growing, node: SpanNode, trace: MeasuredTrace): void {
  const { offsetMicros, durationMicros, selfMicros, waitMicros, critical } = trace.timesOf(node)
  const { samples } = grown
  samples.durationMicros.push(durationMicros)
  samples.selfMicros.push(selfMicros)
  samples.waitMicros.push(node.parent === undefined ? critical.waitMicros : waitMicros)
  samples.offsetMicros.push(offsetMicros)
  samples.criticalMicros.push(critical.spanMicros)
  samples.criticalWaitMicros.push(critical.waitMicros)
  if (node.span.failed) grown.failed += 1
}

/** As they usually come; of one label the first before the second, which a sort by their times may not keep to. */
function inOrder(level: ReadonlyMap<string, Growing>): Growing[] {
  const nodes = [...level].map(([key, node]) => ({ key, node, offset: median(node.samples.offsetMicros) }))
  nodes.sort(
    (one, other) =>
      one.node.occurrence - other.node.occurrence ||
      one.offset - other.offset ||
      (one.key < other.key ? -1 : 1),
  )
  return nodes.map(({ node }) => {
    node.children = inOrder(node.byKey)
    return node
  })
}
