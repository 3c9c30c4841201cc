/** Latencies in an HdrHistogram: every value is kept to three digits, from a microsecond to hours, in 100 kB. */
import type { Histogram } from 'hdr-histogram-js'
import { build, decodeFromCompressedBase64, encodeIntoCompressedBase64 } from 'hdr-histogram-js'
import type { Latency } from './load-result.ts'

const microsPerMilli = 1_000
const tenMinutesMicros = 600_000_000

export type Percentiles = Pick<Latency, 'count' | 'p50' | 'p99' | 'max'>

/** Takes and gives milliseconds. With nothing recorded all are 0. */
export class LatencyHistogram {
  readonly #histogram: Histogram = build({
    lowestDiscernibleValue: 1,
    highestTrackableValue: tenMinutesMicros,
    autoResize: true,
    numberOfSignificantValueDigits: 3,
    useWebAssembly: false,
  })

  record(millis: number): void {
    this.#histogram.recordValue(Math.max(0, Math.round(millis * microsPerMilli)))
  }

  /** Of what was recorded since the last call. */
  takePercentiles(): Percentiles {
    const percentiles = this.percentiles()
    this.#histogram.reset()
    return percentiles
  }

  percentiles(): Percentiles {
    return {
      count: this.#histogram.totalCount,
      p50: this.#at(50),
      p99: this.#at(99),
      max: this.#histogram.maxValue / microsPerMilli,
    }
  }

  summary(): Latency {
    return {
      count: this.#histogram.totalCount,
      min: this.#at(0),
      mean: this.#histogram.totalCount === 0 ? 0 : this.#histogram.mean / microsPerMilli,
      p50: this.#at(50),
      p75: this.#at(75),
      p90: this.#at(90),
      p95: this.#at(95),
      p99: this.#at(99),
      p999: this.#at(99.9),
      max: this.#histogram.maxValue / microsPerMilli,
      hdr: encodeIntoCompressedBase64(this.#histogram),
    }
  }

  #at(percentile: number): number {
    if (this.#histogram.totalCount === 0) return 0
    const micros = Math.min(this.#histogram.getValueAtPercentile(percentile), this.#histogram.maxValue)
    return micros / microsPerMilli
  }
}

/** @returns the distribution of a result, in milliseconds: `atPercentile(99.9)` */
export function distributionOf({ hdr }: Pick<Latency, 'hdr'>): {
  atPercentile: (percentile: number) => number
} {
  const histogram = decodeFromCompressedBase64(hdr)
  return { atPercentile: (percentile) => histogram.getValueAtPercentile(percentile) / microsPerMilli }
}
