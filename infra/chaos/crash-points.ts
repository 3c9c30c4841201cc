// `npm run crash-points`: every process killed at every point that it comes by, again and again, and recovered.
import { runUntilStopped } from '../native/run-until-stopped.ts'
import { runLap } from './crash-points-lap.ts'
import type { LapResult } from './crash-points-lap.ts'
import type { CrashPointsOptions } from './crash-points-options.ts'
import { BadUsage } from '../../shared/process/command-line.ts'
import { parseCommandLine } from './crash-points-options.ts'
import { describeLap, hasPassed, missedCells, table } from './crash-points-report.ts'

const options = optionsOrExit()
if (typeof options === 'string') console.log(options)
else await runUntilStopped(() => runLaps(options))

async function runLaps({ times, seed, wanted }: CrashPointsOptions): Promise<void> {
  const laps: LapResult[] = []
  const startedAt = Date.now()
  for (let index = 0; index < times; index++) {
    console.log(`lap ${index + 1} of ${times}`)
    // Not in a log: there the laps are enough.
    const onProgress = process.stdout.isTTY ? (line: string) => console.log(`  ${line}`) : undefined
    const lap = await runLap({ seed: seed + index, wanted, ...(onProgress && { onProgress }) })
    laps.push(lap)
    console.log(`  ${describeLap(lap)}`)
  }
  const missed = missedCells(laps, wanted, times)
  const failed = laps.filter((lap) => !hasPassed(lap))
  const crashes = laps.reduce((sum, lap) => sum + lap.crashes.length, 0)
  const checkouts = laps.reduce((sum, lap) => sum + lap.verdict.counts.accepted, 0)
  console.log(`\n${table(laps, wanted)}\n`)
  const verdict = failed.length === 0 ? 'everything recovered' : `${failed.length} laps with findings`
  const seconds = Math.round((Date.now() - startedAt) / 1_000)
  console.log(`${crashes} crashes, ${checkouts} checkouts, ${seconds} s; ${verdict}`)
  const faults = [
    ...missed.map((cell) => `not often enough: ${cell}`),
    ...failed.map((lap) => `again: npm run crash-points -- --times 1 --seed ${lap.seed}`),
  ]
  if (faults.length > 0) throw new Error(faults.join('\n'))
}

function optionsOrExit(): CrashPointsOptions | string {
  try {
    return parseCommandLine(process.argv.slice(2))
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error
    console.error(error.message)
    process.exit(2)
  }
}
