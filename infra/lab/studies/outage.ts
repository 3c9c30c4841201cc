/** The receiver of telemetry is gone, or answers late, for a minute under full load; and the same minute without that. */
import { setTimeout as delay } from 'node:timers/promises'
import { armNamed } from '../arms/arms.ts'
import type { MannedRig } from '../manned-rig.ts'
import { manRig } from '../manned-rig.ts'
import { measurePair } from '../pairs.ts'
import type { RelayFault } from '../relay.ts'
import { growthByService } from '../rig.ts'
import type { OutageStudy } from '../study-results.ts'
import type { Study } from './study.ts'

const pairs = 3
const windowMillis = 60_000
const load = { inFlight: 16, saturationMillis: windowMillis }
/** What was queued meanwhile goes out, retries with backoff included, before the next window. */
const recoveryMillis = 15_000
/** As docker-compose.yaml has it. Without, a heap grows for minutes whatever happens, until V8 finds that it should collect. */
const heapOfContainers = { NODE_OPTIONS: '--max-old-space-size=96 --max-semi-space-size=4' }

const faults: readonly { name: OutageStudy['faults'][number]['fault']; fault: RelayFault }[] = [
  { name: 'collector down', fault: { kind: 'refuse' } },
  { name: 'collector 5 s slow', fault: { kind: 'late', millis: 5_000 } },
]

type Side = OutageStudy['faults'][number]['pairs'][number]['fault']

export const studyOutage: Study<OutageStudy> = async ({ pinning, onStop, say }) => {
  const manned = await manRig(armNamed('all'), { pinning, onStop, environment: heapOfContainers })
  // A minute's worth, as each window: memory grows while a process is new, and that is not the fault's doing.
  await manned.visitor.saturate(load)
  const measured: OutageStudy['faults'] = []
  for (const { name, fault } of faults) {
    const told: OutageStudy['faults'][number]['pairs'] = []
    for (let index = 0; index < pairs; index++) {
      const pair = await measurePair(index, ['fault', 'against'], (side) =>
        window(manned, side === 'fault' ? fault : undefined),
      )
      told.push(pair)
      say(
        `${name}, pair ${index + 1} of ${pairs}: ${pair.fault.checkoutsPerSecond.toFixed(1)} checkouts a second, ` +
          `${pair.against.checkoutsPerSecond.toFixed(1)} without; ` +
          `memory grew by ${mostGrowth(pair.fault)} at most, ${mostGrowth(pair.against)} without.`,
      )
    }
    measured.push({ fault: name, seconds: windowMillis / 1_000, pairs: told })
  }
  await manned.dismiss()
  return { faults: measured }
}

async function window({ rig, visitor }: MannedRig, fault: RelayFault | undefined): Promise<Side> {
  const before = await rig.read()
  rig.relay.fail(fault)
  const { checkoutsPerSecond } = await visitor.saturate(load)
  const after = await rig.read()
  rig.relay.fail(undefined)
  await delay(recoveryMillis)
  return {
    checkoutsPerSecond,
    memoryGrowthBytes: growthByService(before.serviceRssBytes, after.serviceRssBytes),
  }
}

const mostGrowth = ({ memoryGrowthBytes }: Side): string =>
  `${(Math.max(...Object.values(memoryGrowthBytes)) / 1_048_576).toFixed(1)} MiB`
