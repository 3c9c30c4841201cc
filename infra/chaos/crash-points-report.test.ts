import { deepEqual, match } from 'node:assert/strict'
import type { Cell } from './crash-points-cells.ts'
import { missedCells, table } from './crash-points-report.ts'

const committed: Cell = { service: 'users', point: 'committed' }
const decided: Cell = { service: 'users', point: 'decided' }
const lapOf = (...cells: Cell[]) => ({ crashes: cells.map((cell) => ({ ...cell, atMillis: 0 })) })

describe('the report of crash points', () => {
  it('names each cell that was not hit as often as wanted', () => {
    const laps = [lapOf(committed, decided), lapOf(committed, committed)]
    deepEqual(missedCells(laps, [committed, decided], 2), ['users/decided: 1 of 2'])
    deepEqual(missedCells(laps, [committed], 2), [])
    deepEqual(missedCells([], [committed], 1), ['users/committed: 0 of 1'])
  })

  it('shows how often each process died where, and where it never comes by', () => {
    match(table([lapOf(committed), lapOf(committed)], [committed]), /^committed +\. +2 +0 +0 +0$/m)
  })
})
