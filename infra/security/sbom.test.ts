import { deepEqual, equal, ok } from 'node:assert/strict'
import { directDependencies } from './dependencies.ts'
import { createSbom, type Sbom } from './sbom.ts'

describe('the software bill of materials', function () {
  this.timeout(60_000) // npm itself takes some seconds

  let sbom: Sbom
  before(async () => {
    sbom = await createSbom()
  })

  it('is a CycloneDX document with every reference in its place, once', () => {
    equal(sbom.bomFormat, 'CycloneDX')
    const references = sbom.components.map((component) => component['bom-ref'])
    equal(new Set(references).size, references.length)
    const known = new Set([...references, sbom.metadata.component['bom-ref']])
    const used = sbom.dependencies.flatMap(({ ref, dependsOn = [] }) => [ref, ...dependsOn])
    deepEqual(
      used.filter((reference) => !known.has(reference)),
      [],
    )
    const described = sbom.dependencies.map(({ ref }) => ref)
    equal(new Set(described).size, described.length)
  })

  it('has every direct dependency of all three ecosystems, in its version', async () => {
    const purls = new Set(sbom.components.map(({ purl }) => decodeURIComponent(purl).replace(/\?.*/, '')))
    const missing = (await directDependencies())
      .map(({ name, version }) => `pkg:${name}@${version}`)
      // The plugin copies the others and is in nothing.
      .filter((purl) => !purl.includes('maven-dependency-plugin') && !purls.has(purl))
    deepEqual(missing, [])
  })

  it('has a checksum for everything that is fetched', () => {
    for (const { purl, hashes = [] } of sbom.components) {
      ok(purl.startsWith('pkg:generic/') || hashes.length > 0, purl)
      for (const { content } of hashes) ok(/^[0-9a-f]{64,128}$/.test(content), purl)
    }
  })
})
