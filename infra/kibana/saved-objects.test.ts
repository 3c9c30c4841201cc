import { deepEqual, equal, ok } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import type { SavedObject } from './saved-objects.ts'
import { savedObjects, savedObjectsFile, searches, toNdjson } from './saved-objects.ts'

describe('the saved objects that Kibana imports', () => {
  let lines: readonly SavedObject[]
  before(async () => {
    const text = await readFile(savedObjectsFile, 'utf8')
    lines = text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line) as SavedObject)
  })

  it('are up to date', async () => {
    equal(
      await readFile(savedObjectsFile, 'utf8'),
      toNdjson(savedObjects),
      'write them anew: node infra/kibana/write-saved-objects.ts',
    )
  })

  it('refer only to what stands before them', () => {
    const known = new Set<string>()
    for (const { id, type, references } of lines) {
      for (const reference of references) ok(known.has(`${reference.type}/${reference.id}`), reference.id)
      known.add(`${type}/${id}`)
    }
    equal(known.size, lines.length)
  })

  it('have text where Kibana wants JSON as text, and it is JSON', () => {
    const [dataView, ...others] = lines
    for (const name of ['fieldFormatMap', 'fields', 'fieldAttrs', 'runtimeFieldMap', 'sourceFilters']) {
      const value = dataView?.attributes[name]
      ok(typeof value === 'string' && JSON.parse(value) !== undefined, name)
    }
    for (const { attributes } of others) {
      const { searchSourceJSON } = attributes.kibanaSavedObjectMeta as { searchSourceJSON: string }
      const source = JSON.parse(searchSourceJSON) as { query: unknown; filter: unknown }
      deepEqual(source.filter, [])
    }
  })

  it('make a link to Jaeger of every trace_id', () => {
    const formats = JSON.parse(lines[0]?.attributes.fieldFormatMap as string) as {
      trace_id: { id: string; params: { urlTemplate: string } }
    }
    equal(formats.trace_id.id, 'url')
    const link = formats.trace_id.params.urlTemplate.replace('{{value}}', '0af7651916cd43dd8448eb211c80319c')
    equal(new URL(link).pathname, '/trace/0af7651916cd43dd8448eb211c80319c')
  })

  it('are the data view and one search for each question', () => {
    deepEqual(
      lines.map(({ type, attributes }) => [type, attributes.title]),
      [['index-pattern', 'sagascope-logs*'], ...searches.map(({ title }) => ['search', title])],
    )
  })
})
