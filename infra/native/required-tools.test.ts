import { equal, match, ok } from 'node:assert/strict'
import { compareVersions, describeMissing, type Tool } from './required-tools.ts'

const tool = (name: string, installed: string | undefined): Tool => ({
  name,
  neededFor: `the things that ${name} does`,
  minimumVersion: '1.25.0',
  debian: `apt-get install ${name}`,
  macos: `brew install ${name}`,
  installedVersion: () => Promise.resolve(installed),
})

describe('required tools', () => {
  it('are not mentioned when they are there', async () => {
    equal(await describeMissing([tool('a', '1.25.0'), tool('b', '1.26')]), undefined)
  })

  it('are all named at once when missing, with their use, version, and ways to get them', async () => {
    const message =
      (await describeMissing([tool('a', undefined), tool('b', '1.26'), tool('c', '1.24.9')])) ?? ''
    match(message, /^a 1\.25\.0 or later is needed for the things that a does: not found\.$/m)
    match(message, /Debian, Ubuntu: apt-get install a/)
    match(message, /macOS: +brew install a/)
    match(message, /^c .*: 1\.24\.9 is too old\.$/m)
    ok(!message.includes('install b'))
  })

  it('come with the way that needs none of them', async () => {
    match((await describeMissing([tool('a', undefined)])) ?? '', /docker compose up/)
  })

  it('are compared by their numbers and not as text', () => {
    ok(compareVersions('1.9', '1.10') < 0)
    ok(compareVersions('17', '11') > 0)
    equal(compareVersions('1.25', '1.25.0'), 0)
    ok(compareVersions('1.26rc1', '1.25.3') > 0)
  })
})
