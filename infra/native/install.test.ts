import { deepEqual, equal, match, notEqual, rejects } from 'node:assert/strict'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, join } from 'node:path'
import { install, installationFolder, recipeHash, type Recipe } from './install.ts'

describe('a recipe', () => {
  let folder: string
  let pins: string

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'sagascope-test-'))
    pins = join(folder, 'pins')
    writeFileSync(pins, 'kafka 4.1.0')
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  const cache = () => join(folder, 'cache')
  const signal = new AbortController().signal

  let builds = 0
  const recipe = (build: Recipe['build'] = writeProgram): Recipe => {
    builds = 0
    return {
      name: 'server',
      tool: 'go',
      files: [pins],
      variant: 'linux-x64',
      build: (...args) => {
        builds++
        return build(...args)
      },
    }
  }
  const writeProgram: Recipe['build'] = (into) => {
    writeFileSync(join(into, 'program'), '')
    return Promise.resolve()
  }

  it('has another hash when a pin or an option changes, and the same one when nothing does', async () => {
    const before = await recipeHash(recipe())
    match(before, /^[0-9a-f]{12}$/)
    equal(await recipeHash(recipe()), before)
    notEqual(await recipeHash({ ...recipe(), variant: 'darwin-arm64' }), before)
    writeFileSync(pins, 'kafka 4.2.0')
    notEqual(await recipeHash(recipe()), before)
  })

  it('is built once', async () => {
    const once = recipe()
    const path = await install(once, cache(), { signal })
    equal(await install(once, cache(), { signal }), path)
    equal(builds, 1)
    deepEqual(readdirSync(path), ['program'])
  })

  it('is built once when two runs want it at the same time', async () => {
    const once = recipe(async (into, aborted) => {
      await new Promise((resolve) => setTimeout(resolve, 50))
      await writeProgram(into, aborted)
    })
    let waits = 0
    const onWait = () => waits++
    await Promise.all([
      install(once, cache(), { signal, onWait }),
      install(once, cache(), { signal, onWait }),
    ])
    deepEqual([builds, waits], [1, 1])
  })

  it('is used as another run built it, should both have built it at once', async () => {
    const path = await installationFolder(recipe(), cache())
    const late = recipe(async (into, aborted) => {
      mkdirSync(path)
      await writeProgram(path, aborted)
      await writeProgram(into, aborted)
    })
    equal(await install(late, cache(), { signal }), path)
    deepEqual(readdirSync(cache()), [basename(path)])
  })

  it('leaves nothing behind when its build fails, and can be built after that', async () => {
    await rejects(
      install(
        recipe(() => Promise.reject(new Error('no network'))),
        cache(),
        { signal },
      ),
      /no network/,
    )
    deepEqual(readdirSync(cache()), [])
    await install(recipe(), cache(), { signal })
    equal(builds, 1)
  })

  it('takes over from a run that was killed in the middle', async () => {
    const path = await installationFolder(recipe(), cache())
    const noSuchPid = 2 ** 30
    mkdirSync(`${path}.partial-0`, { recursive: true })
    writeFileSync(`${path}.lock`, String(noSuchPid))
    await install(recipe(), cache(), { signal })
    equal(existsSync(join(path, 'program')), true)
    equal(readdirSync(cache()).length, 1)
  })

  it('stops waiting for another run when asked to', async () => {
    const path = await installationFolder(recipe(), cache())
    mkdirSync(cache())
    writeFileSync(`${path}.lock`, String(process.pid))
    const stopping = new AbortController()
    await rejects(install(recipe(), cache(), { signal: stopping.signal, onWait: () => stopping.abort() }), {
      name: 'AbortError',
    })
  })
})
