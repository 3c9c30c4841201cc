import { deepEqual } from 'node:assert/strict'
import type { IHeaders } from 'kafkajs'
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
    const nullValued = { nothing: null, twice: [null, Buffer.from('b')] } as unknown as IHeaders
    deepEqual(readableHeaders({ empty: undefined, none: [], ...nullValued }), {})
  })

  it('may be missing altogether', () => {
    deepEqual(readableHeaders(undefined), {})
  })

  it('may be named like what every object has', () => {
    deepEqual(Object.entries(readableHeaders({ toString: 'a header' })), [['toString', 'a header']])
  })
})
