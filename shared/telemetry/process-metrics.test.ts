import { equal, ok } from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { oldGenerationLimit } from './process-metrics.ts'

const module = new URL('process-metrics.ts', import.meta.url).href

/** Mebibytes, as a process that is started so sees it. */
async function limitWith(...flags: string[]): Promise<number> {
  const script = `import { oldGenerationLimit } from ${JSON.stringify(module)}; console.log(oldGenerationLimit() / 1_048_576)`
  const { stdout } = await promisify(execFile)(process.execPath, [
    ...flags,
    '--input-type=module',
    '--eval',
    script,
  ])
  return Number(stdout)
}

describe('the limit of the heap', () => {
  it('is what the old generation was given, whatever the young one has', async () => {
    equal(await limitWith('--max-old-space-size=300'), 300)
    equal(await limitWith('--max-old-space-size=200', '--max-semi-space-size=8'), 200)
  })

  it('is some gigabytes where nobody has set it', () => {
    ok(oldGenerationLimit() > 512 * 1_048_576)
  })
})
