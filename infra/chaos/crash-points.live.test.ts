import { deepEqual } from 'node:assert/strict'
import { cells } from './crash-points-cells.ts'
import { runLap } from './crash-points-lap.ts'
import { describeLap, missedCells } from './crash-points-report.ts'
import { seededRandom } from './random.ts'

/** All of them take minutes; run after run each has its turn, and `npm run crash-points` has them all. */
const share = 6

const seed = Number(process.env.CRASH_POINTS_SEED ?? Math.floor(Math.random() * 1_000_000))
const wanted = seededRandom(seed)
  .shuffled(cells)
  .filter((_cell, index) => index % share === 0)

describe('crash points, on real servers', function () {
  this.timeout(600_000)

  it(`a sixth of them, by CRASH_POINTS_SEED=${seed}: each process dies at each, and all recovers`, async () => {
    const lap = await runLap({ seed, wanted })
    const { findings } = lap.verdict
    deepEqual(
      { faults: lap.faults, findings, missed: missedCells([lap], wanted, 1) },
      { faults: [], findings: [], missed: [] },
      describeLap(lap),
    )
  })
})
