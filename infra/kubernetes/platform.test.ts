import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'
import { chartFolder, HelmRefused, render, runHelm } from './helm.ts'
import type { Manifest } from './manifest.ts'

const repository = join(import.meta.dirname, '..', '..')
const read = (...path: string[]) => readFileSync(join(repository, ...path), 'utf8')
const filesIn = (...path: string[]) =>
  Object.fromEntries(readdirSync(join(repository, ...path)).map((file) => [file, read(...path, file)]))

/** Values of a chart that is not ours; what this file looks at of them. */
interface OfficialValues {
  readonly image?: { readonly repository?: string; readonly tag: string }
  readonly jaeger: { readonly image: { readonly tag: string } }
  readonly server: {
    readonly image: { readonly tag: string }
    readonly configPath: string
    readonly extraVolumes: readonly {
      readonly configMap: { readonly items: readonly { key: string; path: string }[] }
    }[]
  }
  readonly 'eck-elasticsearch': { readonly version: string }
  readonly 'eck-kibana': { readonly version: string }
  readonly env: Readonly<Record<string, string>>
}

const values = (name: string) => parse(read('helm', 'values', `${name}.yaml`)) as OfficialValues

describe('the chart of the platform', function () {
  // Where Helm is not cached yet, it is compiled first.
  this.timeout(15 * 60_000)

  let manifests: readonly Manifest[]
  before(async () => {
    manifests = await render('platform', {
      set: ['collector.replicas=2', 'prometheusOperator={"enabled":true,"labels":{"release":"prometheus"}}'],
    })
  })

  const configMap = (name: string): Record<string, string> => {
    const found = manifests.find(({ kind, metadata }) => kind === 'ConfigMap' && metadata.name === name)
    ok(found, name)
    return found.data as Record<string, string>
  }

  describe('hands out the files of infra/, to the letter:', () => {
    it("the Collector's, its overlays, and the agent's", () => {
      deepEqual(configMap('collector-config'), {
        'collector.yaml': read('infra', 'collector', 'collector.yaml'),
        'collector-agent.yaml': read('infra', 'kubernetes', 'collector-agent.yaml'),
        ...filesIn('infra', 'collector', 'overlays'),
        ...filesIn('infra', 'collector', 'security'),
      })
    })

    it("Jaeger's", () => {
      deepEqual(configMap('jaeger-config'), { 'jaeger.yaml': read('infra', 'jaeger', 'jaeger.yaml') })
    })

    it("Prometheus', with all rules", () => {
      const files = Object.entries(configMap('prometheus-config')).filter(
        ([name]) => !name.startsWith('targets-'),
      )
      deepEqual(Object.fromEntries(files), {
        'prometheus.yml': read('infra', 'prometheus', 'prometheus.yml'),
        ...filesIn('infra', 'prometheus', 'rules'),
      })
    })

    it("Grafana's dashboards and data sources", () => {
      deepEqual(configMap('grafana-dashboards'), filesIn('infra', 'grafana', 'dashboards'))
      const provisioning = ['infra', 'grafana', 'provisioning']
      deepEqual(configMap('grafana-provisioning'), filesIn(...provisioning, 'datasources'))
      deepEqual(configMap('grafana-dashboard-providers'), filesIn(...provisioning, 'dashboards'))
    })

    it("Kibana's saved objects", () => {
      deepEqual(configMap('kibana-saved-objects'), {
        'sagascope.ndjson': read('infra', 'kibana', 'sagascope.ndjson'),
      })
    })

    it('the rules once more for the Prometheus operator', () => {
      const rule = manifests.find(({ kind }) => kind === 'PrometheusRule')
      const groupsOf = (file: string) =>
        (parse(read('infra', 'prometheus', 'rules', file)) as { groups: unknown[] }).groups
      deepEqual((rule?.spec as { groups: unknown[] }).groups, [
        ...groupsOf('alerts.yml'),
        ...groupsOf('recording.yml'),
      ])
      equal((rule?.metadata.labels as Record<string, string>).release, 'prometheus')
    })
  })

  it('has nothing that helm lint complains of', async () => {
    await runHelm(['lint', '--strict', chartFolder('platform')])
  })

  describe('refuses, and says what is wrong with,', () => {
    for (const [what, value, message] of [
      ['a value that it does not have', 'kafka.broker=1', /at '\/kafka': .*'broker' not allowed/],
      [
        'controllers that lose their majority with one',
        'kafka.replicas=2',
        /at '\/kafka\/replicas': .*1, 3, 5/,
      ],
      ['an even replica set', 'mongodb.members=2', /at '\/mongodb\/members': .*1, 3, 5, 7/],
      ['no Collector at all', 'collector.replicas=0', /at '\/collector\/replicas': minimum: got 0, want 1/],
      ['a heap without a unit', 'kafka.heap="512"', /at '\/kafka\/heap': .*does not match/],
    ] as const) {
      it(what, async () => {
        await rejects(render('platform', { set: [value] }), (error) => {
          ok(error instanceof HelmRefused)
          match(error.message, message)
          return true
        })
      })
    }
  })

  it('has Prometheus scrape each Collector by its own name, and Jaeger', () => {
    const targets = (name: string) => parse(configMap('prometheus-config')[name] ?? '') as unknown
    deepEqual(targets('targets-applications.yml'), [
      { targets: ['collector-0.collector:8889', 'collector-1.collector:8889'] },
    ])
    deepEqual(targets('targets-platform.yml'), [
      { targets: ['jaeger:8888', 'collector-0.collector:8888', 'collector-1.collector:8888'] },
    ])
  })

  it('gives Prometheus each of its files at the place where prometheus.yml looks for it', () => {
    const { server } = values('prometheus')
    const items = server.extraVolumes[0]?.configMap.items ?? []
    deepEqual(items.map(({ key }) => key).sort(), Object.keys(configMap('prometheus-config')).sort())
    const { rule_files, scrape_configs } = parse(read('infra', 'prometheus', 'prometheus.yml')) as {
      rule_files: string[]
      scrape_configs: { file_sd_configs: { files: string[] }[] }[]
    }
    deepEqual(rule_files, ['rules/*.yml'])
    const paths = items.map(({ path }) => path)
    for (const file of scrape_configs.flatMap((job) => job.file_sd_configs.flatMap(({ files }) => files)))
      ok(paths.includes(file), file)
    for (const file of readdirSync(join(repository, 'infra', 'prometheus', 'rules')))
      ok(paths.includes(`rules/${file}`), file)
    ok(server.configPath.endsWith('/prometheus.yml'))
  })

  it('sets every variable that the data sources of Grafana take from the environment', () => {
    const { env } = values('grafana')
    for (const file of ['datasources', 'dashboards']) {
      const text = read('infra', 'grafana', 'provisioning', file, 'sagascope.yaml')
      const content = text.replace(/^\s*#.*$/gm, '')
      for (const [, name = ''] of content.matchAll(/(?<!\$)\$\{(\w+)\}/g)) ok(env[name], name)
    }
  })

  it('sets every variable of the overlays that the Collector runs with', () => {
    const text = read('infra', 'collector', 'security', 'elasticsearch-credentials.yaml')
    const names = (parse(read('helm', 'values', 'collector.yaml')) as { extraEnvs: { name: string }[] })
      .extraEnvs
    const set = new Set(names.map(({ name }) => name))
    for (const [, name = '', fallback] of text.matchAll(/\$\{env:(\w+)(:-)?/g))
      ok(set.has(name) || fallback, name)
  })

  it('runs the versions that docker compose runs', () => {
    const images = [...read('docker-compose.yaml').matchAll(/^ {2}\w+: &[\w-]+ \S*?([\w-]+):(\S+)$/gm)]
    const version = Object.fromEntries(images.map(([, name = '', tag = '']) => [name, tag]))
    const { kafka, mongodb } = parse(read('helm', 'platform', 'values.yaml')) as Record<
      string,
      { version: string }
    >
    deepEqual(
      {
        kafka: kafka?.version,
        mongo: mongodb?.version,
        elasticsearch: values('elastic')['eck-elasticsearch'].version,
        kibana: values('elastic')['eck-kibana'].version,
        'opentelemetry-collector-contrib': values('collector').image?.tag,
        jaeger: values('jaeger').jaeger.image.tag,
        prometheus: values('prometheus').server.image.tag,
        grafana: values('grafana').image?.tag,
      },
      {
        kafka: version.kafka,
        mongo: version.mongo,
        elasticsearch: version.elasticsearch,
        kibana: version.kibana,
        'opentelemetry-collector-contrib': version['opentelemetry-collector-contrib'],
        jaeger: version.jaeger,
        prometheus: version.prometheus,
        grafana: version.grafana,
      },
    )
    equal(values('collector-agent').image?.tag, values('collector').image?.tag)
  })

  it('balances what agents send among all Collectors, a trace to one of them', () => {
    const agent = parse(read('infra', 'kubernetes', 'collector-agent.yaml'), { merge: true }) as {
      exporters: Record<string, { routing_key: string; resolver: { dns: { hostname: string } } }>
      service: { pipelines: Record<string, { exporters: string[] }> }
    }
    for (const [signal, { exporters }] of Object.entries(agent.service.pipelines))
      deepEqual(exporters, [`loadbalancing/${signal}`])
    equal(agent.exporters['loadbalancing/traces']?.routing_key, 'traceID')
    equal(agent.exporters['loadbalancing/metrics']?.routing_key, 'resource')
    equal(
      agent.exporters['loadbalancing/traces'].resolver.dns.hostname,
      '${env:COLLECTOR_HOSTNAME:-collector}',
    )
  })

  it('has the services wait for the Kafka and the MongoDB that the operators make', () => {
    const helmfile = read('helm', 'helmfile.yaml.gotmpl')
    const [, services = ''] = helmfile.split(/^ {2}- name: sagascope$/m)
    const waits = [...services.matchAll(/command: kubectl\n +args: \[wait, .*, (\w+\/\w+)\]$/gm)]
    deepEqual(
      waits.map(([, what]) => what),
      manifests
        .filter(({ kind }) => kind === 'Kafka' || kind === 'MongoDBCommunity')
        .map(({ kind, metadata }) => `${kind.toLowerCase()}/${metadata.name}`),
    )
  })

  it('leaves nothing to chance in the helmfile: each chart that is not ours has a version', () => {
    const [, releases = ''] = read('helm', 'helmfile.yaml.gotmpl').split(/^releases:$/m)
    const blocks = releases.split(/^ {2}- name: /m).slice(1)
    ok(blocks.length > 8)
    for (const block of blocks) {
      const chart = /^ {4}chart: (\S+)$/m.exec(block)?.[1] ?? ''
      ok(chart.startsWith('./') || /^ {4}version: \d+\.\d+\.\d+$/m.test(block), block)
      for (const [, file = ''] of block.matchAll(/(values\/[\w-]+\.yaml)/g)) ok(read('helm', file).length > 0)
    }
  })
})
