import { equal, throws } from 'node:assert/strict'
import { BadUsage, parseOptions, wholeNumber } from './command-line.ts'

describe('a command line', () => {
  it('is read as node:util reads it, and what that does not know is bad usage', () => {
    const options = { rate: { type: 'string' } } as const
    equal(parseOptions({ args: ['--rate', '7'], options }).values.rate, '7')
    throws(() => parseOptions({ args: ['--speed', '7'], options }), BadUsage)
  })

  it('has whole numbers that are large enough, or none', () => {
    equal(wholeNumber('--rate', undefined, 1), undefined)
    equal(wholeNumber('--rate', '7', 1), 7)
    for (const wrong of ['0', '-1', '1.5', '1e3', '', ' ', 'ten', '0x10', '1234567890']) {
      throws(() => wholeNumber('--rate', wrong, 1), /--rate is ".*": a whole number from 1 is wanted/, wrong)
    }
  })
})
