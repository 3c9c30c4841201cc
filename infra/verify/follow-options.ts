/** The command line of `npm run follow`. */
import { isCheckoutId } from '../../shared/saga/checkout-id.ts'
import { elasticsearchHeaders } from '../../shared/backends/elasticsearch-credentials.ts'
import { readPorts } from '../native/ports.ts'
import type { Backends } from './checkout-report.ts'
import type { UserInterfaces } from './follow-links.ts'
import { BadUsage, parseOptions } from '../../shared/process/command-line.ts'

export interface FollowOptions {
  readonly id: string
  readonly backends: Backends
  readonly pages: UserInterfaces
  readonly json: boolean
}

export const exitCodes = { found: 0, notFound: 1, badUsage: 2, incomplete: 3 } as const

export const help = `Shows one checkout in all backends as one time line: its steps, spans, log lines and exemplars.

  npm run follow -- <checkout id | trace id> [options]

  --json                 the same as one JSON document
  --gateway <url>        also GATEWAY_URL; http://127.0.0.1:8080 unless GATEWAY_PORT moves it
  --jaeger <url>         also JAEGER_URL, JAEGER_PORT; http://127.0.0.1:16686
  --elasticsearch <url>  also ELASTICSEARCH_URL, ELASTICSEARCH_PORT; http://127.0.0.1:9200
  --prometheus <url>     also PROMETHEUS_URL, PROMETHEUS_PORT; http://127.0.0.1:9090
  --help                 this

ELASTICSEARCH_USERNAME with ELASTICSEARCH_PASSWORD or ELASTICSEARCH_PASSWORD_FILE is who asks Elasticsearch, and
NODE_EXTRA_CA_CERTS names the file of an authority of your own. JAEGER_UI_URL, KIBANA_URL and GRAFANA_URL add links to their pages; NO_COLOR leaves colours out.

Exit codes: ${exitCodes.found} found, ${exitCodes.notFound} no backend knows the id, ${exitCodes.badUsage} not understood, ${exitCodes.incomplete} a backend could not be asked (what the others have is
shown).`

/**
 * @returns 'help' when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(
  commandLine: readonly string[],
  environment: NodeJS.ProcessEnv,
): FollowOptions | 'help' {
  const { values, positionals } = parse(commandLine)
  if (values.help) return 'help'
  const [id, ...others] = positionals
  if (id === undefined || others.length > 0) throw new BadUsage('One checkout id or trace id is wanted.')
  if (!isTraceId(id) && !isCheckoutId(id)) {
    throw new BadUsage(`${JSON.stringify(id)} is neither a checkout id nor a trace id.`)
  }
  requireCredentials(environment)
  return { id, backends: readBackends(values, environment), pages: readPages(environment), json: values.json }
}

function parse(commandLine: readonly string[]) {
  return parseOptions({
    args: [...commandLine],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      json: { type: 'boolean', default: false },
      gateway: { type: 'string' },
      jaeger: { type: 'string' },
      elasticsearch: { type: 'string' },
      prometheus: { type: 'string' },
    },
  })
}

type Urls = Partial<Record<'gateway' | 'jaeger' | 'elasticsearch' | 'prometheus', string>>

function readBackends(values: Urls, environment: NodeJS.ProcessEnv): Backends {
  const ports = portsOf(environment)
  const urlOf = (name: keyof Urls): string => {
    const variable = `${name.toUpperCase()}_URL`
    const [from, value] =
      values[name] === undefined ? [variable, environment[variable]] : [`--${name}`, values[name]]
    return value ? requireUrl(from, value) : `http://127.0.0.1:${ports[name]}`
  }
  return {
    gatewayUrl: urlOf('gateway'),
    jaegerUrl: urlOf('jaeger'),
    elasticsearchUrl: urlOf('elasticsearch'),
    prometheusUrl: urlOf('prometheus'),
  }
}

function portsOf(environment: NodeJS.ProcessEnv) {
  try {
    return readPorts(environment)
  } catch (error) {
    throw new BadUsage((error as Error).message, { cause: error })
  }
}

/** @param option the value of `--jaeger`. @throws BadUsage */
export function readJaegerUrls(
  option: string | undefined,
  environment: NodeJS.ProcessEnv,
): { jaegerUrl: string; jaegerUiUrl: string } {
  const { jaegerUrl } = readBackends(option === undefined ? {} : { jaeger: option }, environment)
  return { jaegerUrl, jaegerUiUrl: readPages(environment).jaegerUiUrl ?? jaegerUrl }
}

function readPages(environment: NodeJS.ProcessEnv): UserInterfaces {
  const page = (variable: string): string | undefined => {
    const value = environment[variable]
    return value ? requireUrl(variable, value) : undefined
  }
  return {
    jaegerUiUrl: page('JAEGER_UI_URL'),
    kibanaUrl: page('KIBANA_URL'),
    grafanaUrl: page('GRAFANA_URL'),
  }
}

function requireCredentials(environment: NodeJS.ProcessEnv): void {
  try {
    elasticsearchHeaders(environment)
  } catch (error) {
    throw new BadUsage((error as Error).message, { cause: error })
  }
}

function requireUrl(from: string, value: string): string {
  // Not repeated here: what is printed and what is an argument, others can read.
  if (URL.canParse(value) && new URL(value).username + new URL(value).password !== '') {
    throw new BadUsage(`${from} has a user in it; ELASTICSEARCH_USERNAME and _PASSWORD_FILE are for that.`)
  }
  if (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol)) return value
  throw new BadUsage(`${from} is ${JSON.stringify(value)}: a URL with http:// or https:// is wanted.`)
}

/** https://www.w3.org/TR/trace-context/#trace-id */
export const isTraceId = (id: string): boolean => /^(?!0+$)[0-9a-f]{32}$/i.test(id)
