import { deepEqual, equal, throws } from 'node:assert/strict'
import { BadUsage } from '../../shared/process/command-line.ts'
import { parseCommandLine } from './poison-options.ts'

describe('the command line of the load with poison', () => {
  it('places 2,000 checkouts at 20 a second unless told otherwise', () => {
    deepEqual(parseCommandLine([]), { checkouts: 2_000, ratePerSecond: 20 })
    deepEqual(parseCommandLine(['--checkouts', '400', '--rate', '7.5']), {
      checkouts: 400,
      ratePerSecond: 7.5,
    })
    equal(parseCommandLine(['--help']), 'help')
  })

  for (const commandLine of [
    ['--checkouts', 'many'],
    ['--checkouts', '100'],
    ['--rate', '0'],
    ['2000', '20'],
  ]) {
    it(`refuses ${commandLine.join(' ')}, in words`, () => {
      throws(() => parseCommandLine(commandLine), BadUsage)
    })
  }
})
