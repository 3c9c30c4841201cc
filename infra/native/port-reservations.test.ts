import { deepEqual, equal } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { reservePort } from './port-reservations.ts'
import { pickFreePorts } from './ports.ts'

/** Does it in another process, and lets that end as it is told. */
function inAnotherProcess(ports: readonly number[], end = ''): unknown {
  const program = `
    const { reservePort } = await import(${JSON.stringify(import.meta.resolve('./port-reservations.ts'))})
    console.log(JSON.stringify(${JSON.stringify(ports)}.map(reservePort)))
    ${end}`
  const { stdout } = spawnSync(process.execPath, ['--input-type=module', '--eval', program], {
    encoding: 'utf8',
  })
  return JSON.parse(stdout)
}

describe('a port that a run has picked', () => {
  // Outside the range that is picked from.
  const port = 19_000 + (process.pid % 900)

  it('is not to be had by another run, although nobody listens there', async () => {
    const picked = Object.values(await pickFreePorts())
    deepEqual(
      inAnotherProcess(picked),
      picked.map(() => false),
    )
  }).timeout(30_000)

  it('is free again when its run has ended, also by force', () => {
    deepEqual(inAnotherProcess([port]), [true])
    deepEqual(inAnotherProcess([port], `process.kill(process.pid, 'SIGKILL')`), [true])
    equal(reservePort(port), false) // finds what was left behind, and takes it away
    equal(reservePort(port), true)
    equal(reservePort(port), false)
  }).timeout(30_000)
})
