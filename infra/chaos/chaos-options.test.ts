import { equal, match, throws } from 'node:assert/strict'
import { BadUsage } from '../../shared/process/command-line.ts'
import { help, parseCommandLine } from './chaos-options.ts'

const parsed = (...commandLine: string[]) => {
  const options = parseCommandLine(commandLine)
  if (options === 'help') throw new Error('no help was asked for')
  return options
}

describe('the command line of chaos', () => {
  it('runs at full size unless told otherwise, with a seed of its own', () => {
    equal(parsed().checkouts, 10_000)
    equal(parsed('--small').checkouts, 1_000)
    equal(parsed('--small', '--checkouts', '50', '--rate', '5').checkouts, 50)
    equal(Number.isSafeInteger(parsed().seed), true)
    equal(parsed('--seed', '42', '--json').seed, 42)
    equal(parsed('--settle', '30').settleMillis, 30_000)
  })

  for (const commandLine of [
    ['--rate', '0'],
    ['--rate', '1.5'],
    ['--seed', 'x'],
    ['--checkouts', ''],
    ['all'],
  ]) {
    it(`refuses ${commandLine.join(' ')}, in words`, () => {
      throws(() => parseCommandLine(commandLine), BadUsage)
    })
  }

  it('explains every option', () => {
    equal(parseCommandLine(['--help']), 'help')
    for (const option of ['small', 'checkouts', 'rate', 'seed', 'settle', 'json'])
      match(help, new RegExp(`--${option} `))
  })
})
