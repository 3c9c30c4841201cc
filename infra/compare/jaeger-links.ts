/** Jaeger's own comparison of the same. */
import type { TraceComparison } from '../../shared/traces/compare-traces.ts'

/** Its page compares trace with trace: where a checkout is several, there is one for each hop that both have. */
export function jaegerComparisons({ a, b, rows }: TraceComparison, jaegerUiUrl: string): string[] {
  const matched = rows.flatMap((row) =>
    row.a && row.b ? [`${row.a.span.traceId}...${row.b.span.traceId}`] : [],
  )
  const [first = '', other = ''] = [a.traceIds[0], b.traceIds[0]]
  const pairs = matched.length > 0 ? [...new Set(matched)] : [`${first}...${other}`]
  return pairs.map((pair) => `${jaegerUiUrl.replace(/\/+$/, '')}/trace/${pair}`)
}
