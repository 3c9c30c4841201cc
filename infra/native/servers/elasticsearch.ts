import { chownSync, readdirSync } from 'node:fs'
import { cp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { InternalPorts, Ports } from '../ports.ts'
import type { RunDirectory } from '../run-directory.ts'
import type { ServerDefinition } from '../server.ts'
import { answersOk } from './probe.ts'

export interface ElasticsearchOptions {
  installation: string
  javaHome: string
  ports: Ports & InternalPorts
  run: RunDirectory
}

/** The user "nobody" of most systems; any number but 0 would do, it needs no entry in /etc/passwd. */
const nobody = 65_534

// Only the quick compiler: it halves the processor time of the start (16 s to 9 s were seen), which other
// servers are starting beside, and local logs never need what the slow one would gain.
const javaOptions = '-Xms512m -Xmx512m -XX:TieredStopAtLevel=1'

const templateFile = join(import.meta.dirname, '..', '..', 'elasticsearch', 'index-template.json')

/** Elasticsearch, one node, with Sagascope's index template and its first index in place before `up` resolves. */
export function elasticsearch(options: ElasticsearchOptions): ServerDefinition {
  const { installation, javaHome, ports, run } = options
  const url = `http://127.0.0.1:${ports.elasticsearch}`
  // Elasticsearch refuses to run as root.
  const userId = process.getuid?.() === 0 ? nobody : undefined
  const folder = run.folder('elasticsearch', userId)
  const home = elasticsearchHome(installation)
  const configuration = run.folder('elasticsearch/config', userId)

  return {
    name: 'elasticsearch',
    async prepare() {
      await cp(join(home, 'config'), configuration, { recursive: true })
      await writeFile(join(configuration, 'elasticsearch.yml'), elasticsearchYml(ports, folder))
      if (userId !== undefined) giveAway(configuration, userId)
    },
    command: () => ({
      command: join(home, 'bin', 'elasticsearch'),
      args: [],
      directory: folder,
      environment: {
        PATH: process.env.PATH,
        HOME: folder,
        ES_JAVA_HOME: javaHome,
        ES_PATH_CONF: configuration,
        ES_JAVA_OPTS: javaOptions,
        CLI_JAVA_OPTS: '-XX:TieredStopAtLevel=1',
        ES_TMPDIR: run.folder('elasticsearch/tmp', userId),
      },
      logFile: run.logFile('elasticsearch'),
      ...(userId === undefined ? {} : { userId }),
    }),
    isHealthy: () => answersOk(`${url}/_cluster/health?wait_for_status=yellow&timeout=1s`),
    afterStart: () => setUp(url),
  }
}

function elasticsearchHome(installation: string): string {
  const home = readdirSync(installation).find((name) => name.startsWith('elasticsearch-'))
  if (home === undefined) throw new Error(`There is no Elasticsearch in ${installation}; delete that folder`)
  return join(installation, home)
}

function elasticsearchYml(ports: Ports & InternalPorts, folder: string): string {
  return `cluster.name: sagascope
discovery.type: single-node
network.host: 127.0.0.1
http.port: ${ports.elasticsearch}
transport.port: ${ports.elasticsearchTransport}
path.data: ${join(folder, 'data')}
path.logs: ${join(folder, 'logs')}
# A nearly full disk is no reason to refuse the logs of a local run.
cluster.routing.allocation.disk.threshold_enabled: false
xpack.security.enabled: false
`
}

/**
 * The index is made here rather than by the first line that arrives: until the shard of a new one has started, every
 * search of it is answered with 503. A request that makes one is answered when it has.
 */
async function setUp(url: string): Promise<void> {
  await put(`${url}/_index_template/sagascope-logs`, await readFile(templateFile, 'utf8'))
  const index = `${url}/sagascope-logs`
  const { status } = await fetch(index, { method: 'HEAD' })
  if (status === 404) await put(index, '{}')
}

async function put(url: string, body: string): Promise<void> {
  const headers = { 'content-type': 'application/json' }
  const response = await fetch(url, { method: 'PUT', headers, body })
  if (!response.ok) throw new Error(`Elasticsearch refused PUT ${url}: ${await response.text()}`)
}

function giveAway(folder: string, owner: number): void {
  chownSync(folder, owner, owner)
  for (const entry of readdirSync(folder, { recursive: true, withFileTypes: true })) {
    chownSync(join(entry.parentPath, entry.name), owner, owner)
  }
}
