import { equal, match, ok } from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { findOnPath, startProcess } from './child-process.ts'

describe('a child process', () => {
  let directory: string
  let logFile: string

  before(() => {
    directory = mkdtempSync(join(tmpdir(), 'sagascope-test-'))
    logFile = join(directory, 'log')
  })
  after(() => rmSync(directory, { recursive: true }))

  const shell = (script: string) =>
    startProcess({ command: '/bin/sh', args: ['-c', script], directory, logFile })

  it('writes to its log and tells its exit code', async () => {
    const child = shell('echo out; echo err >&2; exit 3')
    equal(await child.ended, 'exit code 3')
    equal(child.running, false)
    match(readFileSync(logFile, 'utf8'), /out\nerr/)
  })

  it('that does not exist ends with the reason', async () => {
    const child = startProcess({ command: '/no/such/program', args: [], directory, logFile })
    match(`${await child.ended} ${readFileSync(logFile, 'utf8')}`, /no\/such\/program/)
  })

  it('is stopped together with its own children', async () => {
    const child = shell('sleep 600 & echo $! > grandchild; wait')
    const grandchild = Number(await contentOf(join(directory, 'grandchild')))
    await child.stop(5_000)
    equal(lives(grandchild), false)
  })

  it('is ended by force when it does not stop in time', async () => {
    const child = shell('trap "" TERM; touch trapped; while :; do sleep 0.05; done')
    await until(() => existsSync(join(directory, 'trapped')))
    await child.stop(100)
    match(await child.ended, /SIGKILL/)
  })

  it('does nothing while it is frozen, and goes on when it is thawed', async () => {
    const counter = join(directory, 'counter')
    // builtins only: a shell that is stopped between vfork and exec of its child is 'D', not 'T', until it is thawed
    const child = shell(`while :; do echo x >> ${counter}; done`)
    const count = () => (existsSync(counter) ? readFileSync(counter, 'utf8').length : 0)
    await until(() => count() > 0)
    child.freeze()
    await until(() => stateOf(child.pid) === 'T')
    const frozenAt = count()
    await delay(100)
    equal(count(), frozenAt)
    child.thaw()
    await until(() => count() > frozenAt)
    child.freeze()
    await child.stop(5_000)
    match(await child.ended, /SIGTERM/)
  })

  it('dies with its runner, even when that is killed', async function () {
    if (process.platform !== 'linux' || findOnPath('setpriv') === undefined) this.skip()
    const pidFile = join(directory, 'orphan')
    const script = `
      import { startProcess } from '${join(import.meta.dirname, 'child-process.ts')}'
      startProcess({ command: '/bin/sh', args: ['-c', 'echo $$ > ${pidFile}; exec sleep 600'],
        directory: '${directory}', logFile: '${logFile}' })
      setInterval(() => {}, 1000)`
    const runner = spawn(process.execPath, ['--input-type=module', '-e', script])
    const orphan = Number(await contentOf(pidFile))
    ok(lives(orphan))
    runner.kill('SIGKILL')
    await until(() => !lives(orphan))
  })
})

describe('a program', () => {
  it('is found where the shell finds it', () => {
    equal(findOnPath('sh'), execFileSync('sh', ['-c', 'command -v sh'], { encoding: 'utf8' }).trim())
    equal(findOnPath('no-such-program'), undefined)
    equal(findOnPath('sh', ''), undefined)
  })
})

async function contentOf(file: string): Promise<string> {
  await until(() => existsSync(file) && readFileSync(file, 'utf8').endsWith('\n'))
  return readFileSync(file, 'utf8')
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 5_000
  while (!condition()) {
    ok(Date.now() < deadline, 'not within 5 s')
    await delay(20)
  }
}

function lives(pid: number): boolean {
  const state = stateOf(pid)
  return state !== '' && state !== 'Z' // a zombie is dead, and only not buried yet
}

/** One letter, as in ps(1); empty when there is no such process. */
function stateOf(pid: number): string {
  return spawnSync('ps', ['-o', 'stat=', '-p', String(pid)], { encoding: 'utf8' }).stdout.slice(0, 1)
}
