import { deepEqual, equal, rejects, throws } from 'node:assert/strict'
import {
  BadUsage,
  parseOptions,
  pointInTime,
  ratePerSecond,
  runCommand,
  wholeNumber,
} from './command-line.ts'

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

  it('has times that are so long ago, or that are said', () => {
    const now = new Date('2026-11-23T12:00:00Z')
    equal(pointInTime('--since', '90s', now), Date.parse('2026-11-23T11:58:30Z'))
    equal(pointInTime('--since', '2d', now), Date.parse('2026-11-21T12:00:00Z'))
    equal(pointInTime('--since', '2026-11-23T13:00:00+01:00', now), now.getTime())
    for (const wrong of ['', '10', 'm', '-5m', '1.5h', 'yesterday', '2026-13-01T00:00:00Z']) {
      throws(() => pointInTime('--until', wrong, now), /--until ".*" is neither like 15m/, wrong)
    }
  })

  it('has rates above nothing', () => {
    equal(ratePerSecond('--rate', undefined), undefined)
    equal(ratePerSecond('--rate', '0.5'), 0.5)
    for (const wrong of ['0', '-1', '10001', 'fast', '']) {
      throws(() => ratePerSecond('--rate', wrong), /--rate ".*" is no number of messages a second/, wrong)
    }
  })
})

describe('a command', () => {
  const { log, error } = console
  const { exitCode } = process
  let said: string[]
  let ran: object[]
  beforeEach(() => {
    said = []
    ran = []
    console.log = (line: string) => said.push(`out: ${line}`)
    console.error = (line: string) => said.push(`err: ${line}`)
  })
  afterEach(() => {
    Object.assign(console, { log, error })
    process.exitCode = exitCode
  })

  const command = (parse: () => { rate: number } | 'help') =>
    runCommand({
      name: 'npm run something',
      help: 'Does something.',
      parse,
      run: (options) => Promise.resolve(void ran.push(options)),
    })

  it('is run with its options', async () => {
    await command(() => ({ rate: 7 }))
    deepEqual([ran, said, process.exitCode], [[{ rate: 7 }], [], exitCode])
  })

  it('says how it is used, when asked', async () => {
    await command(() => 'help')
    deepEqual([ran, said, process.exitCode], [[], ['out: Does something.'], exitCode])
  })

  it('says what was not understood, and ends with 2', async () => {
    await command(() => {
      throw new BadUsage('--rate is "fast".')
    })
    const line = 'err: --rate is "fast".\nnpm run something -- --help tells more.'
    deepEqual([ran, said, process.exitCode], [[], [line], 2])
  })

  it('hides no other failure', async () => {
    const failing = command(() => {
      throw new TypeError('a defect')
    })
    await rejects(failing, /a defect/)
  })
})
