/**
 * Writes what is derived from the contracts: asyncapi.json beside this file, and the flow in the README. Run it
 * after a change to the events or to the flow table: `node shared/saga/write-documents.ts`.
 */
import { readFile, writeFile } from 'node:fs/promises'
import { format, resolveConfig } from 'prettier'
import { asyncApiDocument } from './asyncapi.ts'
import { findFlowBlock, flowBlock } from './flow-diagram.ts'

const asyncApiFile = new URL('asyncapi.json', import.meta.url)
const readmeFile = new URL('../../README.md', import.meta.url)

const style = await resolveConfig(asyncApiFile)
await writeFile(asyncApiFile, await format(JSON.stringify(asyncApiDocument()), { ...style, parser: 'json' }))
console.log('asyncapi.json: written')

const readme = await readFile(readmeFile, 'utf8').catch(() => undefined)
const block = readme === undefined ? undefined : findFlowBlock(readme)
if (readme === undefined || block === undefined) {
  console.log('README.md: not there, or without the marks <!-- flow --> and <!-- /flow -->; left alone')
} else {
  // A function, because a replacement string would give its dollar signs a meaning.
  await writeFile(readmeFile, readme.replace(block, flowBlock))
  console.log('README.md: flow written')
}
