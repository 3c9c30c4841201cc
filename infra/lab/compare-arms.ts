/**
 * Arms beside their baselines, both running and visited in turn: what is told apart is a pair, never a figure of this
 * morning from one of this afternoon.
 */
import type { Announcer } from './announce.ts'
import type { Stop } from '../native/run-until-stopped.ts'
import type { Arm } from './arms/arms.ts'
import type { Comparison, Sample } from './lab-result.ts'
import type { MannedRig } from './manned-rig.ts'
import { manRig } from './manned-rig.ts'
import { measurePair } from './pairs.ts'
import type { Pinning } from './pinning.ts'
import type { VisitPlan } from './visit.ts'
import { visit } from './visit.ts'

export interface ComparePlan extends VisitPlan {
  readonly pairs: number
  /**
   * Both are started anew after so many. What a process has happened to compile, and how its memory has come to lie, stays
   * with it: no number of pairs averages that.
   */
  readonly pairsPerStart: number
  /** How long a new rig works before anything of it counts: code is compiled, pools and caches fill. */
  readonly warmUpMillis: number
}

export interface CompareOptions {
  readonly plan: ComparePlan
  readonly pinning: Pinning | undefined
  readonly commit: string
  readonly onStop: (stop: Stop) => void
  readonly say: (line: string) => void
  /** For the dashboards of a stack beside the lab; nobody is told unless there is one. */
  readonly announcer?: Announcer | undefined
}

/** So long does one of the two work before the other does, while they warm up. */
const warmUpSliceMillis = 10_000

/** @throws Error when a server or a service ends, or a checkout is not accepted: then nothing was measured */
export async function compareArms(arm: Arm, against: Arm, options: CompareOptions): Promise<Comparison> {
  const { plan, commit } = options
  const startedAt = new Date().toISOString()
  const pairs: Comparison['pairs'] = []
  while (pairs.length < plan.pairs) {
    const until = Math.min(plan.pairs, pairs.length + plan.pairsPerStart)
    await measurePairs(arm, against, pairs, until, options)
  }
  return {
    arm: arm.name,
    against: against.name,
    what: arm.what,
    group: arm.group,
    commit,
    startedAt,
    endedAt: new Date().toISOString(),
    pairs,
  }
}

/**
 * Both are new, and grow warm side by side: code that runs is compiled better for thousands of checkouts, and a baseline
 * that had run for others before would be ahead.
 * @param pairs what there is already, and what is measured is added to, until there are so many
 */
async function measurePairs(
  arm: Arm,
  against: Arm,
  pairs: Comparison['pairs'],
  until: number,
  options: CompareOptions,
): Promise<void> {
  const { plan, say, pinning, onStop, announcer } = options
  const manned = {
    against: await manRig(against, { pinning, onStop }),
    arm: await manRig(arm, { pinning, onStop }),
  }
  try {
    const perSecond = await warmUp(manned, options)
    // Of the slower: at half of what the faster can do, the other may have more than it can do.
    const ratePerSecond = Math.max(1, Math.min(perSecond.arm, perSecond.against) / 2)
    while (pairs.length < until) {
      const pair = await measurePair(pairs.length, ['arm', 'against'], async (side) => {
        const { rig, visitor } = manned[side]
        const sample = await visit(rig, visitor, plan, {
          ratePerSecond,
          onPhase: (phase) => announcer?.begin(rig.arm.name, phase),
        })
        announcer?.measured(rig.arm.name, sample)
        return sample
      })
      pairs.push(pair)
      say(describePair(arm, pairs.length, plan.pairs, pair.arm, pair.against))
    }
  } finally {
    announcer?.end()
    await manned.arm.dismiss()
    await manned.against.dismiss()
  }
}

/** @returns checkouts a second at the end of it */
async function warmUp(
  manned: Readonly<Record<'arm' | 'against', MannedRig>>,
  { plan: { inFlight, warmUpMillis }, say, announcer }: CompareOptions,
): Promise<Record<'arm' | 'against', number>> {
  const slices = Math.ceil(warmUpMillis / warmUpSliceMillis)
  let perSecond = { arm: 0, against: 0 }
  for (let index = 0; index < slices; index++) {
    perSecond = await measurePair(index, ['arm', 'against'], async (side) => {
      const { rig, visitor } = manned[side]
      announcer?.begin(rig.arm.name, 'warm-up')
      const { checkoutsPerSecond } = await visitor.saturate({
        inFlight,
        saturationMillis: Math.min(warmUpSliceMillis, warmUpMillis),
      })
      return checkoutsPerSecond
    })
  }
  const [one, other] = [manned.arm.rig.arm.name, manned.against.rig.arm.name]
  say(
    `${one} and ${other} are warm: ${perSecond.arm.toFixed(1)} and ${perSecond.against.toFixed(1)} checkouts a second.`,
  )
  return perSecond
}

function describePair(arm: Arm, count: number, pairs: number, one: Sample, other: Sample): string {
  const perSecond = ({ saturation }: Sample) => saturation.checkoutsPerSecond.toFixed(1)
  const p50 = ({ halfLoad }: Sample) => halfLoad.toEndMillis.p50.toFixed(1)
  const cpu = ({ saturation }: Sample) => saturation.cpuMillisPerCheckout.services.toFixed(2)
  return (
    `${arm.name} beside ${arm.against}, pair ${count} of ${pairs}: ` +
    `${perSecond(one)} and ${perSecond(other)} checkouts a second, ` +
    `services ${cpu(one)} and ${cpu(other)} ms of processor time each, p50 at half load ${p50(one)} and ${p50(other)} ms`
  )
}
