import { deepEqual, equal } from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServiceName, Services } from '../native/services.ts'
import { eventually } from '../verify/eventually.ts'
import { Supervisor } from './supervisor.ts'

describe('the supervisor', () => {
  let directory: string
  let supervisor: Supervisor
  let ends: string[]

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'sagascope-test-'))
    ends = []
  })
  afterEach(async () => {
    await supervisor.stop()
    rmSync(directory, { recursive: true })
  })

  const starts = (): number => {
    const file = join(directory, 'starts')
    return existsSync(file) ? readFileSync(file, 'utf8').length : 0
  }
  const start = async (script: string, isHealthy: () => boolean = () => true): Promise<void> => {
    const services = {
      names: ['users'],
      server: () => ({ healthy: () => Promise.resolve(isHealthy()) }),
      command: () => ({
        command: '/bin/sh',
        args: ['-c', `printf x >> starts; ${script}`],
        directory,
        logFile: join(directory, 'log'),
      }),
    } as unknown as Services
    supervisor = new Supervisor(services, {
      restartDelayMillis: 10,
      livenessMillis: 1_500,
      onEnd: (name: ServiceName, how) => ends.push(`${name}: ${how}`),
    })
    await supervisor.start()
  }
  const until = (label: string, isSo: () => boolean) =>
    eventually(label, () => Promise.resolve(isSo() || undefined), {
      deadlineMillis: 8_000,
      intervalMillis: 10,
    })

  it('starts again what ended by itself, and says so', async () => {
    await start('[ $(wc -c < starts) -gt 2 ] && exec sleep 600; exit 3')
    await until('the third start', () => starts() === 3)
    deepEqual(ends, ['users: exit code 3', 'users: exit code 3'])
  })

  it('starts again what was killed, which is no news', async () => {
    await start('exec sleep 600')
    await until('the start', () => starts() === 1)
    await supervisor.kill('users')
    await supervisor.untilReady('users')
    await until('the second start', () => starts() === 2)
    deepEqual(ends, [])
  })

  it('ends what hangs', async () => {
    let isHealthy = true
    await start('exec sleep 600', () => isHealthy)
    isHealthy = false
    await until('the second start', () => starts() === 2)
    isHealthy = true
    deepEqual(ends, ['users: not ready for 1.5 s'])
  }).timeout(10_000)

  it('takes nobody for hung who is frozen', async () => {
    let isHealthy = true
    await start('exec sleep 600', () => isHealthy)
    await until('the start', () => starts() === 1)
    supervisor.freeze('users')
    isHealthy = false
    const frozenAt = performance.now()
    await until('longer than the limit', () => performance.now() - frozenAt > 3_000)
    supervisor.thaw('users')
    isHealthy = true
    await supervisor.untilReady('users')
    deepEqual([starts(), ends], [1, []])
  }).timeout(10_000)

  it('starts nothing more once it has stopped', async () => {
    await start('exec sleep 600')
    await until('the start', () => starts() === 1)
    await supervisor.stop()
    equal(starts(), 1)
    deepEqual(ends, [])
  })
})
