/** What this repository itself names, of all that it is made of; the rest comes with these. */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { recipes } from '../native/recipes.ts'
import { goModuleFolders, readGoModule } from './go-module.ts'

export interface Dependency {
  /** As in a package URL without the version: `npm/koa`, `golang/github.com/...`, `maven/<group>/<artifact>`. */
  readonly name: string
  readonly version: string
}

const repository = join(import.meta.dirname, '..', '..')
const native = join(repository, 'infra', 'native')

export async function directDependencies(): Promise<Dependency[]> {
  return (await Promise.all([npm(), go(), maven()])).flat()
}

async function npm(): Promise<Dependency[]> {
  const content = await readFile(join(repository, 'package.json'), 'utf8')
  const { dependencies, devDependencies, optionalDependencies } = JSON.parse(content) as Record<
    string,
    Record<string, string> | undefined
  >
  return Object.entries({ ...dependencies, ...devDependencies, ...optionalDependencies }).map(
    ([name, version]) => ({ name: `npm/${name}`, version }),
  )
}

async function go(): Promise<Dependency[]> {
  const modules = await Promise.all((await goModuleFolders()).map(readGoModule))
  return modules
    .flatMap((module) => module.modules)
    .filter(({ direct }) => direct)
    .map(({ path, version }) => ({ name: `golang/${path}`, version }))
}

async function maven(): Promise<Dependency[]> {
  const poms = await Promise.all(
    ['kafka', 'elasticsearch'].map((name) => readFile(join(native, 'maven', name, 'pom.xml'), 'utf8')),
  )
  const wanted = poms.flatMap((pom) => [
    ...pom.matchAll(
      /<dependency>\s*<groupId>(.+?)<\/groupId>\s*<artifactId>(.+?)<\/artifactId>\s*<version>(.+?)<\/version>/g,
    ),
  ])
  // The plugin that copies them is part of what the recipe pins.
  const [group = '', artifact = '', version = ''] = recipes.kafka.variant.split(':')
  return [
    ...wanted.map(([, groupId = '', artifactId = '', pinned = '']) => ({
      name: `maven/${groupId}/${artifactId}`,
      version: pinned,
    })),
    { name: `maven/${group}/${artifact}`, version },
  ]
}
