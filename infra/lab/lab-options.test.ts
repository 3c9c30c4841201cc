import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import { existsSync, rmSync } from 'node:fs'
import { BadUsage } from '../../shared/process/command-line.ts'
import { arms } from './arms/arms.ts'
import type { LabOptions } from './lab-options.ts'
import { help, parseCommandLine, runnableStudies } from './lab-options.ts'

const folder = 'infra/lab'
const parsed = (...words: string[]): LabOptions => {
  const options = parseCommandLine([...words, '--out', folder])
  if (options === 'help') throw new Error('help was not asked for')
  return options
}
const namesOf = ({ arms: chosen }: LabOptions): string[] => chosen.map(({ name }) => name)

describe('the command line of the lab', () => {
  it('measures every arm and every study unless told, two dozen pairs each, the control first', () => {
    const options = parsed()
    equal(options.form, 'full')
    deepEqual([options.plan.pairs, options.controlPairs], [24, 72])
    equal(namesOf(options)[0], 'off-again')
    deepEqual(
      namesOf(options).sort(),
      arms
        .filter(({ name, against }) => name !== against)
        .map(({ name }) => name)
        .sort(),
    )
    deepEqual(options.studies, runnableStudies)
  })

  it('has a short form with the control, and no studies', () => {
    const options = parsed('--short')
    deepEqual([options.form, namesOf(options), options.studies], ['short', ['off-again', 'all'], []])
    equal(options.controlPairs, options.plan.pairs)
  })

  it('adds the control to the arms that are asked for', () => {
    const options = parsed('--arms', 'traces,all', '--pairs', '4', '--seconds', '2', '--warm-up', '3')
    deepEqual(namesOf(options), ['off-again', 'traces', 'all'])
    deepEqual([options.form, options.studies], ['custom', []])
    const { pairs, saturationMillis, halfLoadMillis, warmUpMillis } = options.plan
    deepEqual([pairs, saturationMillis, halfLoadMillis, warmUpMillis], [4, 2_000, 2_000, 3_000])
    equal(parsed('--seconds', '2').form, 'custom')
  })

  it('measures studies alone, or beside arms', () => {
    const alone = parsed('--studies', 'outbox,idle')
    deepEqual([namesOf(alone), alone.studies], [[], ['idle', 'outbox']])
    const both = parsed('--studies', 'idle', '--arms', 'all')
    deepEqual([namesOf(both), both.studies], [['off-again', 'all'], ['idle']])
  })

  it('writes into a new folder unless told', () => {
    const options = parseCommandLine([])
    ok(options !== 'help' && existsSync(options.folder))
    rmSync(options.folder, { recursive: true })
  })

  it('says what is not understood', () => {
    const refused = (words: string[], message: RegExp) =>
      throws(
        () => parseCommandLine(words),
        (error) => error instanceof BadUsage && message.test(error.message),
      )
    refused(['--arms', 'all,some'], /--arms is "all,some": of off, off-again/)
    refused(['--arms', ','], /--arms/)
    refused(['--studies', 'everything'], /--studies is "everything"/)
    refused(['--pairs', '0'], /--pairs/)
    refused(['--short', '--arms', 'all'], /--short/)
    refused(['--out', 'package.json'], /is a file/)
    refused(['--announce', 'localhost'], /--announce/)
    refused(['--fast'], /--fast/)
  })

  it('names every arm in its help', () => {
    equal(parseCommandLine(['--help']), 'help')
    for (const { name, what } of arms) ok(help.includes(name) && help.includes(what), name)
  })
})
