import { deepEqual, throws } from 'node:assert/strict'
import { kqlToDsl } from './kibana-query.ts'

describe('a KQL query', () => {
  const types = new Map([
    ['trace_id', ['keyword']],
    ['body.text', ['text']],
    ['severity_number', ['byte']],
  ])
  const cases: readonly (readonly [kql: string, one: object])[] = [
    ['trace_id : "abc"', { term: { trace_id: { value: 'abc' } } }],
    ['trace_id:abc', { term: { trace_id: { value: 'abc' } } }],
    ['trace_id : *', { exists: { field: 'trace_id' } }],
    ['body.text : "order placed"', { match_phrase: { 'body.text': 'order placed' } }],
    ['body.text : placed', { match: { 'body.text': 'placed' } }],
    ['severity_number >= 13', { range: { severity_number: { gte: '13' } } }],
    ['nobody.knows : "it"', { match_phrase: { 'nobody.knows': 'it' } }],
  ]
  for (const [kql, one] of cases) {
    it(`becomes what Kibana sends: ${kql}`, () => {
      deepEqual(kqlToDsl(kql, types), { bool: { should: [one], minimum_should_match: 1 } })
    })
  }

  it('is refused where Kibana’s translation is not written down', () => {
    for (const kql of ['', 'words', 'trace_id : "a" or trace_id : "b"', 'trace_id : a*b c']) {
      throws(() => kqlToDsl(kql, types), /not understood/)
    }
  })
})
