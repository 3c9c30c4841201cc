import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { cells } from './crash-points-cells.ts'
import { help, parseCommandLine, pointsHelp } from './crash-points-options.ts'

const optionsOf = (line: string) => {
  const options = parseCommandLine(line.split(' ').filter(Boolean))
  ok(typeof options !== 'string')
  return options
}

describe('the command line of crash-points', () => {
  it('is every cell twenty times unless told otherwise', () => {
    const { times, wanted } = optionsOf('')
    equal(times, 20)
    deepEqual(wanted, cells)
  })

  it('narrows to a service, a point, or both', () => {
    deepEqual(optionsOf('--service users --point committed').wanted, [
      { service: 'users', point: 'committed' },
    ])
    ok(optionsOf('--point committed').wanted.length === 4)
    ok(optionsOf('--service users').wanted.every(({ service }) => service === 'users'))
  })

  it('repeats a seed', () => {
    equal(optionsOf('--seed 42 --times 3').seed, 42)
  })

  it('helps', () => {
    equal(parseCommandLine(['--help']), help)
    equal(parseCommandLine(['--help', 'points']), pointsHelp)
    match(pointsHelp, /^committed \(users, orders, payments, checkout\)$/m)
  })

  for (const line of [
    '--times 0',
    '--times many',
    '--service nobody',
    '--point nowhere',
    '--service orders --point refund-due',
    '--fast',
    'users',
  ]) {
    it(`refuses ${line}`, () => {
      throws(() => parseCommandLine(line.split(' ')), { code: 'bad_usage' })
    })
  }
})
