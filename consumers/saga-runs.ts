/**
 * Runs of the model by the thousand, shared between the machine's processors: each share is a seed of its own, and which
 * they are depends on no machine.
 */
import { availableParallelism } from 'node:os'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import fc from 'fast-check'
import type { Played } from './saga-promises.ts'
import { messageOf, play, promises, scenarios } from './saga-promises.ts'

/** One run, to be played again. */
export interface Run {
  readonly seed: number
  readonly path: string
}

interface Share {
  readonly seed: number
  readonly runs: number
}

const runsOfShare = 1_000
/** Neighbours begin alike. */
const seedStride = 1_000_003

/**
 * @returns by promise, a run that broke it
 * @throws what a run throws that cannot be played to its end
 */
export async function playRuns(seed: number, runs: number): Promise<ReadonlyMap<string, Run>> {
  const shares = Array.from({ length: Math.ceil(runs / runsOfShare) }, (_, index) => ({
    seed: (seed + index * seedStride) % 2 ** 31,
    runs: Math.min(runsOfShare, runs - index * runsOfShare),
  }))
  const workers = Math.min(availableParallelism(), shares.length)
  const broken = await Promise.all(
    Array.from({ length: workers }, (_, worker) =>
      playInWorker(shares.filter((_share, index) => index % workers === worker)),
    ),
  )
  return new Map(broken.flatMap((found) => [...found]))
}

type Broken = ReadonlyMap<string, Run>

const playInWorker = (shares: readonly Share[]): Promise<Broken> =>
  new Promise((resolve, reject) => {
    new Worker(new URL(import.meta.url), { workerData: shares })
      .once('message', resolve)
      .once('error', reject)
      .once('exit', (code) => reject(new Error(`a worker ended with ${code} and told nothing`)))
  })

async function playShare({ seed, runs }: Share): Promise<Broken> {
  const broken = new Map<string, Run>()
  let run = 0
  const checkAll = (played: Played) => {
    for (const [title, holds] of Object.entries(promises)) {
      if (broken.has(title) || messageOf(() => holds(played)) === undefined) continue
      broken.set(title, { seed, path: String(run) })
    }
  }
  await fc.assert(
    fc.asyncProperty(...scenarios(), async (...scenario) => {
      await play(scenario, checkAll)
      run += 1
    }),
    { seed, numRuns: runs },
  )
  return broken
}

if (!isMainThread) {
  const broken = new Map<string, Run>()
  for (const share of workerData as readonly Share[]) {
    for (const [title, run] of await playShare(share)) if (!broken.has(title)) broken.set(title, run)
  }
  parentPort?.postMessage(broken)
}
