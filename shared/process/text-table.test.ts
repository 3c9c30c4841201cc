import { deepEqual } from 'node:assert/strict'
import { alignColumns } from './text-table.ts'

describe('rows of text', () => {
  it('stand below each other, with nothing behind them', () => {
    deepEqual(
      alignColumns([
        ['ID', 'KIND'],
        ['10000', 'a'],
        ['1', ''],
      ]),
      ['ID     KIND', '10000  a', '1'],
    )
    deepEqual(alignColumns([]), [])
  })
})
