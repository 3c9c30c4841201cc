import { deepEqual, equal, match } from 'node:assert/strict'
import { dropBadSettings } from './settings.ts'

function settled(environment: Record<string, string>): { left: NodeJS.ProcessEnv; warnings: string[] } {
  const left: NodeJS.ProcessEnv = { ...environment }
  const warnings: string[] = []
  dropBadSettings(left, (warning) => warnings.push(warning))
  return { left, warnings }
}

describe('the settings of telemetry', () => {
  it('stay as they are when they are good, or not telemetry’s', () => {
    const good = {
      OTEL_BSP_MAX_QUEUE_SIZE: '4096',
      OTEL_BSP_SCHEDULE_DELAY: ' 500 ',
      OTEL_METRICS_EXPORTER: 'otlp, prometheus',
      OTEL_TRACES_SAMPLER: 'parentbased_traceidratio',
      OTEL_TRACES_SAMPLER_ARG: '0.1',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'https://collector.example:4318/base',
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization=Basic%20c2FnYQ==,x-tenant = saga,',
      OTEL_SPAN_LINK_COUNT_LIMIT: '0',
      OTEL_SERVICE_NAME: 'users',
      KAFKA_BROKERS: 'nowhere',
    }
    deepEqual(settled(good), { left: good, warnings: [] })
  })

  it('are the defaults when they are empty, without a word', () => {
    deepEqual(settled({ OTEL_BSP_MAX_QUEUE_SIZE: '', OTEL_TRACES_SAMPLER: ' ' }).warnings, [])
  })

  const bad: Record<string, readonly string[]> = {
    OTEL_BSP_MAX_QUEUE_SIZE: ['0', '-1', 'many', 'Infinity', '1e9', '100001'],
    OTEL_BSP_MAX_EXPORT_BATCH_SIZE: ['0', '0.5'],
    OTEL_BLRP_MAX_EXPORT_BATCH_SIZE: ['0', 'NaN'],
    OTEL_BLRP_EXPORT_TIMEOUT: ['-5', '2147483648'],
    OTEL_METRIC_EXPORT_INTERVAL: ['1s', '99999999999'],
    OTEL_EXPORTER_OTLP_TIMEOUT: ['soon'],
    OTEL_EXPORTER_OTLP_ENDPOINT: ['collector:4318', 'ftp://collector', 'http://', 'http://[::'],
    OTEL_EXPORTER_OTLP_TRACES_HEADERS: ['authorization', 'a b=c', 'a=%', 'a=%0d%0ab', '=c'],
    OTEL_EXPORTER_OTLP_COMPRESSION: ['zip'],
    OTEL_EXPORTER_OTLP_LOGS_PROTOCOL: ['carrier-pigeon'],
    OTEL_TRACES_EXPORTER: ['zipkin', 'otlp,console'],
    OTEL_METRICS_EXPORTER: ['statsd', 'otlp,statsd'],
    OTEL_LOGS_EXPORTER: ['syslog'],
    OTEL_TRACES_SAMPLER: ['sometimes'],
    OTEL_TRACES_SAMPLER_ARG: ['half', '1.5', '-0.1'],
    OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: ['-1'],
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: ['0'],
  }
  for (const [name, values] of Object.entries(bad)) {
    it(`are the defaults where ${name} is ${values.join(' or ')}`, () => {
      for (const value of values) {
        const { left, warnings } = settled({ [name]: value })
        deepEqual(left, {}, value)
        equal(warnings.length, 1, value)
        match(warnings[0] ?? '', new RegExp(`^ignored, the default is used: ${name}: .* is not .+`))
      }
    })
  }

  it('of a sampler are of its own kind: a rate is no ratio', () => {
    const sampler = { OTEL_TRACES_SAMPLER: 'parentbased_rate_limiting' }
    for (const OTEL_TRACES_SAMPLER_ARG of ['0.2', '1', '250']) {
      const good = { ...sampler, OTEL_TRACES_SAMPLER_ARG }
      deepEqual(settled(good), { left: good, warnings: [] })
    }
    for (const OTEL_TRACES_SAMPLER_ARG of ['0', '-1', 'all', 'Infinity']) {
      const { left, warnings } = settled({ ...sampler, OTEL_TRACES_SAMPLER_ARG })
      deepEqual(left, sampler)
      match(warnings[0] ?? '', /OTEL_TRACES_SAMPLER_ARG: ".*" is not a number above 0$/)
    }
    const probability = {
      OTEL_TRACES_SAMPLER: 'parentbased_consistent_probability',
      OTEL_TRACES_SAMPLER_ARG: '2',
    }
    match(settled(probability).warnings[0] ?? '', /"2" is not a number from 0 to 1$/)
  })

  it('are complained of in one line, all together', () => {
    const { warnings } = settled({ OTEL_TRACES_SAMPLER_ARG: 'half', OTEL_LOGS_EXPORTER: 'syslog\n' })
    deepEqual(warnings, [
      'ignored, the default is used: OTEL_LOGS_EXPORTER: "syslog\\n" is not a list of otlp, console, none;' +
        ' OTEL_TRACES_SAMPLER_ARG: "half" is not a number from 0 to 1',
    ])
  })

  it('are not repeated where they may be secret', () => {
    const { warnings } = settled({
      OTEL_EXPORTER_OTLP_HEADERS: 'authorization: hunter2',
      OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://saga:hunter2@collector',
    })
    equal(warnings.join('').includes('hunter2'), false)
  })
})
