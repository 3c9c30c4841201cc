// `npm run follow -- <checkout id | trace id>`: one checkout, across all backends, as one time line.
import { styleText } from 'node:util'
import type { FollowedCheckout } from './follow-checkout.ts'
import { followCheckout } from './follow-checkout.ts'
import { linksTo } from './follow-links.ts'
import type { Link } from './follow-links.ts'
import type { FollowOptions } from './follow-options.ts'
import { BadUsage } from '../../shared/process/command-line.ts'
import { exitCodes, help, parseCommandLine } from './follow-options.ts'
import type { Paint } from './timeline.ts'
import { drawTimeline } from './timeline.ts'

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const options = parseCommandLine(process.argv.slice(2), process.env)
    if (options === 'help') {
      console.log(help)
      return exitCodes.found
    }
    return await follow(options)
  } catch (error) {
    if (!(error instanceof BadUsage)) throw error
    console.error(`${error.message}\nnpm run follow -- --help tells more.`)
    return exitCodes.badUsage
  }
}

async function follow({ id, backends, pages, json }: FollowOptions): Promise<number> {
  const checkout = await followCheckout(backends, id)
  const { entries, unavailable } = checkout
  const links = linksTo(checkout, backends, pages)
  if (json) console.log(JSON.stringify({ ...checkout, links }, undefined, 2))
  else if (entries.length > 0) console.log(describe(checkout, links).join('\n'))
  for (const failure of unavailable) console.error(failure)
  if (unavailable.length > 0) return exitCodes.incomplete
  if (entries.length > 0) return exitCodes.found
  console.error(`No backend knows ${id}: there is no such checkout, and no such trace.`)
  return exitCodes.notFound
}

function describe(checkout: FollowedCheckout, links: readonly Link[]): string[] {
  const { checkoutId, status, reason, traceIds, entries, notes } = checkout
  const title = checkoutId === undefined ? `Trace ${traceIds.join(', ')}` : `Checkout ${checkoutId}`
  const outcome = [status, reason === undefined ? undefined : `reason ${reason}`].filter(Boolean).join(', ')
  const titleWidth = Math.max(...links.map((link) => link.title.length))
  return [
    [title, outcome].filter(Boolean).join(': '),
    ...(checkoutId === undefined ? [] : traceIds.map((traceId) => `Trace ${traceId}`)),
    ...notes.map((note) => paint('warning', note)),
    '',
    ...drawTimeline(entries, paint),
    '',
    ...links.map((link) => `${link.title.padEnd(titleWidth)}  ${link.url}`),
  ]
}

function paint(...[style, text]: Parameters<Paint>): string {
  const styles = {
    step: 'bold',
    span: 'reset',
    log: 'cyan',
    metric: 'magenta',
    normal: 'reset',
    warning: 'yellow',
    error: 'red',
  } as const
  // Leaves colours out where the output is no terminal, or NO_COLOR is set.
  return styleText(styles[style], text, { stream: process.stdout })
}
