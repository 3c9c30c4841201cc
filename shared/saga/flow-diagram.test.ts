import { deepStrictEqual, ok } from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { eventTypes, services } from './events.ts'
import { findFlowBlock, flowBlock, flowDiagram } from './flow-diagram.ts'

describe('the flow diagram', () => {
  it('shows every event and every service', () => {
    const diagram = flowDiagram()
    // An expired checkout and a terminal one are events like any other.
    deepStrictEqual(
      [...eventTypes, ...services].filter((name) => !diagram.includes(name)),
      [],
    )
  })

  it('is a Mermaid flowchart from left to right', () => {
    ok(flowDiagram().startsWith('flowchart LR\n'))
  })

  it('is found on a page by its marks, and not on a page without them', () => {
    deepStrictEqual(findFlowBlock(`# Title\n\n${flowBlock()}\n\nMore.`), flowBlock())
    deepStrictEqual(findFlowBlock('# Title'), undefined)
    deepStrictEqual(findFlowBlock('<!-- /flow --> <!-- flow -->'), undefined)
  })

  it('is what the README shows', async () => {
    const readme = await readFile(new URL('../../README.md', import.meta.url), 'utf8').catch(() => undefined)
    ok(readme !== undefined, 'there is no README.md')
    const block = findFlowBlock(readme)
    ok(block !== undefined, 'README.md has no block between <!-- flow --> and <!-- /flow -->')
    deepStrictEqual(block, flowBlock(), 'out of date: run `node shared/saga/write-documents.ts`')
  })
})
