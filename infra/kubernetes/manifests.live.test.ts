import { equal, match, ok } from 'node:assert/strict'
import { join } from 'node:path'
import { openApiServer, type ApiServer } from './api-server.ts'
import { chartFolder, render, runHelm, type Rendering } from './helm.ts'
import { podsOf, type Manifest } from './manifest.ts'

const valuesFile = (name: string) => join(import.meta.dirname, '..', '..', 'helm', 'values', name)

const installations: Readonly<Record<string, Rendering>> = {
  default: {},
  'those beside the platform': { valuesFiles: [valuesFile('sagascope.yaml')] },
  minimal: { valuesFiles: [valuesFile('sagascope-minimal.yaml')] },
  production: { valuesFiles: [valuesFile('sagascope-production.yaml')] },
  'production, with a replay': {
    valuesFiles: [valuesFile('sagascope-production.yaml')],
    set: ['replay.args=["--help"]'],
  },
}

describe('a Kubernetes API server', function () {
  // Where they are not cached yet, Helm, etcd and the API server are compiled first.
  this.timeout(20 * 60_000)

  let server: ApiServer
  before(async () => {
    server = await openApiServer()
    await server.createNamespace('sagascope', 'restricted')
  })
  after(() => server.down())

  const refusals = async (manifests: readonly Manifest[]): Promise<string> => {
    ok(manifests.length > 0)
    const answers = await Promise.all(
      manifests.map(async (manifest) => {
        const refusal = await server.dryRun(manifest, 'sagascope')
        return refusal === undefined ? [] : [`${manifest.kind} ${manifest.metadata.name}: ${refusal}`]
      }),
    )
    return answers.flat().join('\n')
  }

  for (const [name, rendering] of Object.entries(installations)) {
    it(`takes every manifest of the services' chart with values ${name}`, async () => {
      equal(await refusals(await render('sagascope', rendering)), '')
    })

    it(`lets their pods into a namespace that is restricted, with values ${name}`, async () => {
      equal(await refusals(podsOf(await render('sagascope', rendering))), '')
    })
  }

  /** Strimzi hands out the definitions in its own chart only. */
  const definedElsewhere = ['Kafka', 'KafkaNodePool']

  for (const [name, set] of Object.entries({
    default: [],
    'of several replicas': ['kafka.replicas=3', 'mongodb.members=3', 'collector.replicas=3'],
    'for the Prometheus operator': ['prometheusOperator.enabled=true'],
  })) {
    it(`takes the platform's chart but for Strimzi's two, and lets its pods in, with values ${name}`, async () => {
      const manifests = await render('platform', { set })
      const known = manifests.filter(({ kind }) => !definedElsewhere.includes(kind))
      equal(manifests.length - known.length, definedElsewhere.length)
      equal(await refusals([...known, ...podsOf(known)]), '')
    })
  }

  const gateway = async (): Promise<Manifest> => {
    const found = (await render('sagascope')).find(
      ({ kind, metadata }) => kind === 'Deployment' && metadata.name === 'sagascope-gateway',
    )
    ok(found)
    return structuredClone(found)
  }

  it('refuses a field that Kubernetes does not know', async () => {
    const broken = await gateway()
    Object.assign(broken.spec as object, { replica: 2 })
    match((await server.dryRun(broken, 'sagascope')) ?? '', /\.spec\.replica: field not declared in schema/)
  })

  it('refuses a value that makes no sense', async () => {
    const broken = await gateway()
    Object.assign(broken.spec as object, { replicas: -1 })
    match((await server.dryRun(broken, 'sagascope')) ?? '', /replicas.*must be greater than or equal to 0/)
  })

  it('refuses a ScaledObject with a field that KEDA does not know', async () => {
    const scaled = (await render('sagascope', installations.production)).find(
      ({ kind }) => kind === 'ScaledObject',
    )
    ok(scaled)
    const broken = structuredClone(scaled)
    Object.assign(broken.spec as object, { minReplicas: 1 })
    match((await server.dryRun(broken, 'sagascope')) ?? '', /minReplicas/)
  })

  it("refuses a field that MongoDB's operator does not know", async () => {
    const mongodb = (await render('platform')).find(({ kind }) => kind === 'MongoDBCommunity')
    ok(mongodb)
    const broken = structuredClone(mongodb)
    Object.assign(broken.spec as object, { replicas: 3 })
    match((await server.dryRun(broken, 'sagascope')) ?? '', /replicas/)
  })

  it('keeps a pod out that may become root', async () => {
    const [pod] = podsOf([await gateway()])
    ok(pod)
    Object.assign((pod.spec as { securityContext: object }).securityContext, { runAsNonRoot: false })
    match((await server.dryRun(pod, 'sagascope')) ?? '', /violates PodSecurity "restricted.*runAsNonRoot/)
  })

  it('has the chart installed, upgraded and taken away by Helm, which names its URLs', async () => {
    const release = ['sagascope', '--namespace', 'sagascope', '--kubeconfig', server.kubeconfig]
    const notesOf = (output: string) => output.split('NOTES:')[1] ?? ''
    match(
      notesOf(await runHelm(['install', ...release.toSpliced(1, 0, chartFolder('sagascope'))])),
      /Gateway: {2}http:\/\/localhost:8080, after[^]*port-forward service\/sagascope-gateway 8080:8080/,
    )
    const ingress = {
      'gateway.ingress': { enabled: true, host: 'shop.example', tlsSecret: 'tls' },
      'gateway.trustedProxies': ['10.0.0.0/8'],
    }
    const set = Object.entries(ingress).flatMap(([name, value]) => [
      '--set-json',
      `${name}=${JSON.stringify(value)}`,
    ])
    match(
      notesOf(await runHelm(['upgrade', ...release.toSpliced(1, 0, chartFolder('sagascope')), ...set])),
      /Gateway: {2}https:\/\/shop\.example/,
    )
    match(await runHelm(['uninstall', ...release]), /uninstalled/)
  })
})
