import { parseAllDocuments } from 'yaml'

/** A resource as Kubernetes is told of it. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: { readonly name: string; readonly [key: string]: unknown }
  readonly [key: string]: unknown
}

/** It is no YAML, or no manifest. */
export class NotAManifest extends Error {
  readonly code = 'not_a_manifest'
}

/**
 * Reads the documents of a YAML text; empty ones do not count.
 * @throws NotAManifest
 */
export function parseManifests(text: string): Manifest[] {
  const manifests: Manifest[] = []
  for (const document of parseAllDocuments(text)) {
    const [error] = document.errors
    if (error) throw new NotAManifest(error.message)
    const content = document.toJS() as Partial<Manifest> | null
    if (content === null) continue
    if (!isManifest(content))
      throw new NotAManifest(`no apiVersion, kind or name: ${JSON.stringify(content)}`)
    manifests.push(content)
  }
  return manifests
}

function isManifest(content: Partial<Manifest>): content is Manifest {
  return (
    content.apiVersion !== undefined && content.kind !== undefined && content.metadata?.name !== undefined
  )
}

const workloads = ['Deployment', 'StatefulSet', 'DaemonSet', 'Job']

/** The pods that controllers would make of them, for whoever looks at pods only: Pod Security does. */
export function podsOf(manifests: readonly Manifest[]): Manifest[] {
  return manifests
    .filter(({ kind }) => workloads.includes(kind))
    .map(({ spec, metadata: { name } }) => {
      const { template } = spec as { template: { metadata: object; spec: object } }
      return { apiVersion: 'v1', kind: 'Pod', metadata: { ...template.metadata, name }, spec: template.spec }
    })
}
