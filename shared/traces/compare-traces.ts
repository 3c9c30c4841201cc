/** Two traces side by side: what one has and the other lacks, what took longer, and what made the whole longer. */
import { criticalPathOf, criticalTimes, notCritical } from './critical-path.ts'
import type { CriticalTime } from './critical-path.ts'
import { matchForests } from './match-forests.ts'
import type { Likeness, MatchedNode } from './match-forests.ts'
import { selfMicrosOf, waitMicrosOf } from './self-time.ts'
import { depthFirst, isAsynchronous, spanForest } from './span-forest.ts'
import type { SpanNode } from './span-forest.ts'
import { durationMicrosOf } from './trace.ts'
import type { SpanKind, TraceSpan } from './trace.ts'

/** A queue is the time from the end of a message's sending to its handling; a gap any other before a span. */
export type RowKind = 'span' | 'queue' | 'gap'

/** What one of the two has in a row. */
export interface RowSide {
  /** Of a queue or a gap: the span that began after it. */
  readonly span: TraceSpan
  /** From the start of the trace. */
  readonly offsetMicros: number
  readonly durationMicros: number
  /** Without the time in which children ran; of a queue or a gap, all of it. */
  readonly selfMicros: number
  /** What of it is on the critical path. */
  readonly criticalMicros: number
  readonly failed: boolean
}

export type Verdict = 'same' | 'slower' | 'faster' | 'missing' | 'added'

export interface ComparedRow {
  readonly kind: RowKind
  readonly depth: number
  readonly service: string
  /** Of a queue, the topic. */
  readonly name: string
  readonly spanKind: SpanKind
  readonly a: RowSide | undefined
  readonly b: RowSide | undefined
  /** Of B against A, by the thresholds; `missing` is only in A, `added` only in B. */
  readonly verdict: Verdict
  /** B without A. */
  readonly differenceMicros: number
  /** B by A; undefined when one of them is missing or A took no time. */
  readonly ratio: number | undefined
  /** B without A, on the critical path: over all rows it adds up to the difference between the whole lengths. */
  readonly criticalDifferenceMicros: number
}

export interface TraceSummary {
  readonly traceIds: readonly string[]
  readonly sagaId: string | undefined
  readonly startMicros: number
  /** From the first start to the last end. */
  readonly durationMicros: number
  readonly spans: number
  readonly failed: number
}

export interface TraceComparison {
  readonly a: TraceSummary
  readonly b: TraceSummary
  readonly verdict: 'same' | 'slower' | 'faster'
  readonly differenceMicros: number
  readonly ratio: number | undefined
  /** Parents before what is below them. */
  readonly rows: readonly ComparedRow[]
}

/** Both must be passed for something to be slower, or faster. */
export interface Thresholds {
  readonly ratio: number
  readonly differenceMicros: number
}

/** Single traces differ by more than a fifth for no reason; less than a millisecond their clocks do not resolve. */
export const defaultThresholds: Thresholds = { ratio: 1.5, differenceMicros: 1_000 }

/** A trace with all that is known of its spans. */
export interface MeasuredTrace {
  readonly summary: TraceSummary
  readonly roots: readonly SpanNode[]
  timesOf(node: SpanNode): SpanTimes
}

export interface SpanTimes {
  readonly offsetMicros: number
  readonly durationMicros: number
  readonly selfMicros: number
  readonly waitMicros: number
  readonly critical: CriticalTime
}

/** @param spans of one trace, or of all traces of a checkout */
export function measureTrace(spans: readonly TraceSpan[]): MeasuredTrace {
  const roots = spanForest(spans)
  const nodes = depthFirst(roots)
  const path = criticalPathOf(roots)
  const critical = criticalTimes(path)
  const all = nodes.map(({ span }) => span)
  return {
    roots,
    summary: {
      traceIds: [...new Set(all.map(({ traceId }) => traceId))],
      sagaId: all.map(({ attributes }) => attributes['saga.id']).find((id) => id !== undefined),
      startMicros: path.startMicros,
      durationMicros: path.endMicros - path.startMicros,
      spans: all.length,
      failed: all.filter(({ failed }) => failed).length,
    },
    timesOf: (node) => ({
      offsetMicros: node.span.startMicros - path.startMicros,
      durationMicros: durationMicrosOf(node.span),
      selfMicros: selfMicrosOf(node),
      waitMicros: waitMicrosOf(node),
      critical: critical.get(node) ?? notCritical,
    }),
  }
}

/** By service, name and kind; of several attempts those are taken for the same that both failed, or both did not. */
export const spanLikeness: Likeness<SpanNode> = {
  labelOf: ({ span }) => labelOf(span),
  traitOf: ({ span }) => String(span.failed),
}

export const labelOf = ({ service, name, kind }: Pick<TraceSpan, 'service' | 'name' | 'kind'>): string =>
  JSON.stringify([service, name, kind])

/** The pairs of spans, as trees; see match-forests.ts for which is which. */
export const matchTraces = (
  a: Pick<MeasuredTrace, 'roots'>,
  b: Pick<MeasuredTrace, 'roots'>,
): MatchedNode<SpanNode>[] => matchForests(a.roots, b.roots, spanLikeness)

export function compareTraces(
  spansOfA: readonly TraceSpan[],
  spansOfB: readonly TraceSpan[],
  thresholds: Thresholds = defaultThresholds,
): TraceComparison {
  const [a, b] = [measureTrace(spansOfA), measureTrace(spansOfB)]
  const [before, after] = [a.summary.durationMicros, b.summary.durationMicros]
  return {
    a: a.summary,
    b: b.summary,
    verdict: verdictOn(before, after, thresholds),
    differenceMicros: after - before,
    ratio: ratioOf(before, after),
    rows: rowsOf(matchTraces(a, b), a, b, thresholds),
  }
}

function rowsOf(
  matched: readonly MatchedNode<SpanNode>[],
  a: MeasuredTrace,
  b: MeasuredTrace,
  thresholds: Thresholds,
): ComparedRow[] {
  const depths = new Map<MatchedNode<SpanNode>, number>()
  return depthFirst(matched).flatMap((node) => {
    const depth = depths.get(node) ?? 0
    for (const child of node.children) depths.set(child, depth + 1)
    const nodeA = timed(node.a, a)
    const nodeB = timed(node.b, b)
    const spanRow = rowOf('span', depth, sideOf(nodeA), sideOf(nodeB), thresholds)
    const waitRow = rowOf(waitKindOf(node), depth, waitSideOf(nodeA), waitSideOf(nodeB), thresholds)
    return [...(waitRow && isWorthARow(waitRow) ? [waitRow] : []), ...(spanRow ? [spanRow] : [])]
  })
}

type Timed = readonly [SpanNode, SpanTimes]

const timed = (node: SpanNode | undefined, trace: MeasuredTrace): Timed | undefined =>
  node && [node, trace.timesOf(node)]

function sideOf(found: Timed | undefined): RowSide | undefined {
  if (found === undefined) return undefined
  const [{ span }, { offsetMicros, durationMicros, selfMicros, critical }] = found
  return {
    span,
    offsetMicros,
    durationMicros,
    selfMicros,
    criticalMicros: critical.spanMicros,
    failed: span.failed,
  }
}

function waitSideOf(found: Timed | undefined): RowSide | undefined {
  if (found === undefined) return undefined
  const [{ span, parent }, { offsetMicros, waitMicros, critical }] = found
  // A root has no parent whose end it could have waited from; on the path it may follow another tree.
  const durationMicros = parent === undefined ? critical.waitMicros : waitMicros
  return {
    span,
    offsetMicros: offsetMicros - durationMicros,
    durationMicros,
    selfMicros: durationMicros,
    criticalMicros: critical.waitMicros,
    failed: false,
  }
}

const waitKindOf = ({ a, b }: MatchedNode<SpanNode>): RowKind =>
  [a, b].some((node) => node && isAsynchronous(node)) ? 'queue' : 'gap'

const isWorthARow = ({ kind, a, b }: ComparedRow): boolean =>
  kind === 'queue' || [a, b].some((side) => side !== undefined && side.durationMicros > 0)

function rowOf(
  kind: RowKind,
  depth: number,
  a: RowSide | undefined,
  b: RowSide | undefined,
  thresholds: Thresholds,
): ComparedRow | undefined {
  const { span } = a ?? b ?? {}
  if (span === undefined) return undefined
  const [before, after] = [a?.durationMicros ?? 0, b?.durationMicros ?? 0]
  return {
    kind,
    depth,
    service: span.service,
    name: kind === 'queue' ? (span.attributes['messaging.destination.name'] ?? span.name) : span.name,
    spanKind: span.kind,
    a,
    b,
    verdict: a === undefined ? 'added' : b === undefined ? 'missing' : verdictOn(before, after, thresholds),
    differenceMicros: after - before,
    ratio: a === undefined || b === undefined ? undefined : ratioOf(before, after),
    criticalDifferenceMicros: (b?.criticalMicros ?? 0) - (a?.criticalMicros ?? 0),
  }
}

/** @returns undefined when there is nothing to divide by */
export const ratioOf = (before: number, after: number): number | undefined =>
  before > 0 ? after / before : undefined

export function verdictOn(
  before: number,
  after: number,
  { ratio, differenceMicros }: Thresholds,
): 'same' | 'slower' | 'faster' {
  if (Math.abs(after - before) < differenceMicros) return 'same'
  if (after > before * ratio) return 'slower'
  return before > after * ratio ? 'faster' : 'same'
}

/** What made B longer, or shorter, than A: the rows whose share of the critical path changed, the greatest first. */
export const contributionsTo = ({ rows }: Pick<TraceComparison, 'rows'>): ComparedRow[] =>
  rows
    .filter(({ criticalDifferenceMicros }) => criticalDifferenceMicros !== 0)
    .sort((one, other) => Math.abs(other.criticalDifferenceMicros) - Math.abs(one.criticalDifferenceMicros))
