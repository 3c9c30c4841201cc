import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { serviceNames } from '../native/services.ts'

const repository = new URL('../../', import.meta.url)
const read = (path: string): string => readFileSync(new URL(path, repository), 'utf8')
const isThere = (path: string): boolean => existsSync(new URL(path, repository))

interface ComposeService {
  readonly image: string
  readonly command?: readonly string[]
  readonly build?: { readonly context: string; readonly dockerfile: string }
  readonly ports?: readonly string[]
  readonly volumes?: readonly string[]
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>
  readonly healthcheck?: { readonly test: readonly string[] }
}

const file = parse(read('docker-compose.yaml'), { merge: true }) as {
  readonly services: Readonly<Record<string, ComposeService>>
  readonly volumes: Readonly<Record<string, unknown>>
}
const services = Object.entries(file.services)
const serviceOf = (name: string): ComposeService => {
  const found = file.services[name]
  assert.ok(found, `there is no ${name}`)
  return found
}

// No container engine is asked: this holds the files together, and does not show that the containers work.
describe('docker-compose.yaml', () => {
  it('has the services, what they stand on and the pages to look at', () => {
    const setUps = ['elasticsearch-setup', 'kibana-setup']
    const platform = ['kafka', 'mongodb', 'elasticsearch', 'collector', 'jaeger', 'prometheus']
    const expected = [...serviceNames, ...platform, ...setUps, 'grafana', 'kibana']
    assert.deepEqual(Object.keys(file.services).sort(), expected.sort())
  })

  it('has commands that are lists of texts', () => {
    const isText = (word: unknown): boolean => typeof word === 'string'
    for (const [name, { command = [], healthcheck }] of services) {
      assert.ok(command.every(isText), `${name}'s command`)
      assert.ok(healthcheck?.test.every(isText) ?? true, `${name}'s health check`)
    }
  })

  it('runs programs that exist', () => {
    for (const name of serviceNames) {
      const [main = ''] = serviceOf(name).command ?? []
      assert.ok(isThere(main), `${name} runs ${main}`)
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

  it('publishes on loopback only', () => {
    const published = services.flatMap(([, { ports = [] }]) => ports)
    assert.ok(published.length > 0)
    for (const port of published) assert.match(port, /^127\.0\.0\.1:\d+:\d+$/)
  })

  it('waits only for what can come true', () => {
    for (const [name, { depends_on: dependencies = {} }] of services) {
      for (const [other, { condition }] of Object.entries(dependencies)) {
        const { healthcheck } = serviceOf(other)
        if (condition === 'service_healthy') assert.ok(healthcheck, `${name} waits for ${other}'s health`)
      }
    }
  })

  it('builds one image, once', () => {
    const ours = serviceOf('gateway').image
    const built = services.filter(([, { build }]) => build)
    assert.deepEqual(
      built.map(([, { image }]) => image),
      [ours],
    )
    for (const [, { build }] of built) assert.ok(isThere(build?.dockerfile ?? ''))
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
    const tagOf = (name: string): string => serviceOf(name).image.split(':')[1] ?? ''

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

describe('Dockerfile', () => {
  const copied = read('infra/docker/Dockerfile')
    .split('\n')
    .filter((line) => line.startsWith('COPY ') && !line.includes('--from='))
    .flatMap((line) => line.split(/\s+/).slice(1, -1))
    .filter((word) => !word.startsWith('--'))

  it('copies what exists', () => {
    assert.ok(copied.length > 0)
    for (const source of copied) assert.ok(isThere(source), source)
  })

  it('copies just what .dockerignore lets through', () => {
    const letThrough = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    assert.deepEqual([...new Set(copied)].sort(), letThrough.sort())
  })
})
