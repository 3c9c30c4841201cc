/** Where each span of a trace is drawn. Pure: spans and log lines in, rows out. */
import { criticalPathOf } from '../../../shared/traces/critical-path.ts'
import type { PathSegment } from '../../../shared/traces/critical-path.ts'
import { selfMicrosOf, waitMicrosOf } from '../../../shared/traces/self-time.ts'
import type { SpanNode } from '../../../shared/traces/span-forest.ts'
import { depthFirst, spanForest } from '../../../shared/traces/span-forest.ts'
import type { TraceSpan } from '../../../shared/traces/trace.ts'
import type { LogLine } from './api.ts'

export interface Row {
  readonly span: TraceSpan
  readonly depth: number
  /** How many of the hidden spans are below it. */
  readonly hidden: number
  readonly offsetMicros: number
  readonly selfMicros: number
  /** Between the end of its parent and its start: of the handling of a message, the queue. */
  readonly waitMicros: number
  /** From the start of the trace. */
  readonly critical: readonly {
    readonly fromMicros: number
    readonly toMicros: number
    readonly isWait: boolean
  }[]
  readonly logs: readonly LogLine[]
}

export interface Waterfall {
  readonly startMicros: number
  readonly lengthMicros: number
  readonly rows: readonly Row[]
  readonly failed: number
  /** On the critical path, by service, the largest first. */
  readonly criticalByService: readonly { readonly service: string; readonly micros: number }[]
}

/** The store's spans are most of a trace, and are looked at least. */
export const isOfStore = ({ kind, attributes }: TraceSpan): boolean =>
  kind === 'client' && ('db.system.name' in attributes || 'db.system' in attributes)

export function layOut(
  spans: readonly TraceSpan[],
  logs: readonly LogLine[],
  { showsStore }: { readonly showsStore: boolean },
): Waterfall {
  const roots = spanForest(spans)
  const path = criticalPathOf(roots)
  const startMicros = path.startMicros
  const segments = Map.groupBy(path.segments, ({ node }) => node)
  const bySpan = Map.groupBy(logs, ({ spanId }) => spanId)
  const isShown = ({ span, children }: SpanNode): boolean =>
    showsStore || children.length > 0 || span.failed || !isOfStore(span)
  const rows = depthFirst(roots)
    .filter(isShown)
    .map((node): Row => {
      const { span, depth, children } = node
      return {
        span,
        depth,
        hidden: children.filter((child) => !isShown(child)).length,
        offsetMicros: span.startMicros - startMicros,
        selfMicros: selfMicrosOf(node),
        waitMicros: waitMicrosOf(node),
        critical: (segments.get(node) ?? []).map((segment) => ({
          fromMicros: segment.startMicros - startMicros,
          toMicros: segment.endMicros - startMicros,
          isWait: segment.kind !== 'span',
        })),
        logs: bySpan.get(span.spanId) ?? [],
      }
    })
  return {
    startMicros,
    lengthMicros: path.endMicros - startMicros,
    rows,
    failed: spans.filter(({ failed }) => failed).length,
    criticalByService: byService(path.segments),
  }
}

function byService(segments: readonly PathSegment[]): Waterfall['criticalByService'] {
  const sums = new Map<string, number>()
  for (const { kind, node, startMicros, endMicros } of segments) {
    const name = kind === 'span' ? node.span.service : 'waiting'
    sums.set(name, (sums.get(name) ?? 0) + endMicros - startMicros)
  }
  return [...sums].map(([service, micros]) => ({ service, micros })).sort((a, b) => b.micros - a.micros)
}
