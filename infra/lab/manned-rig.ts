/** A rig with the load that visits it. */
import type { Arm } from './arms/arms.ts'
import type { Rig, RigOptions } from './rig.ts'
import { startRig } from './rig.ts'
import { Visitor } from './visit.ts'

export interface MannedRig {
  readonly rig: Rig
  readonly visitor: Visitor
  readonly dismiss: () => Promise<void>
}

export async function manRig(arm: Arm, options: RigOptions): Promise<MannedRig> {
  const rig = await startRig(arm, options)
  const visitor = await Visitor.of(rig)
  return {
    rig,
    visitor,
    async dismiss() {
      await visitor.stop()
      await rig.down()
    },
  }
}
