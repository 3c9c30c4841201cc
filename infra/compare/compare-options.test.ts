import { deepEqual, throws } from 'node:assert/strict'
import { BadUsage } from '../../shared/process/command-line.ts'
import { help, parseCommandLine } from './compare-options.ts'

const now = new Date('2026-11-23T12:00:00Z')
const [a, b] = ['a'.repeat(32), 'checkout-1']

const parse = (line: string, environment: NodeJS.ProcessEnv = {}) => {
  const options = parseCommandLine(line.split(' ').filter(Boolean), environment, now)
  if (options === 'help') throw new Error('help')
  return options
}

describe('the command line of compare', () => {
  it('takes two ids, of checkouts or traces, and lets everything pass unless told', () => {
    deepEqual(parse(`${a} ${b}`), {
      what: { kind: 'traces', ids: [a, b] },
      ratio: undefined,
      differenceMicros: undefined,
      limits: { failOver: undefined, failOn: [] },
      jaegerUrl: 'http://127.0.0.1:16686',
      jaegerUiUrl: 'http://127.0.0.1:16686',
      json: false,
      htmlFile: undefined,
    })
  })

  it('takes limits, thresholds and files', () => {
    const { ratio, differenceMicros, limits, json, htmlFile } = parse(
      `${a} ${b} --slower 1.2 --least 0.5 --fail-over 1.3 --fail-on missing,failed --json --html x.html`,
    )
    deepEqual(
      [ratio, differenceMicros, limits, json, htmlFile],
      [1.2, 500, { failOver: 1.3, failOn: ['missing', 'failed'] }, true, 'x.html'],
    )
  })

  it('takes two sets, by tag and time', () => {
    deepEqual(
      parse('--a-tag service.version=1 --a-tag x=y=z --b-since 2h --b-until 2026-11-23T11:00:00Z --limit 50')
        .what,
      {
        kind: 'sets',
        sets: [
          {
            by: 'search',
            service: 'gateway',
            operation: 'POST /checkouts',
            attributes: { 'service.version': '1', x: 'y=z' },
            fromMillis: Date.parse('2026-11-22T12:00:00Z'),
            toMillis: now.getTime(),
          },
          {
            by: 'search',
            service: 'gateway',
            operation: 'POST /checkouts',
            attributes: {},
            fromMillis: Date.parse('2026-11-23T10:00:00Z'),
            toMillis: Date.parse('2026-11-23T11:00:00Z'),
          },
        ],
        limit: 50,
        seed: 1,
      },
    )
    const { what } = parse('--a-file a.txt --b-tag v=1 --service payments')
    deepEqual(
      what.kind === 'sets' && what.sets.map((set) => (set.by === 'search' ? set.operation : set.file)),
      ['a.txt', undefined],
    )
  })

  it('reads where Jaeger is', () => {
    const { jaegerUrl, jaegerUiUrl } = parse(`${a} ${b}`, {
      JAEGER_PORT: '1234',
      JAEGER_UI_URL: 'https://j/ui',
    })
    deepEqual([jaegerUrl, jaegerUiUrl], ['http://127.0.0.1:1234', 'https://j/ui'])
    deepEqual(parse(`${a} ${b} --jaeger http://j:1`, { JAEGER_URL: 'http://k' }).jaegerUrl, 'http://j:1')
  })

  it('refuses what makes no sense, and says why', () => {
    for (const [line, why] of [
      ['', /Two ids are wanted.*0 were given/],
      [a, /1 were given/],
      [`${a} ${b} c`, /3 were given/],
      [`${a} no.id`, /"no.id" is neither/],
      [`${a} ${b} --a-tag v=1`, /not both/],
      ['--a-tag v=1', /set a something is said, of the set b nothing/],
      ['--b-since 1h', /set b something is said, of the set a nothing/],
      ['--a-tag v --b-tag v=1', /"v": one like/],
      ['--a-file x --a-tag v=1 --b-file y', /--a-tag has no place/],
      ['--a-since 1h --a-until 2h --b-since 1h', /--a-until is not after/],
      ['--a-since soon --b-since 1h', /--a-since/],
      [`${a} ${b} --fail-over -1`, /--fail-over/],
      [`${a} ${b} --fail-over=fast`, /a number from 0/],
      [`${a} ${b} --slower 0.5`, /a number from 1/],
      [`${a} ${b} --fail-on slower`, /"slower": of missing, added, failed/],
      [`${a} ${b} --limit 5`, /--limit is for sets/],
      [`${a} ${b} --jaeger ftp://x`, /--jaeger/],
      [`${a} ${b} --nonsense`, /nonsense/],
    ] as const) {
      throws(
        () => parse(line),
        (error) => error instanceof BadUsage && why.test(error.message),
        line,
      )
    }
  })

  it('has a help that names every option', () => {
    deepEqual(parseCommandLine(['-h'], {}, now), 'help')
    for (const name of ['tag', 'since', 'until', 'file']) {
      for (const side of ['a', 'b']) deepEqual(help.includes(`--${side}-${name}`), true, name)
    }
  })
})
