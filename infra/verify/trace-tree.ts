/** A trace as a tree, for the terminal. */
import { depthFirst, spanForest } from '../../shared/traces/span-forest.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'

export interface TreeLine {
  readonly depth: number
  readonly span: TraceSpan
  /** From the start of the trace to the start of the span. */
  readonly offsetMicros: number
}

/** The spans of one trace, or of all traces of a checkout, each below its parent, siblings by start. */
export function treeOf(spans: readonly TraceSpan[]): TreeLine[] {
  const roots = spanForest(spans)
  const start = roots[0]?.span.startMicros ?? 0
  return depthFirst(roots).map(({ span, depth }) => ({ depth, span, offsetMicros: span.startMicros - start }))
}

const millis = (micros: number): string => `${(micros / 1_000).toFixed(1)} ms`

/** Lines of text: tree, service, duration, offset; `~` marks a span that links to another. */
export function drawTree(spans: readonly TraceSpan[]): string[] {
  const lines = treeOf(spans)
  const names = lines.map(({ depth, span }) => `${'  '.repeat(depth)}${span.failed ? '! ' : ''}${span.name}`)
  const width = Math.max(...names.map((name) => name.length))
  return lines.map(({ span, offsetMicros }, index) =>
    [
      (names[index] ?? '').padEnd(width),
      span.service.padEnd(9),
      millis(span.durationMicros).padStart(10),
      `+${millis(offsetMicros)}`.padStart(11),
      span.links.length > 0 ? ' ~' : '',
    ].join(' '),
  )
}
