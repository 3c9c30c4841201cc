/** What a measurement has to say of where and of what it was made. */
import { execFile } from 'node:child_process'
import { cpus, totalmem } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Machine } from './lab-result.ts'
import type { Pinning } from './pinning.ts'

const run = promisify(execFile)
const repository = fileURLToPath(new URL('../../', import.meta.url))

export const thisMachine = (pinned: Pinning | undefined): Machine => ({
  cores: cpus().length,
  memoryBytes: totalmem(),
  processor: cpus()[0]?.model.trim() ?? 'unknown',
  node: process.version,
  platform: `${process.platform} ${process.arch}`,
  pinned: pinned ?? null,
})

/** The commit that is checked out, with `-dirty` where files differ from it; `unknown` without git. */
export async function commitOfCode(): Promise<string> {
  try {
    const { stdout } = await run('git', ['describe', '--always', '--abbrev=9', '--dirty', '--exclude=*'], {
      cwd: repository,
    })
    return stdout.trim()
  } catch {
    return 'unknown'
  }
}
