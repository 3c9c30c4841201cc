/**
 * Which cores run what. On a machine of its own each process would not feel the others; on one machine the system under
 * test shares with nobody only if those who observe it (the load, the relay, the Collector) are kept off its cores.
 */
import { execFile } from 'node:child_process'
import { availableParallelism } from 'node:os'
import { promisify } from 'node:util'

const run = promisify(execFile)

export interface Pinning {
  /** Lists of cores as taskset(1) takes them: the services, the broker and the store. */
  readonly system: string
  /** The Collector and the lab itself. */
  readonly observers: string
}

/** Half of the cores each. @returns undefined where there is one core, or no taskset */
export async function choosePinning(cores = availableParallelism()): Promise<Pinning | undefined> {
  if (cores < 2 || process.platform !== 'linux') return undefined
  const half = Math.floor(cores / 2)
  const pinning = { system: range(0, half - 1), observers: range(half, cores - 1) }
  // It may be missing, and the cores may be others' in a container.
  const works = await pin(process.pid, pinning.observers).then(
    () => true,
    () => false,
  )
  return works ? pinning : undefined
}

const range = (first: number, last: number): string => (first === last ? String(first) : `${first}-${last}`)

/** All threads of a process, and those that they will start. */
export async function pin(pid: number, cores: string): Promise<void> {
  await run('taskset', ['--all-tasks', '--cpu-list', '--pid', cores, String(pid)])
}
