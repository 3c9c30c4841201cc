/**
 * What Sagascope is made of, as one CycloneDX document (https://cyclonedx.org/docs/1.5/json/): npm's packages, the Go
 * modules of the servers and checks that are compiled, and Maven's files. It is made of the committed lock files alone, so it
 * needs no network and says the same everywhere.
 *
 *   node infra/security/sbom.ts > sbom.json
 */
import { execFile } from 'node:child_process'
import { basename, join } from 'node:path'
import { promisify } from 'node:util'
import { readChecksums } from '../native/checksums.ts'
import { checksumsOf } from '../native/recipes.ts'
import { goModuleFolders, readGoModule } from './go-module.ts'

const run = promisify(execFile)
const repository = join(import.meta.dirname, '..', '..')

export interface Component {
  readonly 'bom-ref': string
  readonly type: 'library' | 'application'
  readonly name: string
  readonly version: string
  readonly purl: string
  readonly group?: string
  readonly hashes?: readonly { readonly alg: string; readonly content: string }[]
}

export interface Sbom {
  readonly bomFormat: 'CycloneDX'
  readonly specVersion: string
  readonly metadata: { readonly component: { readonly 'bom-ref': string } }
  readonly components: readonly Component[]
  readonly dependencies: readonly { readonly ref: string; readonly dependsOn?: readonly string[] }[]
}

export async function createSbom(): Promise<Sbom> {
  const npm = await npmSbom()
  const parts = await Promise.all([
    ...(await goModuleFolders()).map(goPart),
    mavenPart('kafka'),
    mavenPart('elasticsearch'),
  ])
  const components = new Map(
    [...npm.components, ...parts.flatMap((part) => [part.program, ...part.contents])].map((component) => [
      component['bom-ref'],
      component,
    ]),
  )
  const root = npm.metadata.component['bom-ref']
  return {
    ...npm,
    components: [...components.values()],
    dependencies: [
      ...npm.dependencies.map(({ ref, dependsOn = [] }) => ({
        ref,
        dependsOn: ref === root ? [...dependsOn, ...parts.map((part) => part.program['bom-ref'])] : dependsOn,
      })),
      ...parts.map(({ program, contents }) => ({
        ref: program['bom-ref'],
        dependsOn: contents.map((component) => component['bom-ref']),
      })),
    ],
  }
}

async function npmSbom(): Promise<Sbom> {
  const options = ['sbom', '--sbom-format', 'cyclonedx', '--package-lock-only']
  const { stdout } = await run('npm', options, { cwd: repository, maxBuffer: 64 * 1024 * 1024 })
  return JSON.parse(stdout) as Sbom
}

interface Part {
  readonly program: Component
  readonly contents: readonly Component[]
}

const programOf = (name: string): Component => ({
  'bom-ref': `sagascope/${name}`,
  type: 'application',
  name,
  version: '1',
  purl: `pkg:generic/sagascope/${name}@1`,
})

async function goPart(folder: string): Promise<Part> {
  const { modules, sums } = await readGoModule(folder)
  return {
    program: programOf(basename(folder)),
    contents: modules.map(({ path, version }) => {
      const purl = `pkg:golang/${path}@${version}`
      // h1 is a SHA-256 of the SHA-256s of a module's files: https://go.dev/ref/mod#go-sum-files
      const sum = sums.get(`${path} ${version}`)
      const hashes = sum && [{ alg: 'SHA-256', content: Buffer.from(sum, 'base64').toString('hex') }]
      return { 'bom-ref': purl, type: 'library', name: path, version, purl, ...(hashes && { hashes }) }
    }),
  }
}

async function mavenPart(name: 'kafka' | 'elasticsearch'): Promise<Part> {
  const files = await readChecksums(checksumsOf(name))
  return {
    program: programOf(name),
    contents: files.map(({ hash, path }) => {
      const [file = '', version = '', artifact = '', ...group] = path.split('/').reverse()
      const groupId = group.reverse().join('.')
      const kind = basename(file).endsWith('.zip') ? '?type=zip' : ''
      const purl = `pkg:maven/${groupId}/${artifact}@${version}${kind}`
      const hashes = [{ alg: 'SHA-256', content: hash }]
      return { 'bom-ref': purl, type: 'library', group: groupId, name: artifact, version, purl, hashes }
    }),
  }
}

if (import.meta.main) console.log(JSON.stringify(await createSbom(), undefined, 2))
