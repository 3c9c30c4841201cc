/** Writes the report of a result folder: what was measured stays as it is, what follows from it is written anew. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { readLabResult } from '../lab-result.ts'
import { readStudies } from '../study-results.ts'
import { toPage } from './lab-page.ts'
import type { Report } from './make-report.ts'
import { makeReport } from './make-report.ts'
import { toMarkdown } from './markdown.ts'
import { toSizingMarkdown } from './sizing-markdown.ts'

export const resultFile = 'lab.json'
export const reportFiles = { text: 'report.md', page: 'report.html', sizing: 'sizing.md' } as const

const commandOf: Readonly<Record<Report['lab']['form'], string>> = {
  full: 'npm run lab',
  short: 'npm run lab -- --short',
  custom: 'npm run lab -- --arms ... --pairs ...',
}

/**
 * @param folder with lab.json and the files of the studies that were made
 * @throws Error when there is no lab.json, or a file is not what it should be
 */
export function writeReport(folder: string): Report {
  const report = makeReport(readLabResult(join(folder, resultFile)), readStudies(folder))
  const command = commandOf[report.lab.form]
  writeFileSync(join(folder, reportFiles.text), toMarkdown(report, command))
  writeFileSync(join(folder, reportFiles.page), toPage(report))
  writeFileSync(join(folder, reportFiles.sizing), toSizingMarkdown(report, command))
  return report
}
