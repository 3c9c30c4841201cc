import { deepEqual, equal, match, throws } from 'node:assert/strict'
import { BadUsage } from '../../shared/process/command-line.ts'
import { defaultRatePerSecond, help, parseCommandLine } from './options.ts'

const now = new Date('2026-11-23T12:00:00Z')
const parse = (line: string) => parseCommandLine(line.split(' ').filter(Boolean), now)
const id = 'sagascope-payments/orders/3/42'

describe('the command line of dead-letters', () => {
  it('lists all of them', () => {
    deepEqual(parse('list'), { command: 'list', filter: {}, json: false })
  })

  it('lists those that the filters let through', () => {
    deepEqual(
      parse('list --topic orders --group payments --code not_json --checkout c-1 --since 15m --json'),
      {
        command: 'list',
        filter: {
          topic: 'orders',
          consumerGroup: 'sagascope-payments',
          errorCode: 'not_json',
          checkoutId: 'c-1',
          sinceMillis: Date.parse('2026-11-23T11:45:00Z'),
        },
        json: true,
      },
    )
  })

  for (const [since, at] of Object.entries({
    '90s': '2026-11-23T11:58:30Z',
    '2h': '2026-11-23T10:00:00Z',
    '3d': '2026-11-20T12:00:00Z',
    '2026-11-01': '2026-11-01T00:00:00Z',
    '2026-11-01T08:00:00+01:00': '2026-11-01T07:00:00Z',
  })) {
    it(`takes ${since} for a time`, () => {
      const options = parse(`list --since ${since}`)
      equal('filter' in options && options.filter.sinceMillis, Date.parse(at))
    })
  }

  it('shows one, its content only when asked for', () => {
    deepEqual(parse(`show ${id}`), { command: 'show', id, payload: false, json: false })
    deepEqual(parse(`show --payload ${id} --json`), { command: 'show', id, payload: true, json: true })
  })

  it('redrives nothing unless told to', () => {
    const ratePerSecond = defaultRatePerSecond
    deepEqual(parse(`redrive ${id}`), {
      command: 'redrive',
      which: { ids: [id] },
      execute: false,
      ratePerSecond,
    })
    deepEqual(parse('redrive --all --topic users --execute --rate 2.5'), {
      command: 'redrive',
      which: { filter: { topic: 'users' } },
      execute: true,
      ratePerSecond: 2.5,
    })
  })

  it('takes an id given twice once', () => {
    const options = parse(`redrive ${id} ${id}`)
    deepEqual('which' in options && options.which, { ids: [id] })
  })

  it('tells of itself', () => {
    deepEqual(parse('--help'), { command: 'help' })
    deepEqual(parse('redrive -h'), { command: 'help' })
    match(help, /npm run dead-letters -- redrive <id>\.\.\. \| --all/)
  })

  const refused: readonly [string, RegExp][] = [
    ['', /One of list, show and redrive is wanted/],
    ['purge', /"purge" is none of list, show and redrive/],
    ['list --colour', /Unknown option '--colour'/],
    ['list --since yesterday', /--since "yesterday" is neither like 15m, 2h or 3d nor a time/],
    ['list --since 7', /--since "7" is neither/],
    ['list --checkout a@b.example', /no checkout id/],
    ['list --execute', /list knows no --execute/],
    [`list ${id}`, /list takes filters and no id/],
    ['show', /the id of one dead letter/],
    ['show 42', /"42" is no id of a dead letter; those are like sagascope-payments\/orders\/3\/42/],
    [`show ${id} --topic orders`, /show knows no --topic/],
    ['redrive', /redrive takes ids, or --all/],
    ['redrive --topic orders', /--topic goes with --all/],
    [`redrive ${id} --all`, /ids or --all, not both/],
    [`redrive ${id} --payload`, /redrive knows no --payload/],
    ['redrive --all --rate 0', /--rate "0" is no number of messages/],
    ['redrive --all --rate fast', /--rate "fast" is no number of messages/],
  ]
  for (const [line, message] of refused) {
    it(`refuses "${line}" and says why`, () => {
      throws(
        () => parse(line),
        (error) => {
          equal((error as BadUsage).code, 'bad_usage')
          match((error as Error).message, message)
          return error instanceof BadUsage
        },
      )
    })
  }
})
