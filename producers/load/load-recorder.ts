/** Counts what becomes of each arrival: overall, by kind of checkout, and by the second in which it was due. */
import type { Percentiles } from './latency-histogram.ts'
import { LatencyHistogram } from './latency-histogram.ts'
import type { LoadResult, SecondOfArrivals, Tally } from './load-result.ts'
import type { End, PlannedCheckout } from './mix.ts'

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] }

class Counted {
  readonly tally: Mutable<Tally> = {
    arrived: 0,
    accepted: 0,
    refused: {},
    failed: {},
    ended: { completed: 0, compensated: 0, rejected: 0 },
    unexpected: 0,
    open: 0,
  }
  readonly toAccepted = new LatencyHistogram()
  readonly toEnd = new LatencyHistogram()

  distribution() {
    return { toAccepted: this.toAccepted.summary(), toEnd: this.toEnd.summary() }
  }
}

interface Row {
  readonly counts: Mutable<
    Pick<SecondOfArrivals, 'arrived' | 'accepted' | 'refused' | 'failed' | 'ended' | 'open'>
  >
  readonly toAccepted: number[]
  readonly toEnd: number[]
  lagMax: number
}

/** One checkout on its way. Times are milliseconds from when it was due. */
export interface Arriving {
  accepted(millis: number): void
  refused(code: string): void
  failed(code: string): void
  ended(end: End, millis: number): void
}

export interface Recorded {
  readonly tally: Tally
  readonly underWay: number
  readonly arrivedLately: number
  readonly toAccepted: Percentiles
  readonly toEnd: Percentiles
  readonly lately: { readonly toAccepted: Percentiles; readonly toEnd: Percentiles }
}

export class LoadRecorder {
  readonly #overall = new Counted()
  readonly #kinds = new Map<string, Counted>()
  readonly #rows: Row[] = []
  readonly #lag = new LatencyHistogram()
  readonly #lately = { toAccepted: new LatencyHistogram(), toEnd: new LatencyHistogram() }
  #arrivedLately = 0
  #underWay = 0

  /**
   * @param dueMillis since the beginning of the load
   * @param lagMillis how late it is sent
   */
  arrived({ kind, ends }: PlannedCheckout, dueMillis: number, lagMillis: number): Arriving {
    const all = [this.#overall, this.#kind(kind)]
    const row = this.#row(Math.floor(dueMillis / 1_000))
    this.#lag.record(lagMillis)
    row.lagMax = Math.max(row.lagMax, lagMillis)
    row.counts.arrived += 1
    for (const { tally } of all) tally.arrived += 1
    this.#arrivedLately += 1
    this.#underWay += 1
    return {
      accepted: (millis) => {
        this.#underWay -= 1
        row.counts.accepted += 1
        row.counts.open += 1
        row.toAccepted.push(millis)
        this.#lately.toAccepted.record(millis)
        for (const { tally, toAccepted } of all) {
          tally.accepted += 1
          tally.open += 1
          toAccepted.record(millis)
        }
      },
      refused: (code) => {
        this.#underWay -= 1
        row.counts.refused += 1
        for (const { tally } of all) tally.refused[code] = (tally.refused[code] ?? 0) + 1
      },
      failed: (code) => {
        this.#underWay -= 1
        row.counts.failed += 1
        for (const { tally } of all) tally.failed[code] = (tally.failed[code] ?? 0) + 1
      },
      ended: (end, millis) => {
        row.counts.ended += 1
        row.counts.open -= 1
        row.toEnd.push(millis)
        this.#lately.toEnd.record(millis)
        for (const { tally, toEnd } of all) {
          tally.open -= 1
          tally.ended[end] += 1
          if (end !== ends) tally.unexpected += 1
          toEnd.record(millis)
        }
      },
    }
  }

  /** How it stands; what was lately counts from the last call on. */
  look(): Recorded {
    const { tally, toAccepted, toEnd } = this.#overall
    const arrivedLately = this.#arrivedLately
    this.#arrivedLately = 0
    return {
      tally: structuredClone(tally),
      underWay: this.#underWay,
      arrivedLately,
      toAccepted: toAccepted.percentiles(),
      toEnd: toEnd.percentiles(),
      lately: {
        toAccepted: this.#lately.toAccepted.takePercentiles(),
        toEnd: this.#lately.toEnd.takePercentiles(),
      },
    }
  }

  result(
    scheduledRate: (atMillis: number) => number,
  ): Pick<LoadResult, 'tally' | 'tallyByKind' | 'overall' | 'byKind' | 'generatorLag' | 'seconds'> {
    const kinds = [...this.#kinds].sort(([a], [b]) => a.localeCompare(b))
    return {
      tally: this.#overall.tally,
      tallyByKind: Object.fromEntries(kinds.map(([name, { tally }]) => [name, tally])),
      overall: this.#overall.distribution(),
      byKind: Object.fromEntries(kinds.map(([name, counted]) => [name, counted.distribution()])),
      generatorLag: this.#lag.summary(),
      seconds: this.#rows.map(({ counts, toAccepted, toEnd, lagMax }, second) => ({
        second,
        scheduledRatePerSecond: scheduledRate((second + 0.5) * 1_000),
        ...counts,
        toAccepted: exactly(toAccepted),
        toEnd: exactly(toEnd),
        generatorLagMax: lagMax,
      })),
    }
  }

  #kind(name: string): Counted {
    const counted = this.#kinds.get(name) ?? new Counted()
    this.#kinds.set(name, counted)
    return counted
  }

  #row(second: number): Row {
    for (let next = this.#rows.length; next <= second; next++) {
      const counts = { arrived: 0, accepted: 0, refused: 0, failed: 0, ended: 0, open: 0 }
      this.#rows.push({ counts, toAccepted: [], toEnd: [], lagMax: 0 })
    }
    const row = this.#rows[second]
    if (!row) throw new Error(`there is no second ${second}`)
    return row
  }
}

/** By rank; a second has few values. */
function exactly(values: readonly number[]): SecondOfArrivals['toEnd'] {
  const sorted = values.toSorted((a, b) => a - b)
  const at = (share: number) => sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)] ?? 0
  return sorted.length === 0 ? null : { p50: at(0.5), p99: at(0.99), max: at(1) }
}
