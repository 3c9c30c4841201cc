import { deepEqual, equal, throws } from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { BadUsage } from '../../shared/process/command-line.ts'
import type { CommandLine } from './load-options.ts'
import { fileNames, parseCommandLine } from './load-options.ts'
import { kindNames } from './mix.ts'

const parsed = (commandLine: readonly string[], environment: NodeJS.ProcessEnv = {}): CommandLine => {
  const options = parseCommandLine(commandLine, environment)
  if (options === 'help') throw new Error('help was not asked for')
  return options
}

const refused = (commandLine: readonly string[], message: RegExp, environment: NodeJS.ProcessEnv = {}) =>
  throws(
    () => parseCommandLine(commandLine, environment),
    (error: Error) => error instanceof BadUsage && message.test(error.message),
    `${commandLine.join(' ')} is to be refused with ${message.source}`,
  )

describe('the command line of load', () => {
  it('has an answer to everything that is not said', () => {
    deepEqual(parsed([]), {
      load: {
        gatewayUrl: 'http://127.0.0.1:8080',
        startRatePerSecond: 10,
        stages: [{ ratePerSecond: 10, durationMillis: 60_000 }],
        arrivals: 'uniform',
        mix: { completed: 90, declined: 5, 'out-of-stock': 3, blocked: 2 },
      },
      endBy: 'auto',
      thresholds: {},
      outputFolder: undefined,
      json: false,
      dryRun: false,
    })
  })

  it('takes a rate with a duration or a total', () => {
    const stagesOf = (...commandLine: string[]) => {
      const { startRatePerSecond, stages, total } = parsed(commandLine).load
      return { startRatePerSecond, stages, total }
    }
    deepEqual(stagesOf('--rate', '2.5', '--duration', '5m'), {
      startRatePerSecond: 2.5,
      stages: [{ ratePerSecond: 2.5, durationMillis: 300_000 }],
      total: undefined,
    })
    deepEqual(stagesOf('--rate', '20', '--total', '50'), {
      startRatePerSecond: 20,
      stages: [{ ratePerSecond: 20, durationMillis: 2_500 }],
      total: 50,
    })
  })

  it('takes a ramp, from 0 or from a rate', () => {
    const ramp = ['--ramp', '10:30s,50:1.5m,100:0s']
    const stages = [
      { ratePerSecond: 10, durationMillis: 30_000 },
      { ratePerSecond: 50, durationMillis: 90_000 },
      { ratePerSecond: 100, durationMillis: 0 },
    ]
    deepEqual([parsed(ramp).load.startRatePerSecond, parsed(ramp).load.stages], [0, stages])
    equal(parsed([...ramp, '--rate', '5']).load.startRatePerSecond, 5)
  })

  it('takes what is placed, where, and what is good enough', () => {
    const { load, endBy, thresholds, json, dryRun } = parsed(
      [
        ...['--mix', 'completed=8,slow=0.5', '--shared-emails', '40', '--arrivals', 'poisson', '--seed', '7'],
        ...[
          '--end-by',
          'gateway',
          '--timeout',
          '3s',
          '--settle',
          '1m',
          '--tag',
          'before',
          '--json',
          '--dry-run',
        ],
        ...['--max-p99', '500ms', '--max-p99-accepted', '20ms', '--max-error-share', '0.5%'],
      ],
      { GATEWAY_URL: 'https://gateway.example' },
    )
    const { mix, sharedEmails, arrivals, seed, requestTimeoutMillis, settleMillis, tag, gatewayUrl } = load
    deepEqual(
      [mix, sharedEmails, arrivals, seed, requestTimeoutMillis, settleMillis, tag, gatewayUrl],
      [{ completed: 8, slow: 0.5 }, 40, 'poisson', 7, 3_000, 60_000, 'before', 'https://gateway.example'],
    )
    deepEqual([endBy, json, dryRun], ['gateway', true, true])
    deepEqual(thresholds, { maxP99: 500, maxP99Accepted: 20, maxErrorShare: 0.005 })
  })

  it('prefers an option to a variable, a variable to a port', () => {
    const port = { GATEWAY_PORT: '1' }
    equal(parsed([], port).load.gatewayUrl, 'http://127.0.0.1:1')
    equal(parsed([], { ...port, GATEWAY_URL: 'http://v' }).load.gatewayUrl, 'http://v')
    equal(parsed(['--gateway', 'http://o'], { GATEWAY_URL: 'http://v' }).load.gatewayUrl, 'http://o')
  })

  it('gives help before it complains', () => equal(parseCommandLine(['--help', '--rate', 'x'], {}), 'help'))

  it('refuses what it does not understand, by name', () => {
    refused(['fast'], /fast/)
    refused(['--speed', '5'], /--speed/)
    refused(['--rate', '-1'], /--rate/)
    refused(['--rate', 'many'], /--rate has "many": checkouts a second/)
    refused(['--rate', '100001'], /up to 100000/)
    refused(['--rate', '0'], /--rate is 0/)
    refused(['--duration', '60'], /--duration has "60": a time is wanted, like 500ms, 90s/)
    refused(['--duration', '1m', '--total', '5'], /--total and --duration exclude each other/)
    refused(['--total', '0'], /--total is "0"/)
    refused(['--ramp', '10'], /--ramp has "10": a rate and a time/)
    refused(['--ramp', '10:1m:5'], /a rate and a time/)
    refused(['--ramp', '10:soon'], /--ramp has "soon": a time/)
    refused(['--ramp', '0:10s'], /every rate is 0/)
    refused(['--ramp', '10:0s'], /no time at all/)
    refused(['--ramp', '10:10s', '--duration', '1m'], /without --duration/)
    refused(['--arrivals', 'fair'], /--arrivals is "fair": uniform or poisson is wanted/)
    refused(['--seed', 'x'], /--seed/)
    refused(
      ['--mix', 'completed=1,eaten=2'],
      new RegExp(`"eaten", which is no kind. Known are ${kindNames.join(', ')}`),
    )
    refused(['--mix', 'completed'], /"completed": a weight is wanted, like completed=10/)
    refused(['--mix', 'completed=1,completed=2'], /completed twice/)
    refused(['--mix', 'completed=0'], /every weight is 0/)
    refused(['--mix', 'toString=1'], /which is no kind/)
    refused(['--end-by', 'luck'], /kafka or gateway is wanted/)
    refused(['--gateway', 'nowhere'], /--gateway is "nowhere"/)
    refused([], /GATEWAY_URL is "file:\/\/x"/, { GATEWAY_URL: 'file://x' })
    refused([], /GATEWAY_PORT/, { GATEWAY_PORT: 'x' })
    refused(['--gateway', 'http://ada:hunter2@gateway'], /^--gateway has a user in it(?!.*hunter2)/)
    refused(['--max-p99', 'fast'], /--max-p99 has "fast"/)
    refused(['--max-error-share', '1'], /--max-error-share is "1": a share is wanted, like 1%/)
    refused(['--max-error-share', '101%'], /a share is wanted/)
  })

  it('does not write over the result of another load', () => {
    const folder = mkdtempSync(join(tmpdir(), 'sagascope-load-options-'))
    try {
      equal(parsed(['--out', folder]).outputFolder, folder)
      writeFileSync(join(folder, fileNames.result), '')
      refused(['--out', folder], /has a load\.json already/)
    } finally {
      rmSync(folder, { recursive: true })
    }
  })
})
