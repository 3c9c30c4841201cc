import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { BadUsage } from '../../shared/process/command-line.ts'
import { help, parseCommandLine } from './incident-options.ts'
import { planOf } from './incident-report.ts'
import { scenarios } from './scenarios.ts'

const parse = (...commandLine: string[]) => {
  const options = parseCommandLine(commandLine, { GRAFANA_URL: 'http://grafana:3000' })
  ok(options !== 'help')
  return options
}
const refusal = (...commandLine: string[]): RegExp | string => {
  try {
    parse(...commandLine)
  } catch (error) {
    ok(error instanceof BadUsage)
    return error.message
  }
  throw new Error('it was not refused')
}

describe('the command line of an incident', () => {
  it('takes a name, and has an answer for all else', () => {
    const { incident, json, writeDocs, dryRun } = parse('hot-partition')
    equal(incident.scenario, scenarios['hot-partition'])
    deepEqual([incident.ratePerSecond, incident.speed, incident.steadyMillis], [5, 10, 20_000])
    deepEqual([json, writeDocs, dryRun], [false, false, false])
    equal(incident.pages.grafanaUrl, 'http://grafana:3000')
  })

  it('knows at least the four that were asked for', () => {
    deepEqual(Object.keys(scenarios), [
      'slow-payment-network',
      'hot-partition',
      'poison-message',
      'leaking-consumer',
    ])
    for (const name of Object.keys(scenarios)) match(help, new RegExp(`^ {2}${name} `, 'm'))
  })

  it('leaves the rules as they are when asked to', () => {
    equal(parse('hot-partition', '--real-rules').incident.speed, 1)
  })

  it('has a plan for programs as well, which is all that a dry run comes to', () => {
    const { dryRun, incident } = parse('poison-message', '--dry-run', '--json', '--rate', '7')
    equal(dryRun, true)
    const { scenario, alert, ratePerSecond, speed } = planOf(incident)
    deepEqual([scenario, alert, ratePerSecond, speed], ['poison-message', 'DeadLetters', 7, 10])
  })

  it('names what there is when it is given no name, or another', () => {
    const names = /slow-payment-network, hot-partition, poison-message, leaking-consumer\.$/
    match(String(refusal()), names)
    match(String(refusal('earthquake')), names)
    match(String(refusal('toString')), names)
    match(String(refusal('hot-partition', 'poison-message')), names)
  })

  it('refuses what it does not understand', () => {
    match(String(refusal('hot-partition', '--speed', 'fast')), /^--speed is "fast"/)
    match(String(refusal('hot-partition', '--speed', '31')), /30 is the highest/)
    match(String(refusal('hot-partition', '--speed', '2', '--real-rules')), /--real-rules are as they are/)
    match(String(refusal('hot-partition', '--rate', '0')), /^--rate is "0"/)
    match(String(refusal('hot-partition', '--loud')), /--loud/)
    throws(() => parseCommandLine(['hot-partition'], { KAFKA_PORT: 'x' }), /KAFKA_PORT="x" is not a port/)
  })
})
