/**
 * How much processor time one call takes: for differences too small to be seen in a whole system. Processor time and no
 * clock, because a machine has other things to do; of all threads, because garbage is collected on others.
 */
import { median } from '../../statistics/quantiles.ts'

export interface Operation {
  run(): unknown
  /** Whether it returns promises: they are waited for, and that counts. */
  readonly isAsync?: boolean
}

const warmUpMillis = 150
const roundMillis = 25
const rounds = 9

/** For each the median of some rounds, which they have in turn: what disturbs one disturbs all. */
export async function nanosecondsPerCall(operations: readonly Operation[]): Promise<number[]> {
  const callsPerRound: number[] = []
  for (const operation of operations) callsPerRound.push(await callsWithin(roundMillis, operation))
  const measured = operations.map((): number[] => [])
  for (let round = 0; round < rounds; round++) {
    for (const [index, operation] of operations.entries()) {
      const calls = callsPerRound[index] ?? 1
      measured[index]?.push(((await processorMillis(operation, calls)) * 1e6) / calls)
    }
  }
  return measured.map(median)
}

/** Warms it up as well, so that the compiler has done its work. */
async function callsWithin(millis: number, operation: Operation): Promise<number> {
  let calls = 1
  for (let spent = 0; spent < warmUpMillis; calls *= 2) {
    const took = await processorMillis(operation, calls)
    spent += took
    if (took > millis) break
  }
  const took = await processorMillis(operation, calls)
  return Math.max(1, Math.round((calls * millis) / Math.max(took, 0.1)))
}

async function processorMillis(operation: Operation, calls: number): Promise<number> {
  const before = process.cpuUsage()
  if (operation.isAsync) for (let call = 0; call < calls; call++) await operation.run()
  else for (let call = 0; call < calls; call++) operation.run()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1_000
}
