// `npm run lab`: what telemetry costs, measured on this machine.
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runCommand } from '../../shared/process/command-line.ts'
import { runUntilStopped } from '../native/run-until-stopped.ts'
import { announceTo } from './announce.ts'
import { armNamed } from './arms/arms.ts'
import { compareArms } from './compare-arms.ts'
import type { LabOptions, RunnableStudy } from './lab-options.ts'
import { control, help, parseCommandLine } from './lab-options.ts'
import type { Comparison, LabResult } from './lab-result.ts'
import { readLabResult, resultFormat } from './lab-result.ts'
import { choosePinning } from './pinning.ts'
import { resultFile, writeReport } from './report/write-report.ts'
import { studyGrowth } from './studies/growth.ts'
import { studyIdle } from './studies/idle.ts'
import { studyOutage } from './studies/outage.ts'
import { studyOutbox } from './studies/outbox.ts'
import { studyProfile } from './studies/profile.ts'
import { studySampling } from './studies/sampling.ts'
import { studySizes } from './studies/sizes.ts'
import type { Study } from './studies/study.ts'
import { studyFile } from './study-results.ts'
import { commitOfCode, thisMachine } from './this-machine.ts'

const studies: Readonly<Record<RunnableStudy, Study<unknown>>> = {
  idle: studyIdle,
  outbox: studyOutbox,
  outage: studyOutage,
  growth: studyGrowth,
  sampling: studySampling,
  sizes: studySizes,
  profile: studyProfile,
}

function lab(options: LabOptions): Promise<never> {
  const { folder, announceTo: collectorUrl } = options
  return runUntilStopped(async (onStop) => {
    mkdirSync(folder, { recursive: true })
    const say = (line: string) => console.error(`${new Date().toISOString().slice(11, 19)} ${line}`)
    const [pinning, commit] = [await choosePinning(), await commitOfCode()]
    say(
      pinning
        ? `Services, broker and store run on core ${pinning.system}, the Collector and the load on ${pinning.observers}.`
        : 'Processes cannot be pinned to cores here: the load and the Collector take from what is measured.',
    )
    const announcer =
      collectorUrl === undefined
        ? undefined
        : announceTo(collectorUrl, {
            onFailure: ({ message }) => say(`Not announced from now on: ${message}`),
          })
    onStop(async () => announcer?.close())

    const record = recordIn(folder, options.form, thisMachine(pinning))
    for (const [index, arm] of options.arms.entries()) {
      const pairs = arm.name === control ? options.controlPairs : options.plan.pairs
      const plan = { ...options.plan, pairs }
      if (record.has(arm.name, pairs)) {
        say(`${arm.name} is in the folder already.`)
        continue
      }
      say(`${arm.name}, ${index + 1} of ${options.arms.length}: ${arm.what}.`)
      record.add(
        await compareArms(arm, armNamed(arm.against), { plan, pinning, commit, onStop, say, announcer }),
      )
    }

    for (const name of options.studies) {
      say(`Study: ${name}.`)
      const startedAt = new Date().toISOString()
      const result = await studies[name]({ pinning, onStop, say, folder })
      write(join(folder, studyFile(name)), {
        startedAt,
        endedAt: new Date().toISOString(),
        commit,
        ...(result as object),
      })
    }
    console.log(folder)
    // Studies alone have no arms to report on.
    if (!existsSync(join(folder, resultFile))) return
    const { lab: reported } = writeReport(folder)
    if (reported.voidBecause !== undefined) throw new Error(`The run is void: ${reported.voidBecause}.`)
  })
}

/** What is measured is on the disk before the next thing is measured. */
function recordIn(folder: string, form: LabResult['form'], machine: LabResult['machine']) {
  const file = join(folder, resultFile)
  const startedAt = new Date().toISOString()
  const known = existsSync(file) ? readLabResult(file) : undefined
  const comparisons: Comparison[] = [...(known?.comparisons ?? [])]
  return {
    has: (arm: string, pairs: number) =>
      comparisons.some((each) => each.arm === arm && each.pairs.length >= pairs),
    add(comparison: Comparison) {
      const place = comparisons.findIndex(({ arm }) => arm === comparison.arm)
      if (place === -1) comparisons.push(comparison)
      else comparisons[place] = comparison
      write(file, {
        format: resultFormat,
        form: known && known.form !== form ? 'custom' : form,
        startedAt: known?.startedAt ?? startedAt,
        endedAt: new Date().toISOString(),
        machine,
        comparisons,
      } satisfies LabResult)
    },
  }
}

const write = (path: string, content: object): void =>
  writeFileSync(path, `${JSON.stringify(content, undefined, 2)}\n`)

await runCommand({
  name: 'npm run lab',
  help,
  parse: () => parseCommandLine(process.argv.slice(2)),
  run: lab,
})
