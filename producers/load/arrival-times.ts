/**
 * When checkouts are due: a rate that leads in straight lines from stage to stage, and arrivals along it, evenly spaced
 * or as a Poisson process. Both take the time at which the expected number of arrivals passes a mark: 0, 1, 2, ... or
 * the sum of exponentially distributed steps (time rescaling: Cinlar, Introduction to Stochastic Processes, 1975).
 */
import type { Random } from '../../infra/chaos/random.ts'

/** In a straight line to a rate within a time; 0 ms is a jump. */
export interface Stage {
  readonly ratePerSecond: number
  readonly durationMillis: number
}

export interface Schedule {
  /** From which the first stage leads on. */
  readonly startRatePerSecond: number
  readonly stages: readonly Stage[]
  readonly arrivals: 'uniform' | 'poisson'
  /** Ends the arrivals with this one; the last rate goes on until then. */
  readonly total?: number
}

interface Line {
  readonly startMillis: number
  readonly durationMillis: number
  readonly from: number
  readonly to: number
  /** By expectation, within it. */
  readonly arrivals: number
}

/** As long as a schedule with a total may take beyond its stages: the rest of the process's life. */
const endless = Number.MAX_SAFE_INTEGER
/** Sums of lines are not exact, and must neither lose nor win an arrival at their ends. */
const tolerance = 1e-9

function linesOf({ startRatePerSecond, stages, total }: Schedule): Line[] {
  const lines: Line[] = []
  let startMillis = 0
  let from = startRatePerSecond
  const add = (to: number, durationMillis: number) => {
    lines.push({
      startMillis,
      durationMillis,
      from,
      to,
      arrivals: (((from + to) / 2) * durationMillis) / 1_000,
    })
    startMillis += durationMillis
    from = to
  }
  for (const { ratePerSecond, durationMillis } of stages) add(ratePerSecond, durationMillis)
  if (total !== undefined && from > 0) add(from, endless)
  return lines
}

/** @returns milliseconds since the beginning, ascending */
export function* dueTimes(schedule: Schedule, random: Random): Generator<number> {
  const { arrivals, total = Infinity } = schedule
  const step = () => (arrivals === 'poisson' ? -Math.log(1 - random.next()) : 1)
  let mark = arrivals === 'poisson' ? step() : 0
  let passed = 0
  let count = 0
  for (const line of linesOf(schedule)) {
    for (; mark < passed + line.arrivals - tolerance; mark += step()) {
      if (count === total) return
      count += 1
      yield line.startMillis + whenPassed(line, Math.max(0, mark - passed))
    }
    passed += line.arrivals
  }
}

/** When so many have arrived since the line's beginning: solves `from t + (to - from) t^2 / 2 d = arrivals`. */
function whenPassed({ from, to, durationMillis }: Line, arrivals: number): number {
  if (arrivals === 0) return 0
  const slope = ((to - from) * 1_000) / durationMillis
  const rate = from + Math.sqrt(Math.max(0, from ** 2 + 2 * slope * arrivals))
  return Math.min(durationMillis, (2_000 * arrivals) / rate)
}

/** How many arrive; with Poisson arrivals and no total, by expectation. */
export const expectedArrivals = (schedule: Schedule): number =>
  schedule.total ?? linesOf(schedule).reduce((sum, { arrivals }) => sum + arrivals, 0)

/** The rate that is wanted at a time, 0 after the end. */
export function scheduledRate(schedule: Schedule, atMillis: number): number {
  const line = linesOf(schedule).findLast(({ startMillis }) => startMillis <= atMillis)
  if (!line || atMillis > line.startMillis + line.durationMillis) return 0
  const { from, to, startMillis, durationMillis } = line
  return durationMillis === 0 ? to : from + ((to - from) * (atMillis - startMillis)) / durationMillis
}

export const highestRate = ({ startRatePerSecond, stages }: Schedule): number =>
  Math.max(startRatePerSecond, ...stages.map(({ ratePerSecond }) => ratePerSecond))
