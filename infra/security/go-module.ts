import { existsSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

export interface GoModule {
  /** All that is needed to build it, not only what it names itself: go.mod lists them since Go 1.17. */
  readonly modules: readonly { readonly path: string; readonly version: string; readonly direct: boolean }[]
  /** `<path> <version>` to the module's h1, in base64. */
  readonly sums: ReadonlyMap<string, string>
}

const infra = join(import.meta.dirname, '..')

/** Where the modules lie that this repository compiles: those of the servers, and that of the checks of its files. */
export async function goModuleFolders(): Promise<string[]> {
  const servers = join(infra, 'native', 'go')
  const names = await readdir(servers)
  return [...names.map((name) => join(servers, name)), join(infra, 'docker', 'checks')]
}

/** Reads a folder's go.mod and go.sum: https://go.dev/ref/mod#go-mod-file-grammar */
export async function readGoModule(folder: string): Promise<GoModule> {
  const text = await readFile(join(folder, 'go.mod'), 'utf8')
  const sumFile = join(folder, 'go.sum')
  const sumText = existsSync(sumFile) ? await readFile(sumFile, 'utf8') : ''

  const replacements = new Map(
    [...text.matchAll(/^(?:replace)?\s*(\S+)(?: v\S+)? => (\S+)(?: (v\S+))?$/gm)].map(
      ([, from = '', to = '', version]) => [from, { to, version }],
    ),
  )
  const required = [...text.matchAll(/^(?:require)?\s+(\S+) (v\S+)( \/\/ indirect)?$/gm)]
  return {
    modules: required.flatMap(([, path = '', version = '', indirect]) => {
      const direct = indirect === undefined
      const replaced = replacements.get(path)
      if (!replaced) return [{ path, version, direct }]
      // A folder of ours instead of a module is no dependency.
      return replaced.version === undefined ? [] : [{ path: replaced.to, version: replaced.version, direct }]
    }),
    sums: new Map(
      [...sumText.matchAll(/^(\S+) (v\S+) h1:(\S+)$/gm)]
        .filter(([, , version = '']) => !version.endsWith('/go.mod'))
        .map(([, path = '', version = '', sum = '']) => [`${path} ${version}`, sum]),
    ),
  }
}
