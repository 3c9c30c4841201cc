/** Where the services' processor time goes, with telemetry and without: profiles under load, and flame graphs of them. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { armNamed } from '../arms/arms.ts'
import { manRig } from '../manned-rig.ts'
import { drawFlameGraph } from '../profile/flame-graph.ts'
import { addProfile, emptyFrame } from '../profile/profile.ts'
import type { ProfileStudy } from '../study-results.ts'
import type { Study, StudyTools } from './study.ts'

const arms = ['off', 'all'] as const
const warmUp = { inFlight: 16, saturationMillis: 30_000 }
/** Far below what the core can do: who waits for it is sampled as if at work. */
const ratePerSecond = 6
const windowMillis = 45_000
const root = join(import.meta.dirname, '..', '..', '..')

export const studyProfile: Study<ProfileStudy> = async (tools) => {
  const measured: ProfileStudy['arms'] = []
  for (const name of arms) measured.push(await profile(name, tools))
  return { ratePerSecond, arms: measured }
}

async function profile(
  name: string,
  { pinning, onStop, say, folder }: StudyTools,
): Promise<ProfileStudy['arms'][number]> {
  const { rig, visitor, dismiss } = await manRig(armNamed(name), { pinning, onStop })
  await visitor.saturate(warmUp)
  await rig.startProfiles()
  const { checkouts } = await visitor.hold(ratePerSecond, windowMillis)
  const profiles = await rig.stopProfiles()
  await dismiss()

  const all = emptyFrame('all services')
  const micros = new Map<string, number>()
  for (const [service, of] of Object.entries(profiles)) {
    const frame = emptyFrame(service)
    for (const [owner, own] of addProfile(frame, of, root)) micros.set(owner, (micros.get(owner) ?? 0) + own)
    all.micros += frame.micros
    all.children.set(service, frame)
  }
  const file = `profile-${name}.svg`
  const total = all.micros / 1_000 / checkouts
  writeFileSync(
    join(folder, file),
    drawFlameGraph(all, `${name}: ${total.toFixed(2)} ms of processor time a checkout, all five services`),
  )
  say(`${name}: ${total.toFixed(2)} ms of processor time a checkout in the profile.`)
  return {
    arm: name,
    checkouts,
    millisPerCheckout: Object.fromEntries(
      [...micros]
        .sort(([, one], [, other]) => other - one)
        .map(([owner, own]) => [owner, own / 1_000 / checkouts]),
    ),
    file,
  }
}
