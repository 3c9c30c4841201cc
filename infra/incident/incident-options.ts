/** The command line of `npm run incident`. */
import { BadUsage, parseOptions, wholeNumber } from '../../shared/process/command-line.ts'
import { readPorts } from '../native/ports.ts'
import type { IncidentOptions } from './run-incident.ts'
import { scenarios } from './scenarios.ts'

export interface CommandLine {
  readonly incident: IncidentOptions
  /** A new temporary one unless told. */
  readonly outputFolder?: string
  readonly json: boolean
  /** The output goes into the README beside this file as well. */
  readonly writeDocs: boolean
}

export const exitCodes = { done: 0, broken: 1, badUsage: 2 } as const

export const defaults = { ratePerSecond: 5, speed: 10, warmUpSeconds: 10, steadySeconds: 20 } as const
/** Faster, a window has too few scrapes to tell anything. */
const highestSpeed = 30

const names = Object.values(scenarios)
  .map(({ name, what, alert }) => `  ${name.padEnd(22)}${what} (${alert})`)
  .join('\n')

export const help = `Starts everything on this machine, lets checkouts come at a steady rate, breaks something, and goes from the alert to the
cause as a person would: alert, dashboard, exemplar, trace, log lines, traces from before against traces since. Then it
mends what it broke and waits until the numbers are back. Each step and its time is printed, and measured.

  npm run incident -- <name> [options]

${names}

  --dry-run        what would be done, and nothing is started
  --rate <n>       checkouts a second; ${defaults.ratePerSecond}
  --steady <n>     seconds of load before the fault, and after the recovery; ${defaults.steadySeconds}
  --real-rules     Prometheus has infra/prometheus/rules as they are: up to half an hour
  --speed <n>      else all of their windows and waiting times are divided by this, up to ${highestSpeed}; ${defaults.speed}
  --output <path>  where the report goes: incident.json, incident.md, the loads; a new temporary folder unless told
  --json           the report (of a dry run, the plan) as one JSON document on standard output, and nothing else there
  --write-docs     also writes the output into infra/incident/README.md
  --help           this

Ports are those of npm start, and so are the variables that move them; while it runs, npm run follow and npm run
dead-letters can be used on it. JAEGER_UI_URL, KIBANA_URL and GRAFANA_URL are where the links to pages lead.

Exit codes: ${exitCodes.done} each link of the chain was found, ${exitCodes.broken} one was not (which, is said) or something has failed, ${exitCodes.badUsage} not understood.`

/**
 * @returns 'help' when that was asked for
 * @throws BadUsage
 */
export function parseCommandLine(
  commandLine: readonly string[],
  environment: NodeJS.ProcessEnv,
): (CommandLine & { readonly dryRun: boolean }) | 'help' {
  const { values, positionals } = parse(commandLine)
  if (values.help) return 'help'
  const [name, ...others] = positionals
  const scenario = name === undefined || !Object.hasOwn(scenarios, name) ? undefined : scenarios[name]
  if (!scenario || others.length > 0) {
    throw new BadUsage(`The name of one incident is wanted: ${Object.keys(scenarios).join(', ')}.`)
  }
  if (values['real-rules'] && values.speed !== undefined) {
    throw new BadUsage('--real-rules are as they are: --speed is for the others.')
  }
  const speed = values['real-rules'] ? 1 : (wholeNumber('--speed', values.speed, 1) ?? defaults.speed)
  if (speed > highestSpeed) throw new BadUsage(`--speed is ${speed}: ${highestSpeed} is the highest.`)
  const page = (variable: string) => environment[variable] ?? undefined
  return {
    incident: {
      scenario,
      speed,
      ports: portsOf(environment),
      ratePerSecond: wholeNumber('--rate', values.rate, 1) ?? defaults.ratePerSecond,
      warmUpMillis: defaults.warmUpSeconds * 1_000,
      steadyMillis: (wholeNumber('--steady', values.steady, 5) ?? defaults.steadySeconds) * 1_000,
      pages: {
        jaegerUiUrl: page('JAEGER_UI_URL'),
        kibanaUrl: page('KIBANA_URL'),
        grafanaUrl: page('GRAFANA_URL'),
      },
    },
    ...(values.output !== undefined && { outputFolder: values.output }),
    json: values.json,
    writeDocs: values['write-docs'],
    dryRun: values['dry-run'],
  }
}

function parse(commandLine: readonly string[]) {
  return parseOptions({
    args: [...commandLine],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h', default: false },
      'dry-run': { type: 'boolean', default: false },
      rate: { type: 'string' },
      steady: { type: 'string' },
      'real-rules': { type: 'boolean', default: false },
      speed: { type: 'string' },
      output: { type: 'string' },
      json: { type: 'boolean', default: false },
      'write-docs': { type: 'boolean', default: false },
    },
  })
}

function portsOf(environment: NodeJS.ProcessEnv) {
  try {
    return readPorts(environment)
  } catch (error) {
    throw new BadUsage((error as Error).message, { cause: error })
  }
}
