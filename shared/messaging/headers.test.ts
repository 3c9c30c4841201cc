import { deepEqual } from 'node:assert/strict'
import { readableHeaders } from './headers.ts'

describe('the headers of a message', () => {
  it('are read as UTF-8', () => {
    deepEqual(readableHeaders({ ce_id: Buffer.from('übung'), ce_type: 'text' }), {
      ce_id: 'übung',
      ce_type: 'text',
    })
  })

  it('given more than once count once, with the first value', () => {
    deepEqual(readableHeaders({ ce_id: [Buffer.from('first'), 'second'] }), { ce_id: 'first' })
  })

  it('without a value are left out', () => {
    deepEqual(readableHeaders({ empty: undefined, none: [] }), {})
  })

  it('may be missing altogether', () => {
    deepEqual(readableHeaders(undefined), {})
  })

  it('may be named like what every object has', () => {
    deepEqual(Object.entries(readableHeaders({ toString: 'a header' })), [['toString', 'a header']])
  })
})
