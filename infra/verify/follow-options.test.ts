import { deepEqual, equal, throws } from 'node:assert/strict'
import type { FollowOptions } from './follow-options.ts'
import { BadUsage } from '../../shared/process/command-line.ts'
import { isTraceId, parseCommandLine } from './follow-options.ts'

const parsed = (commandLine: readonly string[], environment: NodeJS.ProcessEnv = {}): FollowOptions => {
  const options = parseCommandLine(commandLine, environment)
  if (options === 'help') throw new Error('help was not asked for')
  return options
}

const refused = (commandLine: readonly string[], message: RegExp, environment: NodeJS.ProcessEnv = {}) =>
  throws(
    () => parseCommandLine(commandLine, environment),
    (error: Error) => {
      return error instanceof BadUsage && message.test(error.message)
    },
  )

describe('the command line of follow', () => {
  it('takes an id, and the default ports for the backends', () => {
    deepEqual(parsed(['c1']), {
      id: 'c1',
      json: false,
      backends: {
        gatewayUrl: 'http://127.0.0.1:8080',
        jaegerUrl: 'http://127.0.0.1:16686',
        elasticsearchUrl: 'http://127.0.0.1:9200',
        prometheusUrl: 'http://127.0.0.1:9090',
      },
      pages: { jaegerUiUrl: undefined, kibanaUrl: undefined, grafanaUrl: undefined },
    })
  })

  it('prefers an option to a variable, a URL to a port, and a port to the default', () => {
    const port = { JAEGER_PORT: '1' }
    const variable = { ...port, JAEGER_URL: 'http://variable' }
    equal(parsed(['c1'], port).backends.jaegerUrl, 'http://127.0.0.1:1')
    equal(parsed(['c1'], variable).backends.jaegerUrl, 'http://variable')
    equal(parsed(['c1', '--jaeger', 'http://option'], variable).backends.jaegerUrl, 'http://option')
  })

  it('takes the pages from the environment, and an empty variable for none', () => {
    const { pages } = parsed(['c1'], { KIBANA_URL: 'https://kibana', GRAFANA_URL: '' })
    deepEqual(pages, { jaegerUiUrl: undefined, kibanaUrl: 'https://kibana', grafanaUrl: undefined })
  })

  it('gives help before it complains', () => equal(parseCommandLine(['--help'], {}), 'help'))

  it('refuses what it does not understand, by name', () => {
    refused([], /One checkout id or trace id/)
    refused(['c1', 'c2'], /One checkout id or trace id/)
    refused(['not an id'], /"not an id" is neither a checkout id nor a trace id/)
    refused(['x'.repeat(65)], /neither/)
    refused(['c1', '--colour'], /--colour/)
    refused(['c1', '--jaeger', 'nowhere'], /--jaeger is "nowhere"/)
    refused(['c1'], /GATEWAY_URL is "file:\/\/x"/, { GATEWAY_URL: 'file://x' })
    refused(['c1'], /JAEGER_PORT/, { JAEGER_PORT: 'x' })
    refused(['c1'], /ELASTICSEARCH_USERNAME: is there without/, { ELASTICSEARCH_USERNAME: 'reader' })
  })

  it('refuses a password where others can read it, and does not repeat it', () => {
    const withPassword = 'https://reader:hunter2@elasticsearch:9200'
    refused(['c1', '--elasticsearch', withPassword], /^--elasticsearch has a user in it; (?!.*hunter2)/)
    refused(['c1'], /^ELASTICSEARCH_URL has a user in it; (?!.*hunter2)/, { ELASTICSEARCH_URL: withPassword })
  })

  it('knows a trace id', () => {
    equal(isTraceId('A'.repeat(32)), true)
    equal(isTraceId('0'.repeat(32)), false)
    equal(isTraceId('a'.repeat(31)), false)
  })
})
