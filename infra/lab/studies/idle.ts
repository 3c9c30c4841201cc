/** What the services use while nobody asks for anything, everything connected and subscribed. */
import { setTimeout as delay } from 'node:timers/promises'
import { armNamed } from '../arms/arms.ts'
import { growthByService, startRig } from '../rig.ts'
import type { Rig } from '../rig.ts'
import type { IdleStudy } from '../study-results.ts'
import { idleAsItShips } from '../study-results.ts'
import { Visitor } from '../visit.ts'
import type { Study } from './study.ts'

const windows = 6
const windowMillis = 10_000
/** Code is compiled, and what starts up has come to rest. */
const warmUp = { inFlight: 16, saturationMillis: 5_000 }
const restMillis = 15_000

const conditions = [
  { name: idleAsItShips, arm: 'all', what: 'all five services with traces, metrics and logs always on' },
  { name: 'telemetry off', arm: 'off', what: 'the same without telemetry' },
] as const

export const studyIdle: Study<IdleStudy> = async ({ pinning, onStop, say }) => {
  const measured: IdleStudy['conditions'] = []
  for (const { name, arm, what } of conditions) {
    const rig = await startRig(armNamed(arm), {
      pinning,
      onStop,
      environment: { LAB_PROBE_EVENT_LOOP: 'off' },
    })
    const visitor = await Visitor.of(rig)
    await visitor.saturate(warmUp)
    await visitor.stop()
    await delay(restMillis)
    const shares: IdleStudy['conditions'][number]['windows'] = []
    for (let index = 0; index < windows; index++) {
      shares.push(await watch(rig))
      const sum = Object.values(shares.at(-1)?.cpuShare ?? {}).reduce((all, share) => all + share, 0)
      say(`${name}, ${index + 1} of ${windows}: all five services use ${(100 * sum).toFixed(2)} % of a core.`)
    }
    measured.push({ name, what, windows: shares })
    await rig.down()
  }
  return { conditions: measured }
}

async function watch(rig: Rig): Promise<IdleStudy['conditions'][number]['windows'][number]> {
  const [before, beganAt] = [await rig.read(), performance.now()]
  await delay(windowMillis)
  const [after, seconds] = [await rig.read(), (performance.now() - beganAt) / 1_000]
  return {
    seconds,
    cpuShare: growthByService(before.serviceCpuSeconds, after.serviceCpuSeconds, seconds),
  }
}
