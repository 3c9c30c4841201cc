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

interface Warm extends MannedRig {
  readonly saturatedPerSecond: number
}

/** Rigs that run; a baseline stays for all arms that are compared with it. */
export class Bench {
  readonly #options: CompareOptions
  readonly #baselines = new Map<string, Warm>()

  constructor(options: CompareOptions) {
    this.#options = options
  }

  /** @throws Error when a server or a service ends, or a checkout is not accepted: then nothing was measured */
  async compare(arm: Arm, against: Arm): Promise<Comparison> {
    const { plan, say, commit, announcer } = this.#options
    const startedAt = new Date().toISOString()
    await this.#keepOnly(against.name)
    const baseline = this.#baselines.get(against.name) ?? (await this.#man(against))
    this.#baselines.set(against.name, baseline)
    const candidate = await this.#man(arm)
    // Of the slower: at half of what the faster can do, the other may have more than it can do.
    const halfRate = Math.max(1, Math.min(baseline.saturatedPerSecond, candidate.saturatedPerSecond) / 2)
    try {
      const pairs: Comparison['pairs'] = []
      for (let index = 0; index < plan.pairs; index++) {
        const pair = await measurePair(index, ['arm', 'against'], async (side) => {
          const { rig, visitor } = side === 'arm' ? candidate : baseline
          const sample = await visit(rig, visitor, plan, {
            ratePerSecond: halfRate,
            onPhase: (phase) => announcer?.begin(rig.arm.name, phase),
          })
          announcer?.measured(rig.arm.name, sample)
          return sample
        })
        pairs.push(pair)
        say(describePair(arm, index, plan.pairs, pair.arm, pair.against))
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
    } finally {
      announcer?.end()
      await candidate.dismiss()
    }
  }

  async down(): Promise<void> {
    await this.#keepOnly(undefined)
  }

  async #man(arm: Arm): Promise<Warm> {
    const { plan, pinning, onStop, say, announcer } = this.#options
    const manned = await manRig(arm, { pinning, onStop })
    announcer?.begin(arm.name, 'warm-up')
    const { checkoutsPerSecond } = await manned.visitor.saturate({
      ...plan,
      saturationMillis: plan.warmUpMillis,
    })
    say(`${arm.name} is up and warm: ${checkoutsPerSecond.toFixed(1)} checkouts a second.`)
    return { ...manned, saturatedPerSecond: checkoutsPerSecond }
  }

  async #keepOnly(name: string | undefined): Promise<void> {
    for (const [other, manned] of this.#baselines) {
      if (other === name) continue
      this.#baselines.delete(other)
      await manned.dismiss()
    }
  }
}

function describePair(arm: Arm, index: number, pairs: number, one: Sample, other: Sample): string {
  const perSecond = ({ saturation }: Sample) => saturation.checkoutsPerSecond.toFixed(1)
  const p50 = ({ halfLoad }: Sample) => halfLoad.toEndMillis.p50.toFixed(1)
  const cpu = ({ saturation }: Sample) => saturation.cpuMillisPerCheckout.services.toFixed(2)
  return (
    `${arm.name} beside ${arm.against}, pair ${index + 1} of ${pairs}: ` +
    `${perSecond(one)} and ${perSecond(other)} checkouts a second, ` +
    `services ${cpu(one)} and ${cpu(other)} ms of processor time each, p50 at half load ${p50(one)} and ${p50(other)} ms`
  )
}
