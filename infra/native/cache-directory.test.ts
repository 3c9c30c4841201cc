import { equal } from 'node:assert/strict'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { cacheDirectory, isReachableByAll } from './cache-directory.ts'

describe('the cache folder', () => {
  it('is the one that SAGASCOPE_CACHE names', () => {
    equal(cacheDirectory({ SAGASCOPE_CACHE: '/here', XDG_CACHE_HOME: '/there' }, '/home/ada'), '/here')
  })

  it('is made absolute, since builds run in other folders', () => {
    equal(cacheDirectory({ SAGASCOPE_CACHE: 'here' }), join(process.cwd(), 'here'))
  })

  it('is in XDG_CACHE_HOME otherwise', () => {
    equal(cacheDirectory({ XDG_CACHE_HOME: '/there' }, '/home/ada'), '/there/sagascope')
  })

  it('is in ~/.cache when neither is set, or XDG_CACHE_HOME is relative', () => {
    equal(cacheDirectory({}, '/home/ada'), '/home/ada/.cache/sagascope')
    equal(cacheDirectory({ XDG_CACHE_HOME: 'there' }, '/home/ada'), '/home/ada/.cache/sagascope')
  })
})

describe('a folder that every user must reach', () => {
  const base = mkdtempSync(join(tmpdir(), 'sagascope-test-'))
  const inner = join(base, 'open')
  mkdirSync(inner)
  chmodSync(inner, 0o755)
  after(() => rmSync(base, { recursive: true }))

  it('is not reachable below a closed one, however open it is itself', () => {
    chmodSync(base, 0o700)
    equal(isReachableByAll(inner), false)
    chmodSync(base, 0o711)
    equal(isReachableByAll(inner), true)
  })
})
