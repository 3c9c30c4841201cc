/** The command line of `npm run dead-letters`. */
import { isCheckoutId } from '../../shared/saga/checkout-id.ts'
import { services } from '../../shared/saga/events.ts'
import { deadLetterIdOf } from '../../shared/kafka/dead-letter-headers.ts'
import type { Filter } from './dead-letter.ts'
import { BadUsage, parseOptions, pointInTime, ratePerSecond } from '../../shared/process/command-line.ts'

export type Options =
  | { readonly command: 'help' }
  | { readonly command: 'list'; readonly filter: Filter; readonly json: boolean }
  | { readonly command: 'show'; readonly id: string; readonly payload: boolean; readonly json: boolean }
  | {
      readonly command: 'redrive'
      /** By their ids, or all that the filter lets through and that were not redriven before. */
      readonly which: { readonly ids: readonly string[] } | { readonly filter: Filter }
      readonly execute: boolean
      readonly ratePerSecond: number
    }

export const exitCodes = { done: 0, notDone: 1, badUsage: 2, unavailable: 3 } as const

export const defaultRatePerSecond = 20

export const help = `Looks at the dead letters, and sends them to their topics again.

  npm run dead-letters -- list    [filters] [--json]
  npm run dead-letters -- show    <id> [--payload] [--json]
  npm run dead-letters -- redrive <id>... | --all [filters] [--execute] [--rate <messages a second>]

list      One line for each: its id, when and why it failed, of which checkout it is, whether it was redriven.
show      All that is known of one. Its content holds emails and payment tokens and is hidden without --payload.
redrive   Sends what failed to the topic that it came from, under its own id and key. Without --execute it only says
          what it would do. Each has a new trace that links to the failure and to the message's first producer.
          All groups of the topic get it: those that have handled it know its id and do nothing, and the one that
          failed answers it. A checkout that is over by then stays as it is. What no service can read is left.

Filters
  --topic <topic>        that it failed on: checkouts, users, orders, payments
  --group <group>        that failed: sagascope-payments, or payments
  --code <code>          of the error: not_json, not_of_the_contract, ...
  --checkout <id>
  --since <when>         15m, 2h, 3d, or a time like 2026-11-23T12:00:00Z

  --all                  for redrive: every dead letter that the filters let through and that was not redriven yet
  --rate <n>             for redrive: ${defaultRatePerSecond} a second unless told otherwise
  --help                 this

Reads Kafka at KAFKA_BROKERS (127.0.0.1:9092), with the KAFKA_* variables of the services. Redrives are noted on the
topic dead-letters itself. What its retention takes away is gone: keep it long enough.

Exit codes: ${exitCodes.done} done, ${exitCodes.notDone} there is no such dead letter, or not all could be redriven, ${exitCodes.badUsage} not understood, ${exitCodes.unavailable} Kafka could not be asked.`

/**
 * @param now for `--since 15m`
 * @throws BadUsage
 */
export function parseCommandLine(commandLine: readonly string[], now = new Date()): Options {
  const { values, positionals } = parse(commandLine)
  const [command, ...ids] = positionals
  if (values.help) return { command: 'help' }
  switch (command) {
    case 'list':
      refuse(values, command, ['all', 'execute', 'rate', 'payload'])
      if (ids.length > 0) throw new BadUsage('list takes filters and no id; show takes one.')
      return { command, filter: readFilter(values, now), json: values.json ?? false }
    case 'show':
      refuse(values, command, ['all', 'execute', 'rate', ...filterNames])
      return { command, id: oneId(ids), payload: values.payload ?? false, json: values.json ?? false }
    case 'redrive':
      refuse(values, command, ['payload', 'json'])
      return {
        command,
        which: readWhich(ids, values, now),
        execute: values.execute ?? false,
        ratePerSecond: ratePerSecond('--rate', values.rate) ?? defaultRatePerSecond,
      }
    case undefined:
      throw new BadUsage('One of list, show and redrive is wanted.')
    default:
      throw new BadUsage(`${JSON.stringify(command)} is none of list, show and redrive.`)
  }
}

const filterNames = ['topic', 'group', 'code', 'checkout', 'since'] as const

type Values = ReturnType<typeof parse>['values']

function parse(commandLine: readonly string[]) {
  return parseOptions({
    args: [...commandLine],
    allowPositionals: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      json: { type: 'boolean' },
      payload: { type: 'boolean' },
      all: { type: 'boolean' },
      execute: { type: 'boolean' },
      rate: { type: 'string' },
      topic: { type: 'string' },
      group: { type: 'string' },
      code: { type: 'string' },
      checkout: { type: 'string' },
      since: { type: 'string' },
    },
  })
}

/** What means nothing to a command is refused: whoever wrote it believes that it does something. */
function refuse(values: Values, command: string, names: readonly (keyof Values)[]): void {
  const meaningless = names.find((name) => values[name] !== undefined)
  if (meaningless !== undefined) throw new BadUsage(`${command} knows no --${meaningless}.`)
}

function oneId(ids: readonly string[]): string {
  const [id, ...others] = ids
  if (id === undefined || others.length > 0) throw new BadUsage('show takes the id of one dead letter.')
  return requireId(id)
}

const idPattern = /^[\w.-]+\/[\w.-]+\/\d+\/\d+$/

function requireId(id: string): string {
  if (idPattern.test(id)) return id
  const example = deadLetterIdOf('sagascope-payments', { topic: 'orders', partition: 3, offset: '42' })
  throw new BadUsage(
    `${JSON.stringify(id)} is no id of a dead letter; those are like ${example}, and list has them.`,
  )
}

function readWhich(ids: readonly string[], values: Values, now: Date) {
  const filters = filterNames.filter((name) => values[name] !== undefined)
  if (values.all) {
    if (ids.length > 0) throw new BadUsage('redrive takes ids or --all, not both.')
    return { filter: readFilter(values, now) }
  }
  if (filters.length > 0) throw new BadUsage(`--${String(filters[0])} goes with --all.`)
  if (ids.length === 0) throw new BadUsage('redrive takes ids, or --all.')
  return { ids: [...new Set(ids.map(requireId))] }
}

function readFilter({ topic, group, code, checkout, since }: Values, now: Date): Filter {
  if (checkout !== undefined && !isCheckoutId(checkout)) {
    throw new BadUsage(`--checkout ${JSON.stringify(checkout)} is no checkout id.`)
  }
  return {
    ...(topic !== undefined && { topic }),
    ...(group !== undefined && { consumerGroup: groupNamed(group) }),
    ...(code !== undefined && { errorCode: code }),
    ...(checkout !== undefined && { checkoutId: checkout }),
    ...(since !== undefined && { sinceMillis: pointInTime('--since', since, now) }),
  }
}

const groupNamed = (group: string): string =>
  (services as readonly string[]).includes(group) ? `sagascope-${group}` : group
