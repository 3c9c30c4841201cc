import { createHash, randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { processLives } from './child-process.ts'

/** How one server gets onto this machine. */
export interface Recipe {
  name: string
  /** The program that fetches or builds it. */
  tool: 'maven' | 'go'
  /** Committed files that pin what is fetched; their content is part of the hash. */
  files: readonly string[]
  /** Whatever else decides the result (options, architecture), as text. */
  variant: string
  /** Fills an empty folder. Throws when it cannot, or when aborted; what it left behind is then dropped. */
  build(folder: string, signal: AbortSignal): Promise<void>
}

/** 12 hexadecimal digits that change whenever the recipe's files or variant do. */
export async function recipeHash(recipe: Pick<Recipe, 'files' | 'variant'>): Promise<string> {
  const hash = createHash('sha256').update(recipe.variant)
  for (const file of recipe.files) {
    const content = await readFile(file)
    hash.update(`\0${basename(file)}\0${content.length}\0`).update(content)
  }
  return hash.digest('hex').slice(0, 12)
}

/** The folder that a recipe fills: a changed pin is another folder, so nothing is ever updated in place. */
export async function installationFolder(recipe: Recipe, cache: string): Promise<string> {
  return join(cache, `${recipe.name}-${await recipeHash(recipe)}`)
}

export interface InstallOptions {
  /** Ends a build or a wait for one. */
  signal: AbortSignal
  /** Called when it has to be built, and when another run is building it already. */
  onBuild?: () => void
  onWait?: () => void
}

/**
 * Makes sure a recipe's folder is there and returns its path. The folder appears whole or not at all: it
 * is filled under another name and renamed. Of several runs that want it at once, one builds.
 */
export async function install(recipe: Recipe, cache: string, options: InstallOptions): Promise<string> {
  const { signal, onBuild, onWait } = options
  const folder = await installationFolder(recipe, cache)
  if (existsSync(folder)) return folder

  await mkdir(cache, { recursive: true })
  const release = await lock(`${folder}.lock`, signal, onWait)
  try {
    if (existsSync(folder)) return folder
    await dropHalfBuilt(folder)
    const partial = `${folder}.partial-${randomUUID()}`
    await mkdir(partial)
    try {
      onBuild?.()
      await recipe.build(partial, signal)
      await rename(partial, folder)
    } catch (error) {
      await rm(partial, { recursive: true, force: true })
      if (!existsSync(folder)) throw error
    }
    return folder
  } finally {
    await release()
  }
}

async function dropHalfBuilt(folder: string): Promise<void> {
  const siblings = await readdir(dirname(folder))
  const partials = siblings.filter((name) => name.startsWith(`${basename(folder)}.partial-`))
  await Promise.all(partials.map((name) => rm(join(dirname(folder), name), { recursive: true, force: true })))
}

const refreshMillis = 2_000
const staleMillis = 15_000

/**
 * A lock file that its owner touches again and again. One that is not touched belongs to a run that was
 * killed, and is taken over. Should two runs take it over at once, both build, and the one that ends second
 * finds the folder filled and uses it: work is lost, nothing is damaged.
 */
async function lock(file: string, signal: AbortSignal, onWait?: () => void): Promise<() => Promise<void>> {
  let waiting = false
  while (!(await create(file))) {
    if (await isAbandoned(file)) {
      await rm(file, { force: true })
      continue
    }
    if (!waiting) onWait?.()
    waiting = true
    await delay(200, undefined, { signal })
  }
  const refresh = setInterval(() => {
    const now = new Date()
    utimes(file, now, now).catch(() => undefined)
  }, refreshMillis)
  refresh.unref()
  return async () => {
    clearInterval(refresh)
    await rm(file, { force: true })
  }
}

async function create(file: string): Promise<boolean> {
  try {
    await writeFile(file, String(process.pid), { flag: 'wx' })
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw error
  }
}

async function isAbandoned(file: string): Promise<boolean> {
  try {
    const [owner, { mtimeMs }] = await Promise.all([readFile(file, 'utf8'), stat(file)])
    return Date.now() - mtimeMs > staleMillis || (owner !== '' && !processLives(Number(owner)))
  } catch {
    return false // released in between
  }
}
