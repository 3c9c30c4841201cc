import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { runCheck, checksPath } from './checks.ts'
import { readComposeFile, startedBy } from './compose-file.ts'

const repository = join(import.meta.dirname, '..', '..')
const inRepository = (path: string): string => join(repository, path)

describe('the files that need a container engine or a forge', () => {
  let folder: string
  before(async function () {
    this.timeout(20 * 60_000) // it compiles, once
    await checksPath()
    folder = await mkdtemp(join(tmpdir(), 'sagascope-files-'))
  })
  after(() => rm(folder, { recursive: true }))

  const broken = async (path: string, from: string | RegExp, to: string): Promise<string> => {
    const content = await readFile(inRepository(path), 'utf8')
    const changed = content.replace(from, to)
    ok(changed !== content)
    const file = join(folder, path.replaceAll('/', '-'))
    await writeFile(file, changed)
    return file
  }

  describe('docker-compose.yaml', () => {
    const compose = inRepository('docker-compose.yaml')

    for (const [profiles, starts] of [
      [[], 'full'],
      [['lite'], 'lite'],
      [['load'], 'load'],
    ] as const) {
      it(`is what Compose takes for ${profiles[0] ?? 'no profile at all'}`, async () => {
        const { ok: accepted, output } = await runCheck('compose', compose, ...profiles)
        ok(accepted, output)
        const { services } = JSON.parse(output) as { services: Record<string, unknown> }
        deepEqual(
          Object.keys(services).sort(),
          startedBy(readComposeFile(), starts)
            .map(([name]) => name)
            .sort(),
        )
      })
    }

    it('is stopped whole by the profile *', async () => {
      const { ok: accepted, output } = await runCheck('compose', compose, '*')
      ok(accepted, output)
      const { services } = JSON.parse(output) as { services: Record<string, unknown> }
      deepEqual(Object.keys(services).sort(), Object.keys(readComposeFile().services).sort())
    })

    it('would be refused with a key that the specification has not, or a service that is not there', async () => {
      const misspelt = await broken('docker-compose.yaml', 'stop_grace_period', 'stop_grace_time')
      match((await refused('compose', misspelt)).output, /stop_grace_time/)
      const dangling = await broken('docker-compose.yaml', 'kafka: { condition', 'kafkas: { condition')
      match((await refused('compose', dangling)).output, /kafkas/)
    })
  })

  describe('Dockerfile', () => {
    it("passes BuildKit's linter", async () => {
      const { ok: accepted, output } = await runCheck('dockerfile', inRepository('infra/docker/Dockerfile'))
      ok(accepted, output)
    })

    it('would not with an entry point in a shell, which takes the signals', async () => {
      const file = await broken('infra/docker/Dockerfile', /ENTRYPOINT .*/, 'ENTRYPOINT node gateway/main.ts')
      match((await refused('dockerfile', file)).output, /JSONArgsRecommended/)
    })
  })

  describe('the workflow', () => {
    const workflow = '.github/workflows/ci.yaml'

    it('passes actionlint', async () => {
      const { ok: accepted, output } = await runCheck('workflows', repository, inRepository(workflow))
      ok(accepted, output)
    })

    it('would not with a job that needs another which is not there', async () => {
      const file = await broken(workflow, /needs: \w+/, 'needs: nothing')
      match((await refused('workflows', repository, file)).output, /nothing/)
    })

    it('runs what has to pass before a change lands', async () => {
      match(await readFile(inRepository(workflow), 'utf8'), /run: \.ci\/run$/m)
    })
  })

  const refused = async (...args: readonly string[]) => {
    const verdict = await runCheck(...args)
    equal(verdict.ok, false, verdict.output)
    return verdict
  }
})
