// `npm run chaos`: checkouts under faults, and whether every promise was kept.
import { runUntilStopped } from '../native/run-until-stopped.ts'
import type { ChaosOptions } from './chaos-options.ts'
import { BadUsage } from '../../shared/process/command-line.ts'
import { help, parseCommandLine } from './chaos-options.ts'
import { describeResult, hasPassed } from './chaos-report.ts'
import { runChaos } from './run-chaos.ts'

const badUsage = 2

function main(): Promise<void> | undefined {
  try {
    const options = parseCommandLine(process.argv.slice(2))
    if (options !== 'help') return chaos(options)
    console.log(help)
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error
    console.error(`${error.message}\nnpm run chaos -- --help tells more.`)
    process.exitCode = badUsage
  }
  return undefined
}

function chaos({ json, ...options }: ChaosOptions & { json: boolean }): Promise<never> {
  return runUntilStopped(async (onStop) => {
    const result = await runChaos(options, { onStop, say: (line) => console.error(line) })
    console.log(json ? JSON.stringify(result, undefined, 2) : `\n${describeResult(result)}`)
    if (!hasPassed(result)) throw new Error(`Repeat it with --seed ${result.seed}.`)
  })
}

await main()
