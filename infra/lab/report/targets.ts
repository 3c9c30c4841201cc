/**
 * The numbers to reach, as data: what is measured, the limit, and how the one comes from comparisons and studies. All are
 * ratios within one run, or figures that do not depend on how fast the machine is.
 */
import type { Interval } from '../../statistics/bootstrap.ts'
import { compareMedians, medianIntervals } from '../../statistics/bootstrap.ts'
import type { StudyResults } from '../study-results.ts'
import { idleAsItShips } from '../study-results.ts'
import type { LabAnalysed } from './analyse.ts'
import { confidenceOf } from './analyse.ts'
import { cpuKey, serviceRssKey } from './figures.ts'

export type Verdict = 'met' | 'not met' | 'undecided' | 'not measured'

export interface Measured {
  readonly interval: Interval
  /** The share of such intervals that hold the true value: less than 0.95 where there were too few pairs for that. */
  readonly confidence: number
  /** Which of several it was, such as the service that grew most. */
  readonly detail?: string
}

export interface Evidence {
  readonly lab: LabAnalysed
  readonly studies: StudyResults
}

export interface Target {
  readonly key: string
  readonly what: string
  readonly sense: 'at least' | 'at most'
  readonly limit: number
  readonly unit: 'times' | 'share' | 'bytes'
  /** In one sentence, for the report. */
  readonly how: string
  /** @returns undefined where the run has not what it takes */
  readonly measure: (evidence: Evidence) => Measured | undefined
}

export interface TargetJudged extends Omit<Target, 'measure'> {
  readonly verdict: Verdict
  readonly measured: Measured | undefined
}

const mebibytes = 2 ** 20
const intervalOf = medianIntervals()

const ratioOf =
  (arm: string, figure: string) =>
  ({ lab }: Evidence): Measured | undefined => {
    const found = lab.comparisons.find((each) => each.arm === arm)
    const interval = found?.figures.get(figure)?.ratio
    return found && interval && { interval, confidence: confidenceOf(found.pairCount) }
  }

const atSaturation = cpuKey('saturation', 'services')

/**
 * What one arm adds by what another adds, both to the same baseline and in units of it: so it does not matter that the two
 * were measured at different times of a day.
 */
const addedBy =
  (arm: string, other: string) =>
  ({ lab }: Evidence): Measured | undefined => {
    const [one, two] = [arm, other].map((name) => lab.comparisons.find((each) => each.arm === name))
    const pairs = [one, two].map((each) => each?.figures.get(atSaturation)?.pairs)
    if (!one || !two || one.against !== two.against || !pairs[0] || !pairs[1]) return undefined
    const [ofOne, ofOther] = pairs.map((each) => (each ?? []).map((pair) => pair.arm / pair.against - 1))
    const { ratio } = compareMedians(ofOther ?? [], ofOne ?? [])
    return ratio && { interval: ratio, confidence: confidenceOf(Math.min(one.pairCount, two.pairCount)) }
  }

/** The service that is furthest from where it should be. */
function worstService({ lab }: Evidence): Measured | undefined {
  const all = lab.comparisons.find(({ arm }) => arm === 'all')
  const measured = (all?.services ?? []).flatMap((service) => {
    const interval = all?.figures.get(serviceRssKey(service))?.ratio
    return all && interval ? [{ interval, confidence: confidenceOf(all.pairCount), detail: service }] : []
  })
  return measured.toSorted((a, b) => b.interval.estimate - a.interval.estimate)[0]
}

const ofSamples = (samples: readonly number[]): Measured | undefined =>
  samples.length === 0
    ? undefined
    : { interval: intervalOf(samples), confidence: confidenceOf(samples.length) }

function idleShare({ studies }: Evidence): Measured | undefined {
  const condition = studies.idle?.conditions.find(({ name }) => name === idleAsItShips)
  return ofSamples(
    (condition?.windows ?? []).map(({ cpuShare }) =>
      Object.values(cpuShare).reduce((sum, share) => sum + share, 0),
    ),
  )
}

const toAcknowledgement = ({ studies }: Evidence): Measured | undefined =>
  ofSamples((studies.outbox?.rounds ?? []).map(({ immediate, polling }) => immediate.p50 / polling.p50))

type Fault = NonNullable<StudyResults['outage']>['faults'][number]

const ofFault =
  (name: Fault['fault'], value: (pair: Fault['pairs'][number]) => number) =>
  ({ studies }: Evidence): Measured | undefined =>
    ofSamples(studies.outage?.faults.find(({ fault }) => fault === name)?.pairs.map(value) ?? [])

const outage = (fault: Fault['fault'], title: string): Target[] => [
  {
    key: `${fault}: throughput`,
    what: `${title}: throughput, by that of the same while without`,
    sense: 'at least',
    limit: 0.99,
    unit: 'times',
    how: 'median of the paired ratios, saturated',
    measure: ofFault(fault, (pair) => pair.fault.checkoutsPerSecond / pair.against.checkoutsPerSecond),
  },
  {
    key: `${fault}: memory`,
    what: `${title}: growth of a process meanwhile`,
    sense: 'at most',
    limit: 30 * mebibytes,
    unit: 'bytes',
    how: 'resident memory at the end less that at the beginning, of the service that grew most; median over the pairs',
    measure: ofFault(fault, ({ fault: { memoryGrowthBytes } }) =>
      Math.max(...Object.values(memoryGrowthBytes)),
    ),
  },
]

export const targets: readonly Target[] = [
  {
    key: 'throughput',
    what: 'Throughput with traces, metrics and logs always on, by that without telemetry',
    sense: 'at least',
    limit: 0.95,
    unit: 'times',
    how: 'all by off, at saturation',
    measure: ratioOf('all', 'throughput'),
  },
  {
    key: 'p99',
    what: 'p99 to the end at half load with all of them on, by that without telemetry',
    sense: 'at most',
    limit: 1.05,
    unit: 'times',
    how: 'all by off, both at the rate that is half of what the slower can do',
    measure: ratioOf('all', 'toEnd.p99'),
  },
  {
    key: 'added by auto-instrumentations',
    what: 'Processor time that always-on adds to the services, by what auto-instrumentations-node adds',
    sense: 'at most',
    limit: 1 / 4,
    unit: 'times',
    how: '(all by off, less 1) by (auto-instrumentations by off, less 1), at saturation',
    measure: addedBy('all', 'auto-instrumentations'),
  },
  {
    key: 'added at a tenth',
    what: 'Processor time that 10 % sampling adds to the services, by what always-on adds',
    sense: 'at most',
    limit: 1 / 5,
    unit: 'times',
    how: '(ratio-10 by off, less 1) by (all by off, less 1), at saturation',
    measure: addedBy('ratio-10', 'all'),
  },
  {
    key: 'saga p50',
    what: 'The saga by a bare chain of the same hops and inserts: p50 to the end',
    sense: 'at most',
    limit: 1.25,
    unit: 'times',
    how: 'saga-over-bare by bare-chain, at half load, no telemetry in either',
    measure: ratioOf('saga-over-bare', 'toEnd.p50'),
  },
  {
    key: 'saga p99',
    what: 'The saga by a bare chain of the same hops and inserts: p99 to the end',
    sense: 'at most',
    limit: 1.5,
    unit: 'times',
    how: 'the same',
    measure: ratioOf('saga-over-bare', 'toEnd.p99'),
  },
  {
    key: 'idle',
    what: 'Idle: all five services together, of a core',
    sense: 'at most',
    limit: 0.03,
    unit: 'share',
    how: 'processor time by time, telemetry always on and nobody asking for anything; median over the windows',
    measure: idleShare,
  },
  {
    key: 'outbox',
    what: 'From the commit to the broker’s acknowledgement: p50, by that of an outbox that polls each 500 ms',
    sense: 'at most',
    limit: 1 / 20,
    unit: 'times',
    how: 'published at once by polled, round by round',
    measure: toAcknowledgement,
  },
  {
    key: 'bytes a span',
    what: 'Telemetry on the wire, for each span',
    sense: 'at most',
    limit: 80,
    unit: 'bytes',
    how: 'all bytes that the services sent during a visit, metrics, logs and headers among them, by the spans received in it',
    measure({ lab }) {
      const all = lab.comparisons.find(({ arm }) => arm === 'all')
      return ofSamples(all?.figures.get('wire.perSpan')?.pairs.map(({ arm }) => arm) ?? [])
    },
  },
  ...outage('collector down', 'The Collector is down'),
  ...outage('collector 5 s slow', 'The Collector answers after 5 s'),
  {
    key: 'memory',
    what: 'Resident memory of a service, by the same without telemetry',
    sense: 'at most',
    limit: 1.15,
    unit: 'times',
    how: 'all by off at the end of a visit, of the service with the highest',
    measure: worstService,
  },
]

export function judge(evidence: Evidence): TargetJudged[] {
  return targets.map(({ measure, ...target }) => {
    const measured = measure(evidence)
    return { ...target, measured, verdict: verdictOn(target, measured?.interval) }
  })
}

/** A limit that lies within the interval is neither reached nor missed, as far as anybody knows. */
export function verdictOn({ sense, limit }: Pick<Target, 'sense' | 'limit'>, interval?: Interval): Verdict {
  if (interval === undefined) return 'not measured'
  const { lower, upper } = interval
  const [isReached, isMissed] =
    sense === 'at least' ? [lower >= limit, upper < limit] : [upper <= limit, lower > limit]
  if (isReached) return 'met'
  return isMissed ? 'not met' : 'undecided'
}
