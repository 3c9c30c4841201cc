/** The receiver of telemetry is gone, or answers late, for a minute under full load; and the same minute without that. */
import { setTimeout as delay } from 'node:timers/promises'
import { armNamed } from '../arms/arms.ts'
import type { RelayFault } from '../relay.ts'
import { startRig } from '../rig.ts'
import type { Rig } from '../rig.ts'
import type { OutageStudy } from '../study-results.ts'
import { Visitor } from '../visit.ts'
import type { Study } from './study.ts'

const pairs = 3
const windowMillis = 60_000
const load = { inFlight: 48, rampMillis: 1_000, saturationMillis: windowMillis, halfLoadMillis: 0 }
/** What was queued meanwhile goes out, retries with backoff included, before the next window. */
const recoveryMillis = 15_000

const faults: readonly { name: OutageStudy['faults'][number]['fault']; fault: RelayFault }[] = [
  { name: 'collector down', fault: { kind: 'refuse' } },
  { name: 'collector 5 s slow', fault: { kind: 'late', millis: 5_000 } },
]

type Side = OutageStudy['faults'][number]['pairs'][number]['fault']

export const studyOutage: Study<OutageStudy> = async ({ pinning, onStop, say }) => {
  const rig = await startRig(armNamed('all'), { pinning, onStop })
  const visitor = await Visitor.of(rig)
  // A minute's worth, as each window: memory grows while a process is new, and that is not the fault's doing.
  await visitor.saturate(load)
  const measured: OutageStudy['faults'] = []
  for (const { name, fault } of faults) {
    const told: OutageStudy['faults'][number]['pairs'] = []
    for (let index = 0; index < pairs; index++) {
      const first = index % 2 === 0 ? 'fault' : 'against'
      const sides: Partial<Record<'fault' | 'against', Side>> = {}
      for (const side of first === 'fault'
        ? (['fault', 'against'] as const)
        : (['against', 'fault'] as const)) {
        sides[side] = await window(rig, visitor, side === 'fault' ? fault : undefined)
      }
      const { fault: with_, against } = sides
      if (!with_ || !against) throw new Error('a pair has two sides')
      told.push({ first, fault: with_, against })
      say(
        `${name}, pair ${index + 1} of ${pairs}: ${with_.checkoutsPerSecond.toFixed(1)} checkouts a second, ` +
          `${against.checkoutsPerSecond.toFixed(1)} without; memory grew by ${mostGrowth(with_)} at most, ${mostGrowth(against)} without.`,
      )
    }
    measured.push({ fault: name, seconds: windowMillis / 1_000, pairs: told })
  }
  await visitor.stop()
  await rig.down()
  return { faults: measured }
}

async function window(rig: Rig, visitor: Visitor, fault: RelayFault | undefined): Promise<Side> {
  const before = await rig.read()
  rig.relay.fail(fault)
  const { checkoutsPerSecond } = await visitor.saturate(load)
  const after = await rig.read()
  rig.relay.fail(undefined)
  await delay(recoveryMillis)
  const memoryGrowthBytes = Object.fromEntries(
    Object.entries(after.serviceRssBytes).map(([service, bytes]) => [
      service,
      bytes - (before.serviceRssBytes[service] ?? 0),
    ]),
  )
  return { checkoutsPerSecond, memoryGrowthBytes }
}

const mostGrowth = ({ memoryGrowthBytes }: Side): string =>
  `${(Math.max(...Object.values(memoryGrowthBytes)) / 1_048_576).toFixed(1)} MiB`
