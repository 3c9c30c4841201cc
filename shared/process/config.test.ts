import { deepEqual, equal, match, ok, throws } from 'node:assert/strict'
import { BadConfiguration, readConfig } from './config.ts'

/** The message with which a configuration is refused. */
function refusal(environment: NodeJS.ProcessEnv): string {
  try {
    readConfig(environment)
  } catch (error) {
    ok(error instanceof BadConfiguration)
    equal(error.code, 'bad_configuration')
    return error.message
  }
  throw new Error('it was not refused')
}

describe('the configuration', () => {
  it('of nothing starts on one machine', () => {
    const config = readConfig({})
    deepEqual(config.KAFKA_BROKERS, ['127.0.0.1:9092'])
    equal(config.MONGODB_URL, 'mongodb://127.0.0.1:27017')
    equal(config.LOG_LEVEL, 'info')
  })

  it('takes an empty value for none', () => {
    deepEqual(readConfig({ KAFKA_BROKERS: '', GATEWAY_PORT: '' }), readConfig({}))
  })

  it('reads lists and numbers', () => {
    const config = readConfig({ KAFKA_BROKERS: 'one:9092, two:9093', CHECKOUT_DEADLINE_MILLIS: '2500' })
    deepEqual(config.KAFKA_BROKERS, ['one:9092', 'two:9093'])
    equal(config.CHECKOUT_DEADLINE_MILLIS, 2_500)
  })

  it('leaves alone what is not its own', () => {
    deepEqual(readConfig({ PATH: '/bin' }), readConfig({}))
  })

  const bad: readonly [string, string][] = [
    ['KAFKA_BROKERS', 'one'],
    ['KAFKA_BROKERS', 'one:9092,'],
    ['KAFKA_TOPIC_PARTITIONS', '0'],
    ['KAFKA_TOPIC_REPLICATION_FACTOR', '1.5'],
    ['MONGODB_DATABASE_PREFIX', 'Saga Scope'],
    ['LOG_LEVEL', 'loud'],
    ['HEALTH_PORT', '65536'],
    ['GATEWAY_PORT', '-1'],
    ['KAFKA_SESSION_TIMEOUT_MILLIS', '0'],
    ['KAFKA_REBALANCE_TIMEOUT_MILLIS', '30s'],
    ['HANDLER_TIMEOUT_MILLIS', '-1'],
    ['CONSUMER_STALL_LIMIT_MILLIS', 'never'],
    ['OFFSET_COMMIT_INTERVAL_MILLIS', '0'],
    ['WRITER_BEAT_INTERVAL_MILLIS', '5s'],
    ['WRITER_LEASE_MILLIS', 'NaN'],
    ['CHECKOUT_DEADLINE_MILLIS', '-5'],
    ['DEADLINE_CHECK_INTERVAL_MILLIS', 'Infinity'],
    ['INCOMING_TRACE_CONTEXT', 'ignore'],
    ['TRACE_HOPS', 'links'],
    ['GATEWAY_CONSOLE', 'yes'],
  ]
  for (const [name, value] of bad) {
    it(`is refused with ${name}=${value}, which the message names`, () => {
      const message = refusal({ [name]: value })
      ok(message.startsWith(`${name}: ${JSON.stringify(value)} is refused: `), message)
    })
  }

  it('is refused for all that is wrong at once, a line each', () => {
    const lines = refusal(Object.fromEntries(bad)).split('\n')
    deepEqual(
      lines.map((line) => line.slice(0, line.indexOf(':'))).sort(),
      [...new Set(bad.map(([name]) => name))].sort(),
    )
  })

  it('is refused without showing a connection string, which may hold a password', () => {
    const message = refusal({ MONGODB_URL: 'postgres://saga:hunter2@database:5432' })
    equal(message, 'MONGODB_URL: its value is refused: starts with mongodb:// or mongodb+srv://')
  })

  it('is refused with an address that no page can be linked to, or that would show a password', () => {
    const wrong = 'its value is refused: is a URL with http:// or https://'
    equal(refusal({ JAEGER_URL: 'jaeger:16686' }), `JAEGER_URL: ${wrong}`)
    equal(refusal({ KIBANA_URL: 'javascript:alert(1)' }), `KIBANA_URL: ${wrong}`)
    match(
      refusal({ GRAFANA_URL: 'http://admin:hunter2@grafana' }),
      /^GRAFANA_URL: its value .* has a user in it/,
    )
  })

  it('has no console unless it is turned on', () => {
    equal(readConfig({}).GATEWAY_CONSOLE, 'off')
    equal(readConfig({ GATEWAY_CONSOLE: 'on' }).GATEWAY_CONSOLE, 'on')
  })

  it('is the process’s own unless another is given', () => {
    throws(() => {
      const { LOG_LEVEL } = process.env
      process.env.LOG_LEVEL = 'loud'
      try {
        readConfig()
      } finally {
        if (LOG_LEVEL === undefined) delete process.env.LOG_LEVEL
        else process.env.LOG_LEVEL = LOG_LEVEL
      }
    }, BadConfiguration)
  })
})
