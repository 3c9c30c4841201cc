/** A comparison as lines of text. Pure: what was compared in, lines out. */
import type {
  ComparedRow,
  TraceComparison,
  TraceSummary,
  Verdict,
} from '../../shared/traces/compare-traces.ts'
import { contributionsTo } from '../../shared/traces/compare-traces.ts'
import type { SetComparison, SetRow } from './compare-sets.ts'
import { mainCauseOf } from './compare-sets.ts'
import { millis, nameOf, printable, signedMillis, times, timesWithInterval, titleOf } from './figures.ts'

export type Paint = (verdict: Verdict | 'failed', text: string) => string

const plain: Paint = (_verdict, text) => text

/** So that it shows without colours too. */
const signs: Readonly<Record<Verdict, string>> = {
  same: ' ',
  slower: '>',
  faster: '<',
  missing: '-',
  added: '+',
}

export const legend =
  '> slower, < faster, - missing in B, + added in B, ! failed; path: on the critical path of A, B, or both'

interface Column {
  readonly title: string
  readonly cells: readonly string[]
  readonly align?: 'left' | 'right'
}

/** @returns the titles, then one line a row */
function table(columns: readonly Column[]): string[] {
  const height = Math.max(0, ...columns.map(({ cells }) => cells.length))
  const widths = columns.map(({ title, cells }) => Math.max(...[title, ...cells].map((cell) => cell.length)))
  const line = (at: (column: Column) => string): string =>
    columns
      .map((column, index) =>
        column.align === 'left'
          ? at(column).padEnd(widths[index] ?? 0)
          : at(column).padStart(widths[index] ?? 0),
      )
      .join('  ')
      .trimEnd()
  return [
    line(({ title }) => title),
    ...Array.from({ length: height }, (_, row) => line(({ cells }) => cells[row] ?? '')),
  ]
}

export function drawComparison(comparison: TraceComparison, paint: Paint = plain): string[] {
  const { a, b, rows } = comparison
  const column = (title: string, cell: (row: ComparedRow) => string, align?: Column['align']): Column => ({
    title,
    cells: rows.map((row) => printable(cell(row))),
    ...(align && { align }),
  })
  const failed = (row: ComparedRow): boolean => row.a?.failed === true || row.b?.failed === true
  const [titles = '', ...lines] = table([
    column('', (row) => `${signs[row.verdict]}${failed(row) ? '!' : ' '}`, 'left'),
    column('', (row) => `${'  '.repeat(row.depth)}${nameOf(row)}`, 'left'),
    column('', (row) => row.service, 'left'),
    column('A', ({ a }) => (a ? millis(a.durationMicros) : '')),
    column('self', ({ kind, a }) => (a && kind === 'span' ? millis(a.selfMicros) : '')),
    column('B', ({ b }) => (b ? millis(b.durationMicros) : '')),
    column('self', ({ kind, b }) => (b && kind === 'span' ? millis(b.selfMicros) : '')),
    column('B - A', (row) => (row.a && row.b ? signedMillis(row.differenceMicros) : '')),
    column('B / A', (row) => times(row.ratio)),
    column('path', ({ a, b }) => `${a?.criticalMicros ? 'A' : ' '}${b?.criticalMicros ? 'B' : ' '}`, 'left'),
  ])
  return [
    `A  ${describe(a)}`,
    `B  ${describe(b)}`,
    paint(comparison.verdict, inWords(comparison)),
    '',
    titles,
    ...lines.map((line, index) => {
      const row = rows[index]
      return row ? paint(row.verdict === 'same' && failed(row) ? 'failed' : row.verdict, line) : line
    }),
    legend,
    ...drawContributions(comparison),
  ]
}

function describe({ traceIds, sagaId, spans, failed, durationMicros }: TraceSummary): string {
  return printable(
    [
      ...(sagaId === undefined ? [] : [`checkout ${sagaId}`]),
      traceIds.length === 1 ? `trace ${traceIds[0] ?? ''}` : `${traceIds.length} traces`,
      `${spans} spans`,
      ...(failed > 0 ? [`${failed} failed`] : []),
      millis(durationMicros),
    ].join(', '),
  )
}

const inWords = ({ verdict, differenceMicros, ratio }: TraceComparison): string =>
  verdict === 'same'
    ? `B takes about as long as A: ${signedMillis(differenceMicros)}`
    : `B is ${verdict} than A: ${[signedMillis(differenceMicros), times(ratio)].filter(Boolean).join(', ')}`

const mostContributions = 5

const onlyIn = ({ verdict }: ComparedRow): string =>
  verdict === 'added' ? ', only in B' : verdict === 'missing' ? ', only in A' : ''

function drawContributions(comparison: TraceComparison): string[] {
  const worth = contributionsTo(comparison).filter((row) => Math.abs(row.criticalDifferenceMicros) >= 1_000)
  if (worth.length === 0) return []
  const shown = worth.slice(0, mostContributions)
  const others =
    comparison.differenceMicros - shown.reduce((sum, row) => sum + row.criticalDifferenceMicros, 0)
  const [, ...lines] = table([
    {
      title: '',
      cells: [...shown.map((row) => signedMillis(row.criticalDifferenceMicros)), signedMillis(others)],
    },
    {
      title: '',
      cells: [...shown.map((row) => printable(`${titleOf(row)}${onlyIn(row)}`)), 'everything else'],
      align: 'left',
    },
  ])
  return [
    '',
    `On the critical path, ${signedMillis(comparison.differenceMicros)} in all:`,
    ...lines.map((line) => `  ${line}`),
  ]
}

/** Rows that say nothing are left out: neither beyond chance, nor a millisecond of the difference. */
const isWorthALine = (row: SetRow): boolean =>
  row.verdict !== 'same' ||
  row.presenceDiffers ||
  row.failuresDiffer ||
  Math.abs(row.criticalDifferenceMicros) >= 1_000

export function drawSets(comparison: SetComparison, paint: Paint = plain): string[] {
  const { length, traces, meanDifferenceMicros, confidence } = comparison
  const rows = comparison.rows.filter(isWorthALine)
  const column = (title: string, cell: (row: SetRow) => string, align?: Column['align']): Column => ({
    title,
    cells: rows.map((row) => printable(cell(row))),
    ...(align && { align }),
  })
  const spread = (metric: SetRow['duration'], side: 'a' | 'b'): string =>
    metric ? `${millis(metric[side].medianMicros)} / ${millis(metric[side].p95Micros)}` : ''
  const share = ({ traces: has, failed }: SetRow): string =>
    `${has.a}/${traces.a} ${has.b}/${traces.b}${failed.a + failed.b > 0 ? `, failed ${failed.a} ${failed.b}` : ''}`
  const isBeyondChance = (row: SetRow): boolean =>
    row.duration?.isSignificant === true || row.presenceDiffers || row.failuresDiffer
  const [titles = '', ...lines] = table([
    column(
      '',
      (row) => `${signs[row.verdict]}${row.failuresDiffer ? '!' : ' '}${isBeyondChance(row) ? '*' : ' '}`,
      'left',
    ),
    column('on the path', (row) => signedMillis(row.criticalDifferenceMicros)),
    column('', (row) => `${nameOf(row)}${row.occurrence > 1 ? ` #${row.occurrence}` : ''}`, 'left'),
    column('', (row) => row.service, 'left'),
    column('A p50 / p95', ({ duration }) => spread(duration, 'a')),
    column('B p50 / p95', ({ duration }) => spread(duration, 'b')),
    column('B / A', ({ duration }) => timesWithInterval(duration), 'left'),
    column('self B / A', ({ kind, self }) => (kind === 'span' ? timesWithInterval(self) : ''), 'left'),
    column('traces', share, 'left'),
  ])
  const cause = mainCauseOf(comparison)
  return [
    `A  ${traces.a} traces, median ${millis(length.a.medianMicros)}, p95 ${millis(length.a.p95Micros)}`,
    `B  ${traces.b} traces, median ${millis(length.b.medianMicros)}, p95 ${millis(length.b.p95Micros)}`,
    paint(comparison.verdict, setsInWords(comparison)),
    ...(cause ? [paint('slower', `Most of it is ${printable(titleOf(cause))}.`)] : []),
    '',
    ...(rows.length === 0
      ? [`No span differs by more than chance, nor by a millisecond.`]
      : [titles, ...lines.map((line, index) => paint(rows[index]?.verdict ?? 'same', line))]),
    `* more than chance; intervals hold with ${confidence * 100} % confidence, all ${comparison.comparisons} comparisons taken together`,
    `on the path: the mean time on the critical path, B - A; over all rows ${signedMillis(meanDifferenceMicros)}, the difference of the mean lengths`,
    ...(rows.length < comparison.rows.length
      ? [
          `${comparison.rows.length - rows.length} rows that neither differ nor matter are left out; --json and --html have them`,
        ]
      : []),
  ]
}

function setsInWords({ verdict, length }: SetComparison): string {
  if (length.intervals === undefined) return 'These are too few to tell a difference from chance.'
  const by = `${signedMillis(length.differenceMicros)} in the median, ${timesWithInterval(length)}`
  if (verdict !== 'same') return `B is ${verdict} than A: ${by}`
  return length.isSignificant
    ? `B takes about as long as A, though more than chance sets them apart: ${by}`
    : `B and A differ by no more than chance: ${by}`
}
