import { deepEqual, equal, match, throws } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { studyFile } from '../study-results.ts'
import { madeUpResult } from './lab-result-for-tests.ts'
import { madeUpStudies } from './studies-for-tests.ts'
import { writeReport } from './write-report.ts'

describe('the report of a result folder', function () {
  this.timeout(30_000)

  let folder: string
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sagascope-lab-report-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const write = (file: string, content: unknown) => writeFileSync(join(folder, file), JSON.stringify(content))
  const command = (...args: string[]) =>
    spawnSync(process.execPath, [join(import.meta.dirname, '..', 'report.ts'), ...args], { encoding: 'utf8' })

  it('is text, a page and a sizing, of the result and of the studies that lie beside it', () => {
    write('lab.json', madeUpResult())
    write(studyFile('idle'), madeUpStudies().idle)
    const { targets } = writeReport(folder)
    deepEqual(readdirSync(folder), ['idle.json', 'lab.json', 'report.html', 'report.md', 'sizing.md'])
    equal(targets.find(({ key }) => key === 'idle')?.verdict, 'met')
    equal(targets.find(({ key }) => key === 'outbox')?.verdict, 'not measured')
    match(readFileSync(join(folder, 'report.md'), 'utf8'), /## Idle/)
  })

  it('is none of a folder with no result, or with a study that is none', () => {
    throws(() => writeReport(folder), /lab\.json/)
    write('lab.json', madeUpResult())
    write(studyFile('idle'), { conditions: 'none' })
    throws(() => writeReport(folder), /conditions/)
  })

  it('is written by a command that fails when the run is void', () => {
    write('lab.json', madeUpResult())
    const { status, stdout } = command(folder)
    equal(status, 0)
    match(
      stdout,
      /^not met +p99 to the end at half load with all of them on, by that without telemetry +at most 1\.05/m,
    )

    write('lab.json', madeUpResult({ comparisons: [] }))
    const ofVoid = command(folder)
    equal(ofVoid.status, 1)
    match(ofVoid.stderr, /This run is void: there is no control/)
    equal(command().status, 2)
    equal(command('--help').status, 0)
  })
})
