/**
 * Reads docker-compose.yaml, the Dockerfile and workflows with the code that reads them elsewhere: checks/main.go, built
 * like the servers when a test first asks for it.
 */
import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { cacheDirectory } from '../native/cache-directory.ts'
import { startProcess } from '../native/child-process.ts'
import type { Recipe } from '../native/install.ts'
import { install } from '../native/install.ts'

const sources = join(import.meta.dirname, 'checks')
const options = ['-trimpath', '-buildvcs=false', '-gcflags=all=-dwarf=false', '-ldflags', '-s -w']

export const checks: Recipe = {
  name: 'checks',
  tool: 'go',
  files: ['main.go', 'go.mod', 'go.sum'].map((file) => join(sources, file)),
  variant: [process.platform, process.arch, ...options].join(' '),
  build: async (folder, signal) => {
    const child = startProcess({
      command: 'go',
      args: ['build', ...options, '-o', join(folder, 'checks'), '.'],
      directory: sources,
      // As the servers are built: infra/native/recipes.ts.
      environment: {
        ...process.env,
        GOFLAGS: '-mod=readonly',
        GOWORK: 'off',
        GOTOOLCHAIN: 'local',
        CGO_ENABLED: '0',
        GOGC: '400',
      },
      logFile: join(folder, 'build.log'),
    })
    const kill = () => void child.kill()
    signal.addEventListener('abort', kill)
    const outcome = await child.ended
    signal.removeEventListener('abort', kill)
    signal.throwIfAborted()
    if (outcome !== 'exit code 0') throw new Error(`the checks could not be built: ${outcome}`)
  },
}

/** Builds them unless they are there; a minute, cold. */
export async function checksPath(): Promise<string> {
  const folder = await install(checks, cacheDirectory(process.env), { signal: new AbortController().signal })
  return join(folder, 'checks')
}

export interface Verdict {
  readonly ok: boolean
  readonly output: string
}

/** @param args see checks/main.go */
export async function runCheck(...args: readonly string[]): Promise<Verdict> {
  const path = await checksPath()
  return new Promise((resolve) => {
    execFile(path, args, { maxBuffer: 16 * 2 ** 20 }, (error, stdout, stderr) =>
      resolve({ ok: error === null, output: `${stdout}${stderr}` }),
    )
  })
}
