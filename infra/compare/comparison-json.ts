/** Comparisons for machines: all figures, and ids in place of whole spans. */
import type { ComparedRow, RowSide, TraceComparison } from '../../shared/traces/compare-traces.ts'
import type { SetComparison } from './compare-sets.ts'
import { mainCauseOf } from './compare-sets.ts'

export const asJson = (comparison: TraceComparison) => ({
  ...comparison,
  rows: comparison.rows.map(rowAsJson),
})

const rowAsJson = (row: ComparedRow) => ({
  ...row,
  a: row.a && sideAsJson(row.a),
  b: row.b && sideAsJson(row.b),
})

function sideAsJson({ span, ...figures }: RowSide) {
  const { traceId, spanId } = span
  return { traceId, spanId, ...figures }
}

export const setsAsJson = (comparison: SetComparison) => ({
  ...comparison,
  mainCause: mainCauseOf(comparison),
})
