/** promtool, Prometheus' own checker of rules: built like the servers, when it is first asked for. */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { cacheDirectory } from '../native/cache-directory.ts'
import { install } from '../native/install.ts'
import { promtool } from '../native/recipes.ts'

export async function promtoolPath(): Promise<string> {
  const folder = await install(promtool, cacheDirectory(process.env), {
    signal: new AbortController().signal,
  })
  return join(folder, promtool.name)
}

export interface Verdict {
  readonly ok: boolean
  /** Everything that it printed. */
  readonly report: string
}

/** Runs promtool; a rule or a test that fails is a verdict, not an error. */
export async function runPromtool(args: readonly string[], directory: string): Promise<Verdict> {
  const path = await promtoolPath()
  return new Promise((resolve) => {
    execFile(path, args, { cwd: directory }, (error, stdout, stderr) =>
      resolve({ ok: error === null, report: `${stdout}${stderr}` }),
    )
  })
}
