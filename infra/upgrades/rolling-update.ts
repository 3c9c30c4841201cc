// `npm run rolling-update`: one replica after the other is restarted under load, and whether anybody could tell.
import { runCommand } from '../../shared/process/command-line.ts'
import { runUntilStopped } from '../native/run-until-stopped.ts'
import type { RollingUpdateOptions } from './rolling-update-options.ts'
import { help, parseCommandLine } from './rolling-update-options.ts'
import { describeResult, faultsOf, runRollingUpdate } from './run-rolling-update.ts'

function rollingUpdate({ json, ...options }: RollingUpdateOptions & { json: boolean }): Promise<never> {
  return runUntilStopped(async (onStop) => {
    const result = await runRollingUpdate(options, { onStop, say: (line) => console.error(line) })
    console.log(json ? JSON.stringify(result, undefined, 2) : `\n${describeResult(result)}`)
    if (faultsOf(result).length > 0) throw new Error(`Repeat it with --seed ${result.seed}.`)
  })
}

await runCommand({
  name: 'npm run rolling-update',
  help,
  parse: () => parseCommandLine(process.argv.slice(2)),
  run: rollingUpdate,
})
