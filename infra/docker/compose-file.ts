/** docker-compose.yaml as tests look at it; what the loader of Compose makes of it is in files.live.test.ts. */
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'

export interface ComposeService {
  readonly image: string
  readonly profiles?: readonly string[]
  readonly entrypoint?: readonly string[]
  readonly command?: readonly string[]
  readonly environment?: Readonly<Record<string, string | number>>
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly tmpfs?: readonly string[]
  readonly depends_on?: Readonly<
    Record<string, { readonly condition: string; readonly required?: boolean } | undefined>
  >
  readonly healthcheck?: { readonly test: readonly string[] }
  /** `168m`, mebibytes. */
  readonly mem_limit: string
  readonly restart: string
  readonly read_only?: boolean
  readonly stop_grace_period?: string
}

export interface ComposeFile {
  readonly 'x-images': Readonly<Record<string, string>>
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
}

const repository = new URL('../../', import.meta.url)

export const readComposeFile = (): ComposeFile =>
  parse(readFileSync(new URL('docker-compose.yaml', repository), 'utf8'), { merge: true }) as ComposeFile

/** @throws Error when there is none of that name */
export function serviceOf({ services }: ComposeFile, name: string): ComposeService {
  const found = services[name]
  if (!found) throw new Error(`there is no ${name}`)
  return found
}

/** What a profile starts: its own services, and those without any. */
export const startedBy = (
  { services }: ComposeFile,
  profile: string,
): (readonly [string, ComposeService])[] =>
  Object.entries(services).filter(([, { profiles }]) => profiles?.includes(profile) ?? true)

export const mebibytesOf = ({ mem_limit: limit }: ComposeService): number =>
  Number(/^(\d+)m$/.exec(limit)?.[1])
