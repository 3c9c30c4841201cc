/** How figures and rows are written, for the terminal and the page alike. */
import type { RowKind } from '../../shared/traces/compare-traces.ts'
import type { MetricComparison } from './compare-sets.ts'

export const millis = (micros: number): string => `${(micros / 1_000).toFixed(1)} ms`

export const signedMillis = (micros: number): string =>
  `${micros >= 0 ? '+' : '-'}${millis(Math.abs(micros))}`

export const times = (ratio: number | undefined): string =>
  ratio === undefined ? '' : `${ratio >= 100 ? Math.round(ratio) : ratio.toFixed(2)}x`

/** `queue orders`, `gap before send checkouts`, or a span's name. */
export const nameOf = ({ kind, name }: { readonly kind: RowKind; readonly name: string }): string =>
  ({ span: name, queue: `queue ${name}`, gap: `gap before ${name}` })[kind]

export const titleOf = (row: {
  readonly kind: RowKind
  readonly name: string
  readonly service: string
}): string => `${nameOf(row)} (${row.service})`

/** `2.10x (1.52 to 2.95)`, the interval in brackets. */
export function timesWithInterval(metric: MetricComparison | undefined): string {
  if (metric === undefined) return ''
  const ratio = metric.intervals?.ratio
  return ratio
    ? `${times(ratio.estimate)} (${ratio.lower.toFixed(2)} to ${ratio.upper.toFixed(2)})`
    : times(metric.ratio)
}

/** What somebody else wrote must not move the cursor, or write on the next line. */
export const printable = (text: string): string =>
  // eslint-disable-next-line no-control-regex -- that is what is taken out
  text.replace(/[\u0000-\u001f\u007f-\u009f\u202a-\u202e\u2066-\u2069]/g, '\ufffd')
