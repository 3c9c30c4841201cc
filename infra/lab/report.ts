// Writes the report of a folder with results of the lab: `node infra/lab/report.ts <folder>`.
import { parseArgs } from 'node:util'
import { join } from 'node:path'
import { limitOf, measuredOf } from './report/wording.ts'
import { reportFiles, writeReport } from './report/write-report.ts'
import { alignColumns } from '../../shared/process/text-table.ts'

const exitCodes = { done: 0, void: 1, badUsage: 2 }

function main(): number {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { help: { type: 'boolean', short: 'h', default: false } },
  })
  const [folder] = positionals
  if (values.help || folder === undefined || positionals.length > 1) {
    const say = values.help ? console.log : console.error
    say(`node infra/lab/report.ts <folder>

Writes ${Object.values(reportFiles).join(', ')} from what the lab has measured in that folder.
Exit codes: 0 done, 1 the run is void, 2 not understood.`)
    return values.help ? exitCodes.done : exitCodes.badUsage
  }
  const { targets, lab } = writeReport(folder)
  console.log(
    alignColumns(
      targets.map((target) => [
        target.verdict,
        target.what,
        limitOf(target),
        measuredOf(target, target.measured),
      ]),
    ).join('\n'),
  )
  console.log(
    `\nReport: ${Object.values(reportFiles)
      .map((file) => join(folder, file))
      .join(', ')}`,
  )
  if (lab.voidBecause === undefined) return exitCodes.done
  console.error(`This run is void: ${lab.voidBecause}.`)
  return exitCodes.void
}

process.exitCode = main()
