// `npm run rolling-update`: one replica after the other is restarted under load, and whether anybody could tell.
import { BadUsage } from '../../shared/process/command-line.ts'
import { runUntilStopped } from '../native/run-until-stopped.ts'
import type { RollingUpdateOptions } from './rolling-update-options.ts'
import { help, parseCommandLine } from './rolling-update-options.ts'
import { describeResult, faultsOf, runRollingUpdate } from './run-rolling-update.ts'

const badUsage = 2

function main(): Promise<void> | undefined {
  try {
    const options = parseCommandLine(process.argv.slice(2))
    if (options !== 'help') return rollingUpdate(options)
    console.log(help)
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error
    console.error(`${error.message}\nnpm run rolling-update -- --help tells more.`)
    process.exitCode = badUsage
  }
  return undefined
}

function rollingUpdate({ json, ...options }: RollingUpdateOptions & { json: boolean }): Promise<never> {
  return runUntilStopped(async (onStop) => {
    const result = await runRollingUpdate(options, { onStop, say: (line) => console.error(line) })
    console.log(json ? JSON.stringify(result, undefined, 2) : `\n${describeResult(result)}`)
    if (faultsOf(result).length > 0) throw new Error(`Repeat it with --seed ${result.seed}.`)
  })
}

await main()
