import { deepEqual, equal, throws } from 'node:assert/strict'
import { BadUsage } from '../../shared/process/command-line.ts'
import { parseCommandLine, standard } from './rolling-update-options.ts'

describe('the command line of rolling-update', () => {
  it('has defaults for everything, and a seed of its own', () => {
    const options = parseCommandLine([])
    if (options === 'help') throw new Error('that was not asked for')
    const { seed, json, ...rest } = options
    deepEqual(rest, standard)
    equal(json, false)
    equal(Number.isInteger(seed), true)
  })

  it('takes what is given', () => {
    deepEqual(
      parseCommandLine('--rate 5 --services orders,gateway --rounds 3 --pause 0 --seed 7 --json'.split(' ')),
      {
        ratePerSecond: 5,
        services: ['orders', 'gateway'],
        replicas: 2,
        rounds: 3,
        pauseMillis: 0,
        seed: 7,
        json: true,
      },
    )
    equal(parseCommandLine(['--help']), 'help')
  })

  it('refuses what it does not understand', () => {
    for (const line of [
      '--rate 0',
      '--rounds many',
      '--services order',
      '--services ',
      '--unknown',
      'orders',
    ]) {
      throws(() => parseCommandLine(line.split(' ')), BadUsage, line)
    }
  })
})
