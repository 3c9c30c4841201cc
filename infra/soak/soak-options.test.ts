import { deepEqual, equal, throws } from 'node:assert/strict'
import { BadUsage } from '../../shared/process/command-line.ts'
import { parseCommandLine } from './soak-options.ts'

const parsed = (...words: string[]) => {
  const options = parseCommandLine([...words, '--output', '/nowhere'])
  if (options === 'help') throw new Error('help was not asked for')
  return options
}

describe('the command line of the soak', () => {
  it('runs for half an hour at ten a second unless told otherwise, and leaves out the first third', () => {
    deepEqual(parsed(), {
      minutes: 30,
      ratePerSecond: 10,
      warmUpMinutes: 10,
      outputFolder: '/nowhere',
      json: false,
    })
  })

  it('takes what it is told', () => {
    const options = parsed('--minutes', '7.5', '--rate', '2', '--warm-up', '1', '--json')
    deepEqual(
      [options.minutes, options.ratePerSecond, options.warmUpMinutes, options.json],
      [7.5, 2, 1, true],
    )
    equal(parseCommandLine(['--help']), 'help')
  })

  it('refuses what it does not understand', () => {
    for (const words of [
      ['--minutes', 'ten'],
      ['--rate', '0'],
      ['--rate', '-1'],
      ['--warm-up', '30'],
      ['--fast'],
      ['7'],
    ]) {
      throws(() => parseCommandLine(words), BadUsage, words.join(' '))
    }
  })
})
