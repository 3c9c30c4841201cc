// `helm template ... | node infra/kubernetes/check-manifests.ts`: would a Kubernetes API server take these manifests?
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { BadUsage, parseOptions } from '../../shared/process/command-line.ts'
import { runUntilStopped } from '../native/run-until-stopped.ts'
import { openApiServer, podSecurityLevels, type ApiServer, type PodSecurity } from './api-server.ts'
import { NotAManifest, parseManifests, podsOf, type Manifest } from './manifest.ts'

const exitCodes = { done: 0, refused: 1, badUsage: 2 } as const

const help = `Asks a Kubernetes API server whether it would take manifests, and says why not. No cluster is needed: a server with
nothing behind it is started, and built when it is not there yet.

  node infra/kubernetes/check-manifests.ts [<file>...] [--pod-security <level>] [--json]

Reads YAML from the files, or from standard input. It is a dry run on the server, in which fields that Kubernetes does
not know are refused. Kinds that operators add need their CustomResourceDefinitions among the manifests; those of KEDA
and of the Prometheus operator are there. Pods are held to a level of the Pod Security Standards as well.

  --pod-security <level>   ${podSecurityLevels.join(', ')}; baseline unless told otherwise
  --json                   each manifest, with why it is refused, as one JSON document
  --help                   this

Exit codes: ${exitCodes.done} it would take all of them, ${exitCodes.refused} not all, or it could not be asked, ${exitCodes.badUsage} not understood.`

interface Verdict {
  readonly kind: string
  readonly name: string
  /** Absent when it would be taken. */
  readonly refusal?: string
}

interface Options {
  readonly manifests: readonly Manifest[]
  readonly podSecurity: PodSecurity
  readonly json: boolean
}

async function main(): Promise<void> {
  try {
    const options = await readOptions()
    if (options !== 'help') return await check(options)
    console.log(help)
  } catch (error) {
    if (!(error instanceof BadUsage) && !(error instanceof NotAManifest)) throw error
    console.error(error.message)
    process.exitCode = exitCodes.badUsage
  }
}

async function readOptions(): Promise<Options | 'help'> {
  const { values, positionals } = parseOptions({
    allowPositionals: true,
    options: {
      'pod-security': { type: 'string', default: 'baseline' },
      json: { type: 'boolean', default: false },
      help: { type: 'boolean' },
    },
  })
  if (values.help) return 'help'
  const podSecurity = podSecurityLevels.find((level) => level === values['pod-security'])
  if (podSecurity === undefined) {
    throw new BadUsage(`--pod-security ${values['pod-security']} is none of ${podSecurityLevels.join(', ')}.`)
  }
  const texts =
    positionals.length > 0 ? await Promise.all(positionals.map(read)) : [await text(process.stdin)]
  const manifests = texts.flatMap(parseManifests)
  if (manifests.length === 0) throw new BadUsage('There is no manifest in what was read.')
  return { manifests, podSecurity, json: values.json }
}

const read = (file: string): Promise<string> =>
  readFile(file, 'utf8').catch((error: unknown) => {
    throw new BadUsage(`${file} cannot be read: ${(error as Error).message}`, { cause: error })
  })

function check({ manifests, podSecurity, json }: Options): Promise<never> {
  return runUntilStopped(async (onStop) => {
    const server = await openApiServer()
    onStop(() => server.down())
    await server.createNamespace(namespace, podSecurity)
    const verdicts = await judge(server, manifests)
    const refused = verdicts.filter(({ refusal }) => refusal !== undefined)
    if (json) console.log(JSON.stringify(verdicts, undefined, 2))
    else for (const { kind, name, refusal } of refused) console.log(`${kind} ${name}: ${String(refusal)}`)
    if (refused.length > 0) throw new Error(`${refused.length} of ${verdicts.length} are refused.`)
    console.error(`All ${verdicts.length} would be taken, the pods of workloads included.`)
  })
}

/** All are checked in this one, wherever they are meant to go. */
const namespace = 'checked'

async function judge(server: ApiServer, manifests: readonly Manifest[]): Promise<Verdict[]> {
  const definitions = manifests.filter(({ kind }) => kind === 'CustomResourceDefinition')
  for (const definition of definitions) await server.define(definition)
  const others = manifests.filter((manifest) => !definitions.includes(manifest))
  const verdicts: Verdict[] = []
  for (const manifest of [...others, ...podsOf(others)]) {
    const { kind, metadata } = manifest
    const refusal = await server.dryRun(
      { ...manifest, metadata: { ...metadata, namespace: undefined } },
      namespace,
    )
    verdicts.push({ kind, name: metadata.name, ...(refusal !== undefined && { refusal }) })
  }
  return verdicts
}

await main()
