/**
 * Which run has which ports. A server that is down for a moment, because it is restarted or was killed on purpose,
 * has a port that nobody listens on; without a note another run on this machine would take it for free.
 */
import { chmodSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { processLives } from './child-process.ts'

/** A file for each port, with the id of the process that has it. */
const folder = join(tmpdir(), 'sagascope-ports')

const reserved = new Set<string>()
process.on('exit', () => {
  for (const file of reserved) rmSync(file, { force: true })
})

/** @returns false when a process that lives has it, this one included; it is kept until this process ends */
export function reservePort(port: number): boolean {
  const file = join(folder, String(port))
  try {
    makeFolder()
    writeFileSync(file, String(process.pid), { flag: 'wx' })
    reserved.add(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    // Of a run that was killed: the next who comes by finds it free.
    if (isAbandoned(file)) rmSync(file, { force: true })
    return false
  }
}

/** For whoever else runs this here. */
function makeFolder(): void {
  if (mkdirSync(folder, { recursive: true }) !== undefined) chmodSync(folder, 0o777)
}

function isAbandoned(file: string): boolean {
  try {
    const owner = readFileSync(file, 'utf8')
    return owner !== '' && !processLives(Number(owner))
  } catch {
    return false // given back in between
  }
}
