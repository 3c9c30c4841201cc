import { deepEqual, equal, match, ok } from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { parse } from 'yaml'
import { directDependencies, type Dependency } from './dependencies.ts'

const read = (path: string): string => readFileSync(new URL(path, import.meta.url), 'utf8')

/** What counts as not maintained. */
const monthsAllowed = 18

describe('the dependencies', () => {
  const { asOf, lastReleases } = JSON.parse(read('last-releases.json')) as {
    asOf: string
    lastReleases: Readonly<Record<string, string>>
  }
  let dependencies: Dependency[]
  before(async () => {
    dependencies = await directDependencies()
  })

  it('are pinned to one version each', () => {
    ok(dependencies.length > 80)
    for (const { name, version } of dependencies) match(version, /^v?\d+\.\d+\.\d+$/, name)
  })

  it('have their dates on the list, all of them and no others', () => {
    deepEqual(Object.keys(lastReleases).sort(), [...new Set(dependencies.map(({ name }) => name))].sort())
  })

  it('have a line that says why when their last release was long ago', () => {
    const limit = new Date(asOf)
    limit.setUTCMonth(limit.getUTCMonth() - monthsAllowed)
    const old = Object.entries(lastReleases)
      .filter(([, date]) => new Date(date) < limit)
      .map(([name]) => name)
    const explained = [...read('README.md').matchAll(/^\| ((?:npm|golang|maven)\/\S+) +\| (.{20,}) \|$/gm)]
    deepEqual(explained.map(([, name]) => name).sort(), old.sort())
  })

  it('from npm are locked with a checksum, whatever they bring along', () => {
    const { packages } = JSON.parse(read('../../package-lock.json')) as {
      packages: Readonly<Record<string, { integrity?: string; link?: boolean }>>
    }
    for (const [path, { integrity = '' }] of Object.entries(packages)) {
      if (path !== '') match(integrity, /^sha512-/, path)
    }
  })

  it('run no script of theirs when they are installed', () => {
    match(read('../../.npmrc'), /^ignore-scripts=true$/m)
  })

  it('that are images have a version, in one place', () => {
    const compose = parse(read('../../docker-compose.yaml'), { merge: true }) as {
      'x-images': Readonly<Record<string, string>>
      services: Readonly<Record<string, { image: string }>>
    }
    const images = Object.values(compose['x-images'])
    for (const image of images) match(image, /:(v?\d+\.\d+|local$)/, image)
    for (const [name, { image }] of Object.entries(compose.services)) ok(images.includes(image), name)
    equal(new Set(images).size, images.length)
  })
})
