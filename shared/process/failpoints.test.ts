import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { globSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { failpoint, failpoints, lastWords, readFailpoint, UnknownFailpoint } from './failpoints.ts'

const repository = fileURLToPath(new URL('../../', import.meta.url))
const file = new URL('failpoints.ts', import.meta.url).href

/** A process that comes by `decided` three times, noting each, and notes its regular end. */
const program = `
  import { writeSync } from 'node:fs'
  import { failpoint } from ${JSON.stringify(file)}
  process.on('exit', () => writeSync(1, 'exit '))
  setTimeout(() => {
    try {
      for (const name of ['consulted', 'decided', 'decided', 'committed', 'decided']) {
        writeSync(1, name + ' ')
        failpoint(name)
      }
    } finally {
      writeSync(1, 'finally ')
    }
  })`

const run = (FAILPOINT: string) => {
  const { signal, status, stdout, stderr } = spawnSync(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { env: { ...process.env, FAILPOINT }, encoding: 'utf8' },
  )
  return { ended: signal ?? status, passed: stdout.trim().split(' '), stderr }
}

describe('a failpoint', function () {
  this.timeout(20_000)

  it('does nothing unless armed', () => {
    failpoint('decided')
    const { ended, passed } = run('')
    equal(ended, 0)
    deepEqual(passed, ['consulted', 'decided', 'decided', 'committed', 'decided', 'finally', 'exit'])
  })

  it('kills the process on the spot: nothing after it runs, and nothing at the end', () => {
    const { ended, passed, stderr } = run('decided')
    equal(ended, 'SIGKILL')
    deepEqual(passed, ['consulted', 'decided'])
    equal(stderr, `${lastWords('decided')}\n`)
  })

  it('counts arrivals at its own name', () => {
    const { ended, passed } = run('decided@3')
    equal(ended, 'SIGKILL')
    deepEqual(passed, ['consulted', 'decided', 'decided', 'committed', 'decided'])
    equal(run('decided@4').ended, 0)
  })

  it('of no such name ends the process before it does anything, and says which there are', () => {
    const { ended, passed, stderr } = run('decidde')
    equal(ended, 1)
    deepEqual(passed, [''])
    match(stderr, /FAILPOINT="decidde" is refused: .*request-read, .*decided, /)
  })
})

describe('FAILPOINT', () => {
  it('is a name, or a name and an arrival', () => {
    equal(readFailpoint(undefined), undefined)
    equal(readFailpoint(''), undefined)
    deepEqual(readFailpoint('sweep-read'), { name: 'sweep-read', arrival: 1 })
    deepEqual(readFailpoint('sweep-read@12'), { name: 'sweep-read', arrival: 12 })
  })

  for (const value of [
    'sweep',
    'sweep-read@0',
    'sweep-read@',
    'sweep-read@-1',
    'sweep-read@1.5',
    ' sweep-read',
  ]) {
    it(`is not ${JSON.stringify(value)}`, () => {
      throws(() => readFailpoint(value), UnknownFailpoint)
    })
  }
})

describe('the list of failpoints', () => {
  it('names each once, and each is in the runtime at one place', () => {
    const sources = globSync('{consumers,gateway,producers,shared}/**/*.ts', { cwd: repository })
      .filter((path) => !path.endsWith('.test.ts'))
      .map((path) => readFileSync(`${repository}/${path}`, 'utf8'))
      .join('\n')
    const called = [...sources.matchAll(/\bfailpoint\('(?<name>[^']+)'\)/g)].map(
      (found) => found.groups?.name,
    )
    deepEqual(called.sort(), failpoints.map(({ name }) => name).sort())
  })

  it('says of each who comes by, where it is and what a crash there leaves', () => {
    for (const { name, in: processes, at, leaves } of failpoints) {
      ok(processes.length > 0 && at.length > 10 && leaves.length > 5, name)
    }
  })
})
