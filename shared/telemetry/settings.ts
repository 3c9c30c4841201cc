/**
 * OTEL_* variables whose value cannot be meant. The specification has an SDK warn and go on with the default
 * (https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/). The one for JavaScript
 * does for some; with others it fails, or spins: a batch size of 0 never empties a queue, and a delay that is too long for a
 * timer is none at all.
 */
import { validateHeaderName, validateHeaderValue } from 'node:http'

interface Rule {
  readonly wanted: string
  accepts(value: string): boolean
}

/** The longest that a timer of Node waits. */
const longestMillis = 2 ** 31 - 1
/** A queue holds what the Collector does not take; without a bound a Collector that is away takes all memory. */
const longestQueue = 100_000

const wholeNumber = (from: number, to: number): Rule => ({
  wanted: `a whole number from ${from} to ${to}`,
  accepts: (value) => /^\d+$/.test(value) && Number(value) >= from && Number(value) <= to,
})
const millis = wholeNumber(1, longestMillis)
const queue = wholeNumber(1, longestQueue)
const count = wholeNumber(0, longestMillis)
const length = wholeNumber(1, longestMillis)

const ratio: Rule = {
  wanted: 'a number from 0 to 1',
  accepts: (value) => Number(value) >= 0 && Number(value) <= 1,
}

const rate: Rule = {
  wanted: 'a number above 0',
  accepts: (value) => Number(value) > 0 && Number.isFinite(Number(value)),
}

const oneOf = (...names: readonly string[]): Rule => ({
  wanted: `one of ${names.join(', ')}`,
  accepts: (value) => names.includes(value),
})

const listOf = (...names: readonly string[]): Rule => ({
  wanted: `a list of ${names.join(', ')}`,
  accepts: (value) => value.split(',').every((name) => names.includes(name.trim())),
})

const address: Rule = {
  wanted: 'an address that begins with http:// or https://',
  accepts: (value) => /^https?:\/\//i.test(value) && URL.canParse(value),
}

const headers: Rule = {
  wanted: 'a list of name=value, percent-encoded',
  accepts: (value) => value.split(',').every((entry) => entry.trim() === '' || isHeader(entry)),
}

function isHeader(entry: string): boolean {
  const [name = '', ...value] = entry.split('=')
  if (value.length === 0) return false
  try {
    validateHeaderName(decodeURIComponent(name.trim()))
    validateHeaderValue('of OTLP', decodeURIComponent(value.join('=').trim()))
    return true
  } catch {
    return false
  }
}

const forEach = (names: readonly string[], rule: Rule): Record<string, Rule> =>
  Object.fromEntries(names.map((name) => [name, rule]))

const bySignal = (what: string): string[] =>
  ['', 'TRACES_', 'METRICS_', 'LOGS_'].map((signal) => `OTEL_EXPORTER_OTLP_${signal}${what}`)

const rules: Readonly<Record<string, Rule>> = {
  ...forEach(['OTEL_BSP_MAX_QUEUE_SIZE', 'OTEL_BSP_MAX_EXPORT_BATCH_SIZE'], queue),
  ...forEach(['OTEL_BLRP_MAX_QUEUE_SIZE', 'OTEL_BLRP_MAX_EXPORT_BATCH_SIZE'], queue),
  ...forEach(['OTEL_BSP_SCHEDULE_DELAY', 'OTEL_BSP_EXPORT_TIMEOUT'], millis),
  ...forEach(['OTEL_BLRP_SCHEDULE_DELAY', 'OTEL_BLRP_EXPORT_TIMEOUT'], millis),
  ...forEach(['OTEL_METRIC_EXPORT_INTERVAL', 'OTEL_METRIC_EXPORT_TIMEOUT'], millis),
  ...forEach(bySignal('TIMEOUT'), millis),
  ...forEach(bySignal('ENDPOINT'), address),
  ...forEach(bySignal('HEADERS'), headers),
  ...forEach(bySignal('COMPRESSION'), oneOf('gzip', 'none')),
  ...forEach(bySignal('PROTOCOL'), oneOf('http/protobuf', 'http/json', 'grpc')),
  OTEL_TRACES_EXPORTER: oneOf('otlp', 'none'),
  OTEL_METRICS_EXPORTER: listOf('otlp', 'prometheus', 'console', 'none'),
  OTEL_LOGS_EXPORTER: listOf('otlp', 'console', 'none'),
  OTEL_TRACES_SAMPLER: oneOf(
    ...['always_on', 'always_off', 'traceidratio'].flatMap((name) => [name, `parentbased_${name}`]),
    'parentbased_consistent_probability',
    'parentbased_rate_limiting',
  ),
  OTEL_TRACES_SAMPLER_ARG: ratio,
  ...forEach(
    [
      'OTEL_ATTRIBUTE_COUNT_LIMIT',
      'OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT',
      'OTEL_SPAN_EVENT_COUNT_LIMIT',
      'OTEL_SPAN_LINK_COUNT_LIMIT',
      'OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT',
      'OTEL_LINK_ATTRIBUTE_COUNT_LIMIT',
      'OTEL_LOGRECORD_ATTRIBUTE_COUNT_LIMIT',
    ],
    count,
  ),
  ...forEach(
    [
      'OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT',
      'OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT',
      'OTEL_LOGRECORD_ATTRIBUTE_VALUE_LENGTH_LIMIT',
    ],
    length,
  ),
}

/** What an argument may be is for the sampler to say; of those that are here, one is no ratio. */
const rulesFor = ({ OTEL_TRACES_SAMPLER: sampler }: NodeJS.ProcessEnv): typeof rules =>
  sampler?.trim() === 'parentbased_rate_limiting' ? { ...rules, OTEL_TRACES_SAMPLER_ARG: rate } : rules

/**
 * Takes out of an environment what is no valid setting of telemetry, so that the default holds. A bad setting
 * of telemetry keeps no service from its work.
 * @param warn told once of all of them: name, value, what is wanted
 */
export function dropBadSettings(environment: NodeJS.ProcessEnv, warn: (message: string) => void): void {
  const bad = Object.entries(rulesFor(environment)).filter(([name, rule]) => {
    const value = environment[name]?.trim() ?? ''
    return value !== '' && !rule.accepts(value)
  })
  if (bad.length === 0) return
  const complaints = bad.map(([name, { wanted }]) => {
    // Headers may hold a password, and so may an address.
    const value = /HEADERS|ENDPOINT/.test(name) ? 'its value' : JSON.stringify(environment[name])
    return `${name}: ${value} is not ${wanted}`
  })
  for (const [name] of bad) Reflect.deleteProperty(environment, name)
  warn(`ignored, the default is used: ${complaints.join('; ')}`)
}
