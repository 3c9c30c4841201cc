import { chmod, copyFile, readdir, readFile, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { verifyChecksums } from './checksums.ts'
import { startProcess } from './child-process.ts'
import { lastLines } from './last-lines.ts'
import type { Recipe } from './install.ts'
import type { ServerName } from './server-names.ts'

const here = import.meta.dirname
const dependencyPlugin = 'org.apache.maven.plugins:maven-dependency-plugin:3.8.1'
const architecture = `${process.platform}-${process.arch}`

// Builds take what is left of the processor: servers that are up already, and the first checkout through
// them, come first.
const buildNiceness = 10

/** Kafka's jars, in `lib`. */
const kafka: Recipe = {
  name: 'kafka',
  ...mavenPins('kafka'),
  build: async (folder, signal) => {
    const lib = join(folder, 'lib')
    await maven('kafka', folder, signal, [
      `${dependencyPlugin}:copy-dependencies`,
      '-DincludeScope=runtime',
      `-DoutputDirectory=${lib}`,
    ])
    await verifyChecksums(lib, checksumsOf('kafka'))
  },
}

/** Elasticsearch as it comes, in a folder named by its version. */
const elasticsearch: Recipe = {
  name: 'elasticsearch',
  ...mavenPins('elasticsearch'),
  build: async (folder, signal) => {
    const archives = join(folder, 'archives')
    const markers = join(folder, 'markers')
    await maven('elasticsearch', folder, signal, [
      `${dependencyPlugin}:copy-dependencies`,
      `-DoutputDirectory=${archives}`,
    ])
    await verifyChecksums(archives, checksumsOf('elasticsearch'))
    await maven('elasticsearch', folder, signal, [
      `${dependencyPlugin}:unpack-dependencies`,
      `-DoutputDirectory=${folder}`,
      `-DmarkersDirectory=${markers}`,
    ])
    for (const used of [archives, markers]) await rm(used, { recursive: true, force: true })
    await letAllRead(folder)
  },
}

// Root's Elasticsearch runs as another user, and root's umask may be strict.
async function letAllRead(folder: string): Promise<void> {
  await chmod(folder, 0o755)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
    const path = join(entry.parentPath, entry.name)
    const { mode } = await stat(path)
    const executable = entry.isDirectory() || (mode & 0o100) !== 0
    await chmod(path, mode | (executable ? 0o055 : 0o044))
  }
}

export const recipes: Record<ServerName, Recipe> = {
  kafka,
  elasticsearch,
  mongodb: goProgram({
    name: 'mongodb',
    module: 'mongodb',
    target: '.',
    sources: ['main.go', 'index_look_ups.go'],
  }),
  collector: goProgram({ name: 'collector', module: 'collector', target: '.', sources: ['main.go'] }),
  jaeger: goProgram({
    name: 'jaeger',
    module: 'jaeger',
    target: 'github.com/jaegertracing/jaeger/cmd/jaeger',
    sources: ['no-elasticsearch/go.mod', 'no-elasticsearch/client.go', 'no-elasticsearch/esapi/indices.go'],
  }),
  // All service discovery but files, which is built in, is left out: it would bring the client libraries
  // of every cloud along.
  prometheus: prometheusProgram('prometheus'),
}

/** Checks and tests Prometheus' rules. No server needs it: it is built when a test first asks for it. */
export const promtool: Recipe = prometheusProgram('promtool')

function prometheusProgram(name: 'prometheus' | 'promtool'): Recipe {
  return goProgram({
    name,
    module: 'prometheus',
    target: `github.com/prometheus/prometheus/cmd/${name}`,
    tags: 'remove_all_sd,netgo',
  })
}

/**
 * Makes the certificates of tests. Go has all it takes in its standard library, which neither Node nor the JDK has,
 * and is here already to build the servers.
 */
export const certificates: Recipe = goProgram({
  name: 'certificates',
  module: 'certificates',
  target: '.',
  sources: ['main.go'],
  sums: false,
})

/** The Collector with the load-balancing exporter; built when the test of infra/kubernetes/collector-agent.yaml asks for it. */
export const collectorAgent: Recipe = goProgram({
  name: 'collector-agent',
  module: 'collector-agent',
  target: '.',
  sources: ['main.go'],
})

/** Renders and checks the charts in helm/; built when a test first asks for it. */
export const helm: Recipe = goProgram({
  name: 'helm',
  module: 'helm',
  target: 'helm.sh/helm/v3/cmd/helm',
  // The Kubernetes that it takes a cluster for when there is none: a released Helm has it from its own build.
  variables: {
    'helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor': '1',
    'helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor': '34',
  },
})

/** Kubernetes' API server, and where it keeps what it is told: what reads the charts' manifests in tests. */
export const kubeApiserver: Recipe = goProgram({
  name: 'kube-apiserver',
  module: 'kubernetes',
  target: 'k8s.io/kubernetes/cmd/kube-apiserver',
  // What it says that it is; a chart asks for a version.
  variables: {
    'k8s.io/component-base/version.gitMajor': '1',
    'k8s.io/component-base/version.gitMinor': '34',
    'k8s.io/component-base/version.gitVersion': 'v1.34.4',
  },
})
export const etcd: Recipe = goProgram({
  name: 'etcd',
  module: 'kubernetes',
  target: 'go.etcd.io/etcd/server/v3',
})

/** The resources that operators add to Kubernetes and our charts use: where they lie in the operators' modules. */
const resourceDefinitionFiles = {
  'github.com/kedacore/keda/v2': {
    folder: 'config/crd/bases',
    files: ['keda.sh_scaledobjects.yaml', 'keda.sh_triggerauthentications.yaml'],
  },
  // The last release that is a Go module. The operator's releases since have added to the definition.
  'github.com/mongodb/mongodb-kubernetes-operator': {
    folder: 'config/crd/bases',
    files: ['mongodbcommunity.mongodb.com_mongodbcommunity.yaml'],
  },
  'github.com/prometheus-operator/prometheus-operator': {
    folder: 'example/prometheus-operator-crd',
    files: ['monitoring.coreos.com_servicemonitors.yaml', 'monitoring.coreos.com_prometheusrules.yaml'],
  },
} as const

/** Definitions of resources that are not Kubernetes' own, in YAML. Nothing of the operators is compiled. */
export const resourceDefinitions: Recipe = {
  name: 'resource-definitions',
  tool: 'go',
  files: ['go.mod', 'go.sum'].map((file) => join(here, 'go', 'resource-definitions', file)),
  variant: JSON.stringify(resourceDefinitionFiles),
  build: async (folder, signal) => {
    const directory = join(here, 'go', 'resource-definitions')
    const pins = await readFile(join(directory, 'go.mod'), 'utf8')
    for (const [module, { folder: from, files }] of Object.entries(resourceDefinitionFiles)) {
      const version = pins
        .split('\n')
        .find((line) => line.trim().startsWith(`${module} `))
        ?.trim()
        .split(' ')[1]
      if (version === undefined) throw new Error(`${module} is not in ${directory}/go.mod`)
      // With a version, nothing of what the module itself needs is fetched; go.sum is held against it all the same.
      const download = { command: 'go', args: ['mod', 'download', '-json', `${module}@${version}`] }
      await build('resource-definitions', folder, signal, {
        ...download,
        directory,
        environment: goEnvironment(),
      })
      const log = join(folder, 'build.log')
      const { Dir } = JSON.parse(await readFile(log, 'utf8')) as { Dir: string }
      for (const file of files) await copyFile(join(Dir, from, file), join(folder, file))
      await rm(log)
    }
  },
}

/** The go.mod files of the servers; each names the oldest Go that it builds with. */
export const goModuleFiles = ['mongodb', 'collector', 'jaeger', 'prometheus'].map((module) =>
  join(here, 'go', module, 'go.mod'),
)

function mavenPins(module: 'kafka' | 'elasticsearch'): Pick<Recipe, 'tool' | 'files' | 'variant'> {
  const files = [join(here, 'maven', module, 'pom.xml'), checksumsOf(module)]
  return { tool: 'maven', files, variant: dependencyPlugin }
}

/** SHA-256 of every file that Maven fetches for a module, those that its poms do not name included. */
export function checksumsOf(module: 'kafka' | 'elasticsearch'): string {
  return join(here, 'maven', module, 'checksums.sha256')
}

async function maven(module: string, folder: string, signal: AbortSignal, goal: readonly string[]) {
  await build(module, folder, signal, {
    command: 'mvn',
    args: [
      '--batch-mode',
      '--strict-checksums',
      '--no-transfer-progress',
      '--file',
      join(here, 'maven', module, 'pom.xml'),
      ...goal,
    ],
    directory: join(here, 'maven', module),
    environment: process.env,
  })
}

interface GoProgram {
  name: string
  module: string
  target: string
  /** The files of ours that are compiled, beside what go.sum pins. */
  sources?: readonly string[]
  /** False for a program without dependencies: Go keeps no go.sum for it. */
  sums?: boolean
  tags?: string
  /** Set by the linker, as -X does. */
  variables?: Readonly<Record<string, string>>
}

/** A program built from a committed go.mod and go.sum; the binary has the recipe's name. */
function goProgram(program: GoProgram): Recipe {
  const { name, module, target, sources = [], sums = true, tags, variables = {} } = program
  const directory = join(here, 'go', module)
  // The version of this repository is nothing to these programs, and git refuses to tell it to other users.
  const options = [
    '-trimpath',
    '-buildvcs=false',
    // The linker would drop the debugging information (-s -w): it need not be made.
    '-gcflags=all=-dwarf=false',
    '-ldflags',
    ['-s -w', ...Object.entries(variables).map(([variable, value]) => `-X ${variable}=${value}`)].join(' '),
    ...(tags === undefined ? [] : ['-tags', tags]),
  ]
  return {
    name,
    tool: 'go',
    files: [...sources, 'go.mod', ...(sums ? ['go.sum'] : [])].map((file) => join(directory, file)),
    variant: [architecture, target, ...options].join(' '),
    build: (folder, signal) =>
      build(name, folder, signal, {
        command: 'go',
        args: ['build', ...options, '-o', join(folder, name), target],
        directory,
        environment: goEnvironment(),
      }),
  }
}

function goEnvironment(): NodeJS.ProcessEnv {
  return {
    ...process.env,
    // The committed sums cover every module that is needed: nothing is looked up or written anew.
    GOFLAGS: '-mod=readonly',
    GOWORK: 'off',
    // A Go that is too old is reported by name, not replaced by a download.
    GOTOOLCHAIN: 'local',
    CGO_ENABLED: '0',
    // The compilers are short-lived: collecting less garbage saves them a tenth of their time.
    GOGC: '400',
  }
}

interface Build {
  command: string
  args: readonly string[]
  directory: string
  environment: NodeJS.ProcessEnv
}

async function build(name: string, folder: string, signal: AbortSignal, options: Build): Promise<void> {
  signal.throwIfAborted()
  const logFile = join(folder, 'build.log')
  const child = startProcess({ ...options, logFile, niceness: buildNiceness })
  const kill = () => void child.kill()
  signal.addEventListener('abort', kill)
  const outcome = await child.ended
  signal.removeEventListener('abort', kill)
  signal.throwIfAborted()
  if (outcome !== 'exit code 0') {
    const log = lastLines(await readFile(logFile, 'utf8'))
    throw new Error(`${name} could not be built (${options.command}: ${outcome}).\n${log}`)
  }
}
