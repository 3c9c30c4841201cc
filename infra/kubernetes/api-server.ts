/**
 * A real Kubernetes API server with nothing behind it: no nodes, no controllers, so nothing ever runs. It reads
 * manifests as any cluster would, defaults, admission and Pod Security included, and says what is wrong with them.
 */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { request } from 'node:https'
import { join } from 'node:path'
import { parse } from 'yaml'
import { cacheDirectory } from '../native/cache-directory.ts'
import { install } from '../native/install.ts'
import { pickHealthPorts } from '../native/ports.ts'
import { etcd, kubeApiserver, resourceDefinitions } from '../native/recipes.ts'
import { createRunDirectory } from '../native/run-directory.ts'
import { createServer, type ServerDefinition } from '../native/server.ts'
import { answersOk } from '../native/servers/probe.ts'
import { eventually } from '../verify/eventually.ts'
import type { Manifest } from './manifest.ts'

export const podSecurityLevels = ['privileged', 'baseline', 'restricted'] as const
export type PodSecurity = (typeof podSecurityLevels)[number]

export interface ApiServer {
  /** A file that tells kubectl and Helm where it is and who they are. */
  readonly kubeconfig: string
  /**
   * What `kubectl apply --server-side --dry-run=server` asks, with unknown fields refused.
   * @returns why it is refused; undefined when it would be taken
   */
  dryRun(manifest: Manifest, namespace: string): Promise<string | undefined>
  /** Teaches it a kind of resource, by a CustomResourceDefinition; one that it knows already stays as it is. */
  define(definition: Manifest): Promise<void>
  /** Makes a namespace in which pods are held to a level of the Pod Security Standards. */
  createNamespace(name: string, podSecurity: PodSecurity): Promise<void>
  down(): Promise<void>
}

/** Builds what is missing, and starts etcd and the API server on free ports of 127.0.0.1. */
export async function openApiServer(): Promise<ApiServer> {
  const { signal } = new AbortController()
  const installed = async (recipe: typeof etcd) => install(recipe, cacheDirectory(process.env), { signal })
  const store = await installed(etcd)
  const program = await installed(kubeApiserver)
  const definitions = await installed(resourceDefinitions)

  const run = createRunDirectory()
  const ports = await pickHealthPorts(['etcd', 'etcdPeer', 'api'])
  const token = randomBytes(16).toString('hex')
  const folder = run.folder('kube-apiserver')
  const etcdServer = createServer(etcdDefinition(store, run, ports), () => undefined)
  const client = new Client(ports.api, token, join(folder, 'apiserver.crt'))
  const apiServer = createServer(
    {
      name: kubeApiserver.name,
      prepare: () => {
        writeKeysAndToken(folder, token)
        return Promise.resolve()
      },
      command: () => ({
        command: join(program, kubeApiserver.name),
        args: [
          `--etcd-servers=http://127.0.0.1:${ports.etcd}`,
          '--bind-address=127.0.0.1',
          `--secure-port=${ports.api}`,
          // It makes a certificate for itself there.
          `--cert-dir=${folder}`,
          `--token-auth-file=${join(folder, 'tokens.csv')}`,
          '--authorization-mode=RBAC',
          '--service-account-issuer=https://kubernetes.default.svc',
          `--service-account-key-file=${join(folder, 'service-account.pub')}`,
          `--service-account-signing-key-file=${join(folder, 'service-account.key')}`,
          '--service-cluster-ip-range=10.0.0.0/24',
          // Accounts are made by a controller, and there is none.
          '--disable-admission-plugins=ServiceAccount',
        ],
        directory: folder,
        logFile: run.logFile(kubeApiserver.name),
      }),
      isHealthy: async () => (await client.send('GET', '/readyz')).status === 200,
    },
    () => undefined,
  )
  const down = async () => {
    await apiServer.down()
    await etcdServer.down()
    run.remove()
  }
  try {
    await etcdServer.up()
    await apiServer.up()
    const known = await operatorsDefinitions(definitions)
    await Promise.all(known.map((definition) => define(client, definition)))
  } catch (error) {
    await down()
    throw error
  }

  return {
    kubeconfig: writeKubeconfig(folder, ports.api, token),
    down,
    define: (definition) => define(client, definition),
    async createNamespace(name, podSecurity) {
      const labels = { 'pod-security.kubernetes.io/enforce': podSecurity }
      const namespace = { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } }
      succeeded(await client.send('POST', '/api/v1/namespaces', namespace))
    },
    async dryRun(manifest, namespace) {
      const path = await client.pathOf(manifest, namespace)
      if (path === undefined) return `the server knows no ${manifest.kind} of ${manifest.apiVersion}`
      const query = 'fieldManager=sagascope&force=true&dryRun=All&fieldValidation=Strict'
      const answer = await client.send('PATCH', `${path}?${query}`, manifest)
      return answer.status < 300 ? undefined : answer.message
    },
  }
}

function etcdDefinition(
  installation: string,
  run: ReturnType<typeof createRunDirectory>,
  ports: Record<'etcd' | 'etcdPeer', number>,
): ServerDefinition {
  const url = `http://127.0.0.1:${ports.etcd}`
  const peerUrl = `http://127.0.0.1:${ports.etcdPeer}`
  return {
    name: etcd.name,
    command: () => ({
      command: join(installation, etcd.name),
      args: [
        `--data-dir=${run.folder('etcd')}`,
        `--listen-client-urls=${url}`,
        `--advertise-client-urls=${url}`,
        `--listen-peer-urls=${peerUrl}`,
        `--initial-advertise-peer-urls=${peerUrl}`,
        `--initial-cluster=default=${peerUrl}`,
        '--unsafe-no-fsync', // it forgets everything anyway
      ],
      directory: run.path,
      logFile: run.logFile(etcd.name),
    }),
    isHealthy: () => answersOk(`${url}/health`),
  }
}

function writeKeysAndToken(folder: string, token: string): void {
  const { privateKey, publicKey } = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'pem' },
    privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  })
  const files = {
    'service-account.key': privateKey,
    'service-account.pub': publicKey,
    'tokens.csv': `${token},tests,tests,"system:masters"\n`,
  }
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(folder, name), content, { mode: 0o600 })
  }
}

/** https://kubernetes.io/docs/reference/config-api/kubeconfig.v1/ */
function writeKubeconfig(folder: string, port: number, token: string): string {
  const file = join(folder, 'kubeconfig.json')
  const cluster = {
    server: `https://127.0.0.1:${port}`,
    'certificate-authority': join(folder, 'apiserver.crt'),
  }
  const content = {
    apiVersion: 'v1',
    kind: 'Config',
    clusters: [{ name: 'tests', cluster }],
    users: [{ name: 'tests', user: { token } }],
    contexts: [{ name: 'tests', context: { cluster: 'tests', user: 'tests' } }],
    'current-context': 'tests',
  }
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 })
  return file
}

/** The resources of operators that our charts use. */
async function operatorsDefinitions(folder: string): Promise<Manifest[]> {
  const files = (await readdir(folder)).filter((name) => name.endsWith('.yaml'))
  const texts = await Promise.all(files.map((name) => readFile(join(folder, name), 'utf8')))
  return texts.map((text) => parse(text) as Manifest)
}

/** Resolves when the server knows the kind. */
async function define(client: Client, definition: Manifest): Promise<void> {
  const path = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
  const answer = await client.send('POST', path, definition)
  if (answer.status !== alreadyThere) succeeded(answer)
  await eventually(`${definition.metadata.name} is established`, async () => {
    const { body } = await client.send('GET', `${path}/${definition.metadata.name}`)
    const { status } = body as { status?: { conditions?: { type: string; status: string }[] } }
    const established = status?.conditions?.some(
      (condition) => condition.type === 'Established' && condition.status === 'True',
    )
    return established === true ? true : undefined
  })
  client.forget(definition)
}

const alreadyThere = 409

interface Answer {
  readonly status: number
  /** What the server says of itself when it refuses. */
  readonly message: string
  readonly body: unknown
}

function succeeded({ status, message }: Answer): void {
  if (status >= 300) throw new Error(`the API server answered ${status}: ${message}`)
}

interface ApiResource {
  readonly name: string
  readonly kind: string
  readonly namespaced: boolean
}

/** https://kubernetes.io/docs/reference/using-api/api-concepts/ */
class Client {
  readonly #port: number
  readonly #token: string
  readonly #certificateFile: string
  readonly #resources = new Map<string, Promise<readonly ApiResource[]>>()

  constructor(port: number, token: string, certificateFile: string) {
    this.#port = port
    this.#token = token
    this.#certificateFile = certificateFile
  }

  /** A PATCH is a server-side apply. Rejects when the server cannot be reached. */
  send(method: 'GET' | 'POST' | 'PATCH', path: string, body?: unknown): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const type = method === 'PATCH' ? 'application/apply-patch+yaml' : 'application/json'
      const sent = request(
        {
          host: '127.0.0.1',
          port: this.#port,
          method,
          path,
          ca: readFileSync(this.#certificateFile),
          headers: { authorization: `Bearer ${this.#token}`, 'content-type': type },
          timeout: 10_000,
        },
        (response) => {
          const chunks: Buffer[] = []
          response
            .on('data', (chunk: Buffer) => chunks.push(chunk))
            .once('error', reject)
            .once('end', () => resolve(toAnswer(response.statusCode ?? 0, Buffer.concat(chunks).toString())))
        },
      )
      sent.once('timeout', () => sent.destroy(new Error(`${method} ${path} was not answered`)))
      sent.once('error', reject)
      sent.end(body === undefined ? undefined : JSON.stringify(body))
    })
  }

  /** Where a manifest lives; undefined for a kind that the server does not know. */
  async pathOf({ apiVersion, kind, metadata }: Manifest, namespace: string): Promise<string | undefined> {
    const group = apiVersion.includes('/') ? `/apis/${apiVersion}` : `/api/${apiVersion}`
    const resource = (await this.#resourcesOf(group)).find(
      (one) => one.kind === kind && !one.name.includes('/'),
    )
    if (!resource) return undefined
    const scope = resource.namespaced ? `/namespaces/${namespace}` : ''
    return `${group}${scope}/${resource.name}/${metadata.name}`
  }

  /** Asks anew for a group whose kinds have changed. */
  forget({ spec }: Manifest): void {
    const { group, versions } = spec as { group: string; versions: readonly { name: string }[] }
    for (const { name } of versions) this.#resources.delete(`/apis/${group}/${name}`)
  }

  #resourcesOf(group: string): Promise<readonly ApiResource[]> {
    const known = this.#resources.get(group)
    if (known) return known
    const asked = this.send('GET', group).then(
      ({ body }) => (body as { resources?: readonly ApiResource[] }).resources ?? [],
    )
    this.#resources.set(group, asked)
    return asked
  }
}

function toAnswer(status: number, text: string): Answer {
  try {
    const body = JSON.parse(text) as { message?: string }
    return { status, body, message: body.message ?? '' }
  } catch {
    return { status, body: text, message: text }
  }
}
