// `npm run chaos`: checkouts under faults, and whether every promise was kept.
import { runUntilStopped } from '../native/run-until-stopped.ts'
import type { ChaosOptions } from './chaos-options.ts'
import { runCommand } from '../../shared/process/command-line.ts'
import { help, parseCommandLine } from './chaos-options.ts'
import { describeResult, hasPassed } from './chaos-report.ts'
import { runChaos } from './run-chaos.ts'

function chaos({ json, ...options }: ChaosOptions & { json: boolean }): Promise<never> {
  return runUntilStopped(async (onStop) => {
    const result = await runChaos(options, { onStop, say: (line) => console.error(line) })
    console.log(json ? JSON.stringify(result, undefined, 2) : `\n${describeResult(result)}`)
    if (!hasPassed(result)) throw new Error(`Repeat it with --seed ${result.seed}.`)
  })
}

await runCommand({
  name: 'npm run chaos',
  help,
  parse: () => parseCommandLine(process.argv.slice(2)),
  run: chaos,
})
