import { deepEqual, equal, match, ok, rejects } from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { consumerGroupOf } from '../../consumers/runtime/service.ts'
import { services } from '../../shared/saga/events.ts'
import { subscriptionsOf } from '../../shared/saga/flow.ts'
import { readConfig } from '../../shared/process/config.ts'
import { dropBadSettings } from '../../shared/telemetry/settings.ts'
import { createAuthority, type Authority } from '../security/certificates-for-tests.ts'
import { chartFolder, HelmRefused, render, runHelm, type Rendering } from './helm.ts'
import type { Manifest } from './manifest.ts'

const repository = join(import.meta.dirname, '..', '..')
const valuesFile = (name: string) => join(repository, 'helm', 'values', `${name}.yaml`)
const all = ['gateway', ...services]

const installations: Readonly<Record<string, Rendering>> = {
  default: {},
  'those beside the platform': { valuesFiles: [valuesFile('sagascope')] },
  'with the console': { set: ['gateway.console.enabled=true'] },
  minimal: { valuesFiles: [valuesFile('sagascope-minimal')] },
  production: { valuesFiles: [valuesFile('sagascope-production')], set: ['replay.args=["--since","10m"]'] },
}

interface EnvironmentEntry {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: object
}

interface PodSpec {
  readonly terminationGracePeriodSeconds: number
  readonly automountServiceAccountToken: boolean
  readonly containers: readonly [
    {
      readonly command?: readonly string[]
      readonly args: readonly string[]
      readonly env: readonly EnvironmentEntry[]
      readonly envFrom?: readonly object[]
      readonly ports?: readonly { readonly name: string; readonly containerPort: number }[]
      readonly readinessProbe?: { readonly httpGet: { readonly path: string; readonly port: string } }
      readonly securityContext: { readonly readOnlyRootFilesystem: boolean }
      readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[]
    },
  ]
}

interface Workload {
  readonly replicas?: number
  readonly template: {
    readonly metadata: { readonly annotations: Readonly<Record<string, string>> }
    readonly spec: PodSpec
  }
}

const specOf = (manifest: Manifest): Workload => manifest.spec as Workload
const podOf = (manifest: Manifest): PodSpec => specOf(manifest).template.spec
const workloadsOf = (manifests: readonly Manifest[]): Manifest[] =>
  manifests.filter(({ kind }) => kind === 'Deployment' || kind === 'Job')

function find(manifests: readonly Manifest[], kind: string, name: string): Manifest {
  const found = manifests.find((one) => one.kind === kind && one.metadata.name === name)
  ok(found, `${kind} ${name}`)
  return found
}

const compiling = 15 * 60_000

describe("the services' chart", function () {
  // Where Helm is not cached yet, it is compiled first.
  this.timeout(compiling)
  before(() => runHelm(['version']))

  for (const [name, { valuesFiles = [], set = [] }] of Object.entries(installations)) {
    it(`has nothing that helm lint complains of, with values ${name}`, async () => {
      const values = [
        ...valuesFiles.flatMap((file) => ['--values', file]),
        ...set.flatMap((value) => ['--set-json', value]),
      ]
      await runHelm(['lint', '--strict', ...values, chartFolder('sagascope')])
    })
  }

  it('says above each of its values what it is for', async () => {
    const lines = (await readFile(join(chartFolder('sagascope'), 'values.yaml'), 'utf8')).split('\n')
    const bare = lines.filter((line, index) => /^\w+:/.test(line) && !lines[index - 1]?.startsWith('#'))
    deepEqual(bare, [])
  })

  describe('runs each service', () => {
    for (const [name, rendering] of Object.entries(installations)) {
      it(`by a program that is there, with values ${name}`, async () => {
        const workloads = workloadsOf(await render('sagascope', rendering))
        const deployments = workloads.filter(({ kind }) => kind === 'Deployment')
        deepEqual(
          deployments.map(({ metadata }) => metadata.name).sort(),
          all.map((service) => `sagascope-${service}`).sort(),
        )
        for (const workload of workloads) {
          const [program = ''] = podOf(workload).containers[0].args
          ok(existsSync(join(repository, program)), `${workload.metadata.name} runs ${program}`)
        }
      })

      it(`with a configuration that it accepts, with values ${name}`, async () => {
        const manifests = await render('sagascope', rendering)
        const shared = find(manifests, 'ConfigMap', 'sagascope').data as Record<string, string>
        for (const workload of workloadsOf(manifests)) {
          const environment = files.environmentOf(podOf(workload), shared)
          readConfig(environment)
          const before = { ...environment }
          dropBadSettings(environment, (message) => ok(false, `${workload.metadata.name}: ${message}`))
          deepEqual(environment, before)
        }
      })
    }

    it('without a token of the cluster, and without a file system to write to', async () => {
      const workloads = workloadsOf(await render('sagascope', installations.production))
      equal(workloads.length, all.length + 2, 'services, topics and replay')
      for (const workload of workloads) {
        const pod = podOf(workload)
        equal(pod.automountServiceAccountToken, false)
        equal(pod.containers[0].securityContext.readOnlyRootFilesystem, true)
      }
    })

    it('with probes at the port where it answers them', async () => {
      const manifests = await render('sagascope')
      const shared = find(manifests, 'ConfigMap', 'sagascope').data as Record<string, string>
      for (const service of all) {
        const [container] = podOf(find(manifests, 'Deployment', `sagascope-${service}`)).containers
        const [port] = container.ports ?? []
        ok(port)
        deepEqual(container.readinessProbe?.httpGet, { path: '/readyz', port: port.name })
        equal(String(port.containerPort), shared[service === 'gateway' ? 'GATEWAY_PORT' : 'HEALTH_PORT'])
      }
    })

    it('anew when its variables have changed', async () => {
      const checksum = async (rendering: Rendering) => {
        const deployment = find(await render('sagascope', rendering), 'Deployment', 'sagascope-users')
        return specOf(deployment).template.metadata.annotations['checksum/environment']
      }
      const before = await checksum({})
      match(before ?? '', /^[0-9a-f]{64}$/)
      equal(await checksum({ set: ['services.users.replicas=2'] }), before)
      ok((await checksum({ set: ['env.LOG_LEVEL="debug"'] })) !== before)
    })

    it("with a user of its own where it has one, and the others with everybody's", async () => {
      const manifests = await render('sagascope', installations.production)
      const userOf = (kind: string, name: string) =>
        podOf(find(manifests, kind, name)).containers[0].env.find(
          ({ name }) => name === 'KAFKA_SASL_USERNAME',
        )?.valueFrom
      deepEqual(userOf('Deployment', 'sagascope-users'), {
        secretKeyRef: { name: 'kafka-user-users', key: 'username' },
      })
      deepEqual(userOf('Job', 'sagascope-create-topics'), {
        secretKeyRef: { name: 'kafka-user-administrator', key: 'username' },
      })
    })
  })

  /** Secrets as Kubernetes would mount them, in a folder of their own. */
  const files = new (class {
    readonly #folder = mkdtempSync(join(tmpdir(), 'sagascope-chart-'))
    #authority: Authority | undefined

    async prepare(): Promise<void> {
      this.#authority = await createAuthority(this.#folder, ['service'])
    }

    remove(): void {
      rmSync(this.#folder, { recursive: true })
    }

    environmentOf(pod: PodSpec, shared: Readonly<Record<string, string>>): Record<string, string> {
      const [{ env, envFrom, volumeMounts = [] }] = pod.containers
      const own = env.map(({ name, value }) => [name, value ?? 'from-a-secret-or-the-pod'])
      const environment = { ...(envFrom && shared), ...Object.fromEntries(own) } as Record<string, string>
      if (environment.MONGODB_URL === 'from-a-secret-or-the-pod')
        environment.MONGODB_URL = 'mongodb://from.a.secret'
      for (const [name, value] of Object.entries(environment)) {
        if (!value.startsWith('/run/secrets/')) continue
        ok(
          volumeMounts.some(({ mountPath }) => value.startsWith(`${mountPath}/`)),
          `${name} is ${value}, where nothing is mounted`,
        )
        environment[name] = this.#standIn(value)
      }
      return environment
    }

    #standIn(path: string): string {
      ok(this.#authority)
      const { certificateFile, keyFile } = this.#authority.certificate('service')
      if (path.endsWith('/ca.crt')) return this.#authority.caFile
      if (path.endsWith('/tls.crt')) return certificateFile
      return keyFile // as good a password as any
    }
  })()
  before(() => files.prepare())
  after(() => files.remove())

  describe('follows the load', () => {
    it('of the gateway by processor time, and of the others by consumer lag', async () => {
      const manifests = await render('sagascope', installations.production)
      find(manifests, 'HorizontalPodAutoscaler', 'sagascope-gateway')
      for (const service of services) {
        const { triggers } = find(manifests, 'ScaledObject', `sagascope-${service}`).spec as {
          triggers: { metadata: { topic: string; consumerGroup: string } }[]
        }
        deepEqual(
          triggers.map(({ metadata }) => [metadata.consumerGroup, metadata.topic]),
          subscriptionsOf(service).map((topic) => [consumerGroupOf(service), topic]),
        )
      }
    })

    it('without a number of replicas of its own to go back to with each upgrade', async () => {
      for (const deployment of workloadsOf(await render('sagascope', installations.production)))
        equal(specOf(deployment).replicas, undefined)
      const fixed = await render('sagascope', { set: ['services.orders.replicas=3'] })
      equal(specOf(find(fixed, 'Deployment', 'sagascope-orders')).replicas, 3)
    })
  })

  it('gives a pod the time that a drain takes', async () => {
    // Not exported: whoever drains has no use for it elsewhere.
    const source = readFileSync(join(repository, 'shared', 'process', 'lifecycle.ts'), 'utf8')
    const drainMillis = Number(/drainDeadlineMillis = ([\d_]+)/.exec(source)?.[1]?.replaceAll('_', ''))
    for (const deployment of workloadsOf(await render('sagascope'))) {
      const { terminationGracePeriodSeconds } = podOf(deployment)
      ok(terminationGracePeriodSeconds * 1_000 >= drainMillis + 5_000)
    }
  })

  describe('shuts its pods off', () => {
    interface Policy {
      readonly podSelector: { readonly matchLabels: Readonly<Record<string, string>> }
      readonly policyTypes: readonly string[]
      readonly ingress?: readonly { readonly from?: readonly object[] }[]
      readonly egress?: readonly { readonly ports: readonly { readonly port: number | string }[] }[]
    }
    const policy = async (name: string, rendering: Rendering = {}) =>
      find(await render('sagascope', rendering), 'NetworkPolicy', name).spec as Policy
    const portsOf = ({ egress = [] }: Policy) => egress.map(({ ports }) => ports.map(({ port }) => port))

    it('from everything that no other policy allows, Jobs included', async () => {
      const { podSelector, ...rules } = await policy('sagascope-default-deny')
      deepEqual(rules, { policyTypes: ['Ingress', 'Egress'] })
      for (const workload of workloadsOf(await render('sagascope', installations.production))) {
        const { labels } = specOf(workload).template.metadata as unknown as { labels: Record<string, string> }
        for (const [label, value] of Object.entries(podSelector.matchLabels)) equal(labels[label], value)
      }
    })

    it('but for the ports of its backends, wherever these are', async () => {
      deepEqual(portsOf(await policy('sagascope-backends')), [[53, 53], [9092], [27017], [4318]])
      deepEqual(portsOf(await policy('sagascope-backends', installations.production)), [
        [53, 53],
        [9094],
        [27017],
        [4318],
      ])
      const elsewhere = [
        'mongodb.url="mongodb://one:27018,two:27019,three/?replicaSet=r"',
        'kafka.brokers=["one:9092","two:9192"]',
        'telemetry.endpoint="https://otlp.example"',
      ]
      deepEqual(portsOf(await policy('sagascope-backends', { set: elsewhere })), [
        [53, 53],
        [9092, 9192],
        [27018, 27019, 27017],
        [443],
      ])
    })

    it('but for those who may use the gateway', async () => {
      deepEqual((await policy('sagascope-gateway')).ingress, [{ ports: [{ port: 'http' }] }])
      const { ingress } = await policy('sagascope-gateway', installations.production)
      equal(ingress?.[0]?.from?.length, 1)
    })
  })

  describe('has the console', () => {
    const consoleUrls = {
      JAEGER_URL: 'http://jaeger/base',
      ELASTICSEARCH_URL: 'https://logs.example',
      PROMETHEUS_URL: 'http://prometheus:9090',
    }
    const rendering: Rendering = {
      set: [
        'gateway.console.enabled=true',
        `gateway.console.jaegerUrl="${consoleUrls.JAEGER_URL}"`,
        `gateway.console.elasticsearchUrl="${consoleUrls.ELASTICSEARCH_URL}"`,
      ],
    }

    it('in the gateway alone, and only when told', async () => {
      for (const [set, expected] of [
        [{}, {}],
        [rendering, { GATEWAY_CONSOLE: 'on', ...consoleUrls }],
      ] as const) {
        const manifests = await render('sagascope', set)
        for (const service of all) {
          const { env } = podOf(find(manifests, 'Deployment', `sagascope-${service}`)).containers[0]
          const own = env.filter(({ name }) => name === 'GATEWAY_CONSOLE' || name in consoleUrls)
          deepEqual(
            Object.fromEntries(own.map(({ name, value }) => [name, value])),
            service === 'gateway' ? expected : {},
            service,
          )
        }
      }
    })

    it('with a way to what it reads, and to nothing else', async () => {
      const { spec } = find(await render('sagascope', rendering), 'NetworkPolicy', 'sagascope-console')
      deepEqual((spec as { egress: unknown }).egress, [
        { ports: [{ port: 80 }, { port: 443 }, { port: 9090 }] },
      ])
      const without = await render('sagascope')
      ok(!without.some(({ metadata }) => metadata.name === 'sagascope-console'))
    })
  })

  describe('refuses, and says what is wrong with,', () => {
    const refusals: readonly (readonly [what: string, set: readonly string[], message: RegExp])[] = [
      [
        'a value that it does not have',
        ['services.gatway.replicas=2'],
        /at '\/services': .*'gatway' not allowed/,
      ],
      [
        'a number as a variable',
        ['env.RATE_LIMIT_PER_CALLER=100'],
        /at '\/env\/RATE_LIMIT_PER_CALLER': got number, want string/,
      ],
      [
        'SASL without its mechanism',
        ['kafka.securityProtocol="SASL_SSL"'],
        /at '\/kafka\/sasl\/mechanism': value must be one of 'plain', 'scram/,
      ],
      [
        'SASL without a user',
        ['kafka.securityProtocol="SASL_SSL"', 'kafka.sasl.mechanism="plain"'],
        /has no user: set kafka\.sasl\.existingSecret/,
      ],
      [
        'a password that would be sent readable',
        ['kafka.securityProtocol="SASL_PLAINTEXT"', 'kafka.sasl.mechanism="plain"'],
        /at '\/kafka\/sasl\/mechanism': value must be one of 'scram-sha-256'/,
      ],
      [
        'a user for a Kafka without users',
        ['kafka.sasl.existingSecret="kafka"'],
        /at '\/kafka\/sasl\/existingSecret': value must be ''/,
      ],
      [
        "a service's user for a Kafka without users",
        ['services.users.secrets.kafka="kafka"'],
        /services\.users\.secrets\.kafka is set, but kafka\.securityProtocol is PLAINTEXT/,
      ],
      [
        'an authority for a Kafka without TLS',
        ['kafka.tls.existingSecret="kafka"'],
        /at '\/kafka\/tls\/existingSecret': value must be ''/,
      ],
      [
        'a client certificate that is nowhere',
        ['kafka.securityProtocol="SSL"', 'kafka.tls.clientCertificate=true'],
        /at '\/kafka\/tls\/existingSecret': minLength/,
      ],
      [
        'a password in a ConfigMap',
        ['mongodb.url="mongodb://user:secret@mongodb"'],
        /at '\/mongodb\/url': .*does not match/,
      ],
      ['two MongoDBs', ['mongodb.urlSecret.name="mongodb"'], /at '\/mongodb\/url': value must be ''/],
      ['no MongoDB', ['mongodb.url=""'], /at '\/mongodb\/url': minLength/],
      [
        'two users of MongoDB',
        [
          'mongodb.url=""',
          'mongodb.urlSecret.name="mongodb"',
          'mongodb.credentials.existingSecret="mongodb"',
        ],
        /at '\/mongodb\/credentials\/existingSecret': value must be ''/,
      ],
      [
        'an authority for a MongoDB without TLS',
        ['mongodb.tls.existingSecret="mongodb"'],
        /at '\/mongodb\/url': .*tls=true/,
      ],
      [
        'an authority for a Collector without TLS',
        ['telemetry.tls.existingSecret="otlp"'],
        /at '\/telemetry\/endpoint': .*\^https:/,
      ],
      [
        'an ingress whose callers would all look the same',
        ['gateway.ingress.enabled=true', 'gateway.ingress.host="shop.example"'],
        /at '\/gateway\/trustedProxies': minItems: got 0, want 1/,
      ],
      [
        'a host without an ingress',
        ['gateway.ingress.host="shop.example"'],
        /at '\/gateway\/ingress\/host': value must be ''/,
      ],
      [
        'peers that nobody would enforce',
        ['networkPolicies.enabled=false', 'networkPolicies.kafkaAt=[{"podSelector":{}}]'],
        /at '\/networkPolicies\/kafkaAt': maxItems: got 1, want 0/,
      ],
      [
        'less time than a drain takes',
        ['terminationGracePeriodSeconds=20'],
        /at '\/terminationGracePeriodSeconds': minimum: got 20, want 25/,
      ],
      [
        'a wait that leaves too little of it',
        ['preStopSeconds=15'],
        /preStopSeconds \(15\) and 20 s to drain do not fit/,
      ],
      [
        'more replicas than partitions',
        ['services.orders.replicas=7'],
        /services\.orders\.replicas is 7: with kafka\.partitions 6/,
      ],
      [
        '... by autoscaling',
        ['services.orders.autoscaling={"enabled":true,"maxReplicas":7}'],
        /services\.orders\.autoscaling\.maxReplicas is 7/,
      ],
      [
        'a least above a most',
        ['services.orders.autoscaling={"enabled":true,"minReplicas":5,"maxReplicas":4}'],
        /minReplicas is 5, more than maxReplicas \(4\)/,
      ],
      [
        'a consumer of which there may be none',
        ['services.orders.autoscaling={"enabled":true,"minReplicas":0}'],
        /at '\/services\/orders\/autoscaling\/minReplicas': minimum: got 0, want 1/,
      ],
      [
        'a share of no processor time',
        ['services.gateway.autoscaling.enabled=true', 'resources.requests.cpu=null'],
        /resources\.requests\.cpu, or resources\.requests\.cpu, has to say/,
      ],
      ['a variable that it sets itself', ['env.KAFKA_BROKERS="other:9092"'], /env\.KAFKA_BROKERS is refused/],
      [
        'the console as a variable, to which the network would be closed',
        ['services.gateway.env.GATEWAY_CONSOLE="on"'],
        /env\.GATEWAY_CONSOLE is refused/,
      ],
      [
        'a console that reads nowhere',
        ['gateway.console={"enabled":true,"jaegerUrl":"jaeger:16686"}'],
        /at '\/gateway\/console\/jaegerUrl': .*does not match/,
      ],
      [
        'a password as a variable',
        ['services.users.env.MONGODB_PASSWORD="secret"'],
        /env\.MONGODB_PASSWORD is refused/,
      ],
      [
        'a Job without a user',
        [
          'kafka.securityProtocol="SASL_SSL"',
          'kafka.sasl.mechanism="plain"',
          'kafka.createTopicsJob=true',
          ...all.map((service) => `services.${service}.secrets.kafka="kafka-${service}"`),
        ],
        /Jobs are no service.*kafka\.sasl\.existingSecret/,
      ],
    ]
    for (const [what, set, message] of refusals) {
      it(what, async () => {
        await rejects(render('sagascope', { set }), (error) => {
          ok(error instanceof HelmRefused)
          match(error.message, message)
          return true
        })
      })
    }
  })
})
