// `npm run soak`: a long steady load on everything, and which processes grow under it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { runUntilStopped } from '../native/run-until-stopped.ts'
import { runSoak } from './run-soak.ts'
import type { SoakOptions } from './soak-options.ts'
import { runCommand } from '../../shared/process/command-line.ts'
import { help, parseCommandLine } from './soak-options.ts'
import { judge, toMarkdown, toSvg } from './soak-report.ts'

const soak = (options: SoakOptions): Promise<void> =>
  runUntilStopped(async (onStop) => {
    const { load, watched } = await runSoak(options, onStop, (line) => process.stderr.write(`${line}\n`))
    const result = judge(load, watched)
    const { outputFolder } = options
    mkdirSync(outputFolder, { recursive: true })
    writeFileSync(
      join(outputFolder, 'soak.json'),
      `${JSON.stringify({ ...result, watched }, undefined, 2)}\n`,
    )
    writeFileSync(join(outputFolder, 'soak.md'), toMarkdown(result))
    for (const each of watched) writeFileSync(join(outputFolder, `${each.name}.svg`), toSvg(each))
    console.log(options.json ? JSON.stringify(result) : toMarkdown(result))
    process.stderr.write(`Report: ${outputFolder}\n`)
    if (!result.passed) throw new Error('the soak has failed')
  })

await runCommand({
  name: 'npm run soak',
  help,
  parse: () => parseCommandLine(process.argv.slice(2)),
  run: soak,
})
