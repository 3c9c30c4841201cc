/** A trace as a tree, for the terminal. */
import type { TraceSpan } from './jaeger.ts'

export interface TreeLine {
  readonly depth: number
  readonly span: TraceSpan
  /** From the start of the trace to the start of the span. */
  readonly offsetMicros: number
}

/** The spans, each below its parent, siblings by start; a span whose parent is missing is a root. */
export function treeOf(spans: readonly TraceSpan[]): TreeLine[] {
  const known = new Set(spans.map((span) => span.spanId))
  const children = Map.groupBy(spans, ({ parentSpanId }) =>
    parentSpanId !== undefined && known.has(parentSpanId) ? parentSpanId : undefined,
  )
  const start = Math.min(...spans.map((span) => span.startMicros))
  const below = (parent: string | undefined, depth: number): TreeLine[] =>
    (children.get(parent) ?? [])
      .toSorted((a, b) => a.startMicros - b.startMicros)
      .flatMap((span) => [
        { depth, span, offsetMicros: span.startMicros - start },
        ...below(span.spanId, depth + 1),
      ])
  return below(undefined, 0)
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
