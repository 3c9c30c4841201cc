import { deepEqual, throws } from 'node:assert/strict'
import { BadUsage } from '../../shared/process/command-line.ts'
import { clip } from './read-selection.ts'
import { defaultRatePerSecond, parseCommandLine } from './options.ts'

const now = new Date('2026-11-23T12:00:00Z')
const parse = (...args: readonly string[]) => parseCommandLine(args, now)
const allTopics = ['checkouts', 'users', 'orders', 'payments']
const dry = { execute: false, json: false }

describe('the command line of npm run replay', () => {
  it('chooses a checkout, on all topics, and only looks', () => {
    deepEqual(parse('--checkout', 'c1'), {
      command: 'replay',
      selection: { topics: allTopics, checkoutId: 'c1' },
      ratePerSecond: defaultRatePerSecond,
      ...dry,
    })
  })

  it('chooses a window of time on some topics, in the order of the flow', () => {
    deepEqual(
      parse('--since', '10m', '--until', '2026-11-23T11:55:00Z', '--topic', 'orders', '--topic', 'users'),
      {
        command: 'replay',
        selection: {
          topics: ['users', 'orders'],
          sinceMillis: now.getTime() - 600_000,
          untilMillis: now.getTime() - 300_000,
        },
        ratePerSecond: defaultRatePerSecond,
        ...dry,
      },
    )
  })

  it('chooses offsets of one partition', () => {
    const options = parse(
      '--topic',
      'orders',
      '--partition',
      '0',
      '--from-offset',
      '5',
      '--to-offset',
      '7',
      '--rate',
      '1.5',
      '--execute',
      '--json',
    )
    deepEqual(options, {
      command: 'replay',
      selection: { topics: ['orders'], offsets: { partition: 0, from: 5n, to: 7n } },
      ratePerSecond: 1.5,
      execute: true,
      json: true,
    })
  })

  it('runs a checkout as a new one', () => {
    deepEqual(
      parse('--checkout', 'c1', '--as-new', '--email', 'bob@people.example', '--gateway', 'http://shop:1'),
      {
        command: 'as-new',
        selection: { topics: ['checkouts'], checkoutId: 'c1' },
        ratePerSecond: defaultRatePerSecond,
        email: 'bob@people.example',
        gatewayUrl: 'http://shop:1',
        ...dry,
      },
    )
  })

  it('rebuilds', () => {
    deepEqual(parse('--rebuild', '--database-prefix', 'fresh', '--execute'), {
      command: 'rebuild',
      databasePrefix: 'fresh',
      execute: true,
      json: false,
    })
  })

  for (const [args, why] of [
    ['', /What is to be replayed\?/],
    ['--topic orders', /What is to be replayed\?/],
    ['--all --since 1m', /--all goes with no other choice/],
    ['--checkout no.id', /is no checkout id/],
    ['--since yesterday', /--since "yesterday" is neither/],
    ['--since 5m --until 10m', /--until comes before --since/],
    ['--topic dead-letters --all', /--topic "dead-letters" is none of checkouts, users, orders, payments/],
    ['--partition 0', /--partition goes with one --topic/],
    ['--partition 0 --topic users --topic orders', /--partition goes with one --topic/],
    ['--topic users --from-offset 1', /An offset goes with one --topic and its --partition/],
    ['--topic users --partition 0 --from-offset 3 --to-offset 2', /--to-offset comes before/],
    ['--topic users --partition 0 --to-offset -1', /argument/],
    ['--topic users --partition 0 --to-offset x', /an offset is a whole number/],
    ['--checkout c1 --email ada@people.example', /without --as-new knows no --email/],
    ['--checkout c1 --as-new --topic users', /--as-new knows no --topic/],
    ['--checkout c1 --as-new --email ada', /--email is no address/],
    ['--checkout c1 --as-new --gateway shop', /--gateway is no URL/],
    ['--rebuild', /--rebuild wants --database-prefix/],
    ['--rebuild --database-prefix Sagascope', /is not 1 to 30 of/],
    ['--rebuild --database-prefix fresh --checkout c1', /--rebuild knows no --checkout/],
    ['--rebuild --as-new', /not both/],
    ['--checkout c1 --database-prefix fresh', /without --rebuild knows no --database-prefix/],
    ['--checkout c1 --rate 0', /--rate "0" is no number/],
    ['c1', /positional/],
  ] as const) {
    it(`refuses ${JSON.stringify(args)}`, () => {
      const parts = args.split(' ').filter(Boolean)
      throws(
        () => parse(...parts),
        (error: unknown) => error instanceof BadUsage && why.test(error.message),
      )
    })
  }
})

describe('offsets that were asked for', () => {
  const lying = [
    { partition: 0, from: 10n, to: 20n },
    { partition: 1, from: 0n, to: 5n },
  ]

  it('are those of what lies there, both ends included', () => {
    deepEqual(clip(lying, { partition: 0, from: 12n, to: 14n }), [{ partition: 0, from: 12n, to: 15n }])
    deepEqual(clip(lying, { partition: 0 }), [lying[0]])
    deepEqual(clip(lying, { partition: 0, from: 0n, to: 99n }), [lying[0]])
    deepEqual(clip(lying, { partition: 1, from: 4n, to: 4n }), [{ partition: 1, from: 4n, to: 5n }])
    deepEqual(clip(lying, undefined), lying)
  })

  it('may be of nothing that there is', () => {
    deepEqual(clip(lying, { partition: 0, from: 20n }), [])
    deepEqual(clip(lying, { partition: 0, to: 9n }), [])
    deepEqual(clip(lying, { partition: 7 }), [])
  })
})
