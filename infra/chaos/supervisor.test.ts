import { deepEqual, equal } from 'node:assert/strict'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
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
  let isReady: boolean
  let isAlive: boolean
  const start = async (script: string): Promise<void> => {
    isReady = true
    isAlive = true
    const services = {
      names: ['users'],
      server: () => ({ healthy: () => Promise.resolve(isReady) }),
      isAlive: () => Promise.resolve(isAlive),
      command: () => ({
        command: '/bin/sh',
        args: ['-c', `printf x >> starts; ${script}`],
        directory,
        logFile: join(directory, 'log'),
      }),
    } as unknown as Services
    supervisor = new Supervisor(services, {
      restartDelayMillis: 10,
      livenessMillis: 400,
      onEnd: (name: ServiceName, how) => ends.push(`${name}: ${how}`),
    })
    await supervisor.start()
  }
  const longerThanTheLimit = () => delay(800)
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
    await start('exec sleep 600')
    isAlive = false
    await until('the second start', () => starts() === 2)
    isAlive = true
    deepEqual(ends, ['users: no answer for 0.4 s'])
  }).timeout(10_000)

  it('leaves alone what answers and is not ready: it may wait for a server', async () => {
    await start('exec sleep 600')
    await until('the start', () => starts() === 1)
    isReady = false
    await longerThanTheLimit()
    isReady = true
    deepEqual([starts(), ends], [1, []])
  }).timeout(10_000)

  it('takes nobody for hung who is frozen', async () => {
    await start('exec sleep 600')
    await until('the start', () => starts() === 1)
    supervisor.freeze('users')
    isAlive = false
    await longerThanTheLimit()
    supervisor.thaw('users')
    isAlive = true
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
