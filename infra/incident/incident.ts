// `npm run incident -- <name>`: something goes wrong on a running system, and is found and mended.
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCommand } from '../../shared/process/command-line.ts'
import { runUntilStopped } from '../native/run-until-stopped.ts'
import type { CommandLine } from './incident-options.ts'
import { help, parseCommandLine } from './incident-options.ts'
import {
  describeEntry,
  describePages,
  describePlan,
  describeResult,
  planOf,
  withOutput,
} from './incident-report.ts'
import { isWhole } from './incident-result.ts'
import type { Incident } from './run-incident.ts'
import { runIncident } from './run-incident.ts'

const docs = new URL('README.md', import.meta.url)

function run({ dryRun, ...options }: CommandLine & { readonly dryRun: boolean }): Promise<void> {
  if (!dryRun) return incident(options)
  const { incident: planned, json } = options
  const plan = [...describePlan(planned), 'Nothing was started: this is a dry run.']
  console.log(json ? JSON.stringify(planOf(planned)) : plan.join('\n'))
  return Promise.resolve()
}

const incident = ({ incident, json, writeDocs, ...options }: CommandLine): Promise<void> =>
  runUntilStopped(async (onStop) => {
    const told: string[] = []
    const tell = (lines: readonly string[]) => {
      told.push(...lines)
      clearProgress()
      // With --json, standard output has the document and nothing else.
      process[json ? 'stderr' : 'stdout'].write(`${lines.join('\n')}\n`)
    }
    tell([...describePlan(incident), ''])
    const found = await runIncident(incident, {
      onStop,
      onEntry: (entry) => tell(describeEntry(entry)),
      progress: showProgress,
    })
    tell(['', ...describeResult(found.result)])
    const pages = describePages(found.result)
    const outputFolder = options.outputFolder ?? mkdtempSync(join(tmpdir(), 'sagascope-incident-'))
    write(found, [...told, '', ...pages], outputFolder)
    if (writeDocs) {
      writeFileSync(docs, withOutput(readFileSync(docs, 'utf8'), incident.scenario.name, told))
    }
    if (json) console.log(JSON.stringify(found.result))
    else tell(['', ...pages])
    process.stderr.write(`Report: ${outputFolder}\n`)
    if (!isWhole(found.result)) throw new Error('the incident was not shown whole')
  })

function write({ result, comparison, loads }: Incident, told: readonly string[], folder: string): void {
  mkdirSync(folder, { recursive: true })
  const document = (name: string, content: unknown) =>
    writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(content, undefined, 1)}\n`)
  document('incident', result)
  if (comparison) document('compare', comparison)
  for (const [phase, load] of loads) document(`load-${phase}`, load)
  writeFileSync(join(folder, 'incident.md'), `# ${result.scenario}\n\n\`\`\`\n${told.join('\n')}\n\`\`\`\n`)
}

const progressEveryMillis = 10_000
let progressShownAt = 0

/** On a terminal one line that is written over; in a log one now and then. */
function showProgress(line: string): void {
  if (process.stderr.isTTY) {
    process.stderr.write(`\r\u001b[2K${line.slice(0, process.stderr.columns - 1)}`)
    return
  }
  if (Date.now() - progressShownAt < progressEveryMillis) return
  progressShownAt = Date.now()
  process.stderr.write(`${line}\n`)
}

function clearProgress(): void {
  if (process.stderr.isTTY) process.stderr.write('\r\u001b[2K')
}

await runCommand({
  name: 'npm run incident',
  help,
  parse: () => parseCommandLine(process.argv.slice(2), process.env),
  run,
})
