/**
 * Whom the comparison of two sets of traces names. It knows nothing of the fault: what fails where it did not comes
 * first; then what makes the traces longer. Time in a queue is a symptom when handling takes longer than before, for
 * then messages come faster than they are handled; the cause is the slowest part of the handling. When handling takes as
 * long as it did, more comes than did, and the queue itself is the answer.
 */
import type { SetComparison, SetRow } from '../compare/compare-sets.ts'
import { mainCauseOf } from '../compare/compare-sets.ts'

export interface Guilty {
  readonly row: SetRow
  /** For people. */
  readonly because: string
}

/** What a busy machine does to everything is less than this. */
const slowerRatio = 2

export function guiltyOf(comparison: SetComparison): Guilty | undefined {
  const { rows, traces } = comparison
  const failing = rows.filter(
    ({ kind, failuresDiffer, failed }) =>
      kind === 'span' && failuresDiffer && failed.b / traces.b > failed.a / traces.a,
  )
  const deepest = failing.toSorted((one, other) => other.path.length - one.path.length)[0]
  if (deepest) {
    const { failed } = deepest
    return {
      row: deepest,
      because: `it fails in ${failed.b} of ${traces.b} traces, before in ${failed.a} of ${traces.a}`,
    }
  }

  const cause = mainCauseOf(comparison)
  if (cause === undefined) return undefined
  if (cause.kind !== 'queue') return { row: cause, because: 'it adds most to the length' }

  const handling = rows.find(
    (row) =>
      row.kind === 'span' &&
      row.spanKind === 'consumer' &&
      row.service === cause.service &&
      row.path.join() === cause.path.join() &&
      row.name === `process ${cause.name}`,
  )
  const ratio = handling?.duration?.isSignificant === true ? (handling.duration.ratio ?? 1) : 1
  if (!handling || ratio < slowerRatio) {
    return { row: cause, because: 'handling takes about as long as before: more waits than is handled' }
  }
  const below = [...handling.path, handling.name].join()
  const [slowest = handling] = rows
    .filter(
      (row) => row === handling || (row.kind === 'span' && `${row.path.join()},`.startsWith(`${below},`)),
    )
    .filter((row) => row.service === handling.service && row.self?.isSignificant === true)
    .sort((one, other) => (other.self?.differenceMicros ?? 0) - (one.self?.differenceMicros ?? 0))
  return {
    row: slowest,
    because: `the queue before ${cause.service} grows because handling takes ${ratio.toFixed(0)} times as long, and this is the slowest part of it`,
  }
}

/** What a scenario says it should be. */
export interface Expected {
  readonly kind: SetRow['kind']
  /** One of them. */
  readonly services: readonly string[]
  /** Of the span itself or of one that it is within; of a queue, the topic. Any unless told. */
  readonly name?: string
}

export const agrees = ({ row }: Guilty, { kind, services, name }: Expected): boolean =>
  row.kind === kind &&
  services.includes(row.service) &&
  (name === undefined || row.name === name || (kind === 'span' && row.path.includes(name)))

export function describeRow({ kind, service, name, path, spanKind }: SetRow): string {
  if (kind === 'queue') return `the queue of ${name} before ${service}`
  const parent = path.at(-1)
  const within = spanKind === 'client' && parent !== undefined ? ` (within ${parent})` : ''
  return `${kind === 'gap' ? 'the wait before ' : ''}${service}: ${name}${within}`
}
