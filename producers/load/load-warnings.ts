/** What a reader of the figures has to know, in sentences. */
import type { LoadResult } from './load-result.ts'
import { reasonsForFailures, reasonsForRefusals } from './refusals.ts'

/** So late at the 99th percentile the tool may be ... */
export const lagLimitMillis = 10
/** ... or by this share of what it measures there, if that is more. */
const lagLimitShare = 0.1

type Judged = Pick<LoadResult, 'generatorLag' | 'overall'>

export const lagLimit = ({ overall }: Judged): number =>
  Math.max(lagLimitMillis, overall.toAccepted.p99 * lagLimitShare)

/** The tool was so late itself that it cannot vouch for the figures. */
export const isVoid = (judged: Judged): boolean => judged.generatorLag.p99 > lagLimit(judged)

/** What the result does not keep and a warning tells. */
export interface Circumstances {
  /** The gateway's own words by the code of a refusal. */
  readonly details: Readonly<Record<string, string>>
  /** So many could not be asked for at the gateway. */
  readonly unanswered: number
  readonly lostKafka: Error | undefined
  /** The highest by which a terminal event was from the future when it was seen. */
  readonly aheadMillis: number
}

/** Clocks count whole milliseconds here. */
const clockToleranceMillis = 2

export function warningsOf(
  result: Omit<LoadResult, 'warnings'>,
  { details, unanswered, lostKafka, aheadMillis }: Circumstances,
): string[] {
  const { tally, ends, generatorLag, settings, interrupted } = result
  const perCode = (
    counts: Readonly<Record<string, number>>,
    what: string,
    reasons: Readonly<Record<string, string>>,
  ) =>
    Object.entries(counts).map(([code, count]) =>
      [`${count} ${what}, ${code}.`, details[code], reasons[code]]
        .filter((text) => text !== undefined && text !== '')
        .join(' '),
    )
  const warnings: (string | false)[] = [
    isVoid(result) &&
      `VOID: this tool itself sent its requests late, by ${generatorLag.p99.toFixed(1)} ms at p99, more than ` +
        `${lagLimit(result).toFixed(1)} ms; the latencies have that in them. Run it on a machine of its own, or at a lower rate.`,
    interrupted && 'Interrupted: this is a part of the load that was meant.',
    ...perCode(tally.refused, 'refused', reasonsForRefusals),
    ...perCode(tally.failed, 'without an answer', reasonsForFailures),
    tally.unexpected > 0 &&
      `${tally.unexpected} ended otherwise than their kind should; one that is not at its end by its deadline (CHECKOUT_DEADLINE_MILLIS) is taken back.`,
    tally.open > 0 &&
      `${tally.open} accepted checkouts were at no end ${settings.settleMillis / 1_000} s after the last arrival; no latency has them.`,
    unanswered > 0 && `For ${unanswered} of them the gateway did not answer when it was asked.`,
    lostKafka !== undefined &&
      `Kafka was lost during the load: ${lostKafka.message}. The gateway was asked instead.`,
    ends.missedByKafka > 0 &&
      lostKafka === undefined &&
      `${ends.missedByKafka} ends were not seen on Kafka within ${settings.settleMillis / 1_000} s and at the gateway afterwards: is KAFKA_BROKERS this system's Kafka?`,
    ends.beforeTheirStart > 0 &&
      `${ends.beforeTheirStart} checkouts ended before they were due, by the clocks: the services' is behind this one. Times to the end are too short.`,
    aheadMillis > clockToleranceMillis &&
      `A terminal event came ${aheadMillis.toFixed(0)} ms before its own time: the services' clock is ahead of this one. Times to the end are too long by that or more.`,
  ]
  return warnings.filter((warning) => warning !== false)
}
