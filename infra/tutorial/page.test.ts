import { deepEqual, equal, ok, throws } from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { missingLine, onlyAsks, sectionsOf } from './page.ts'

describe('a page of commands', () => {
  it('has sections, and in each of them what is typed, changed and printed', () => {
    const page = [
      '# Page',
      '```sh',
      'before the first section',
      '```',
      '## One',
      'Some words, and `code`.',
      '```sh services',
      'npm run services',
      '```',
      '```sh',
      'echo 1',
      'echo 2',
      '```',
      '```text',
      '1',
      '',
      '2',
      '```',
      '## Two',
      '```diff',
      '--- a/x',
      '```',
      '',
    ].join('\n')
    deepEqual(sectionsOf(page), [
      {
        heading: 'One',
        blocks: [
          { kind: 'commands', terminal: 'services', text: 'npm run services\n' },
          { kind: 'commands', terminal: undefined, text: 'echo 1\necho 2\n' },
          { kind: 'output', lines: ['1', '2'] },
        ],
      },
      { heading: 'Two', blocks: [{ kind: 'change', diff: '--- a/x\n' }] },
    ])
  })

  it('is refused when it has a fence that nobody would try', () => {
    throws(() => sectionsOf('## One\n```console\n$ npm test\n```\n'), /a fence of "console"/)
  })
})

describe('what the page says is printed', () => {
  it('is printed when its lines are, in their order, with others between', () => {
    equal(missingLine(['one', 'two'], 'zero\n  one\nand\ntwo  \n'), undefined)
  })

  it('may have other ids, times and durations', () => {
    const [promised, printed] = [
      '3cd8d755-0574-49e2-b413-49548a196d20 c8743b1a5dba72f1cabbb0be4b1b43b8 took 1.2 s  of 2026-11-24T10:00:00.123Z',
      '0ea2a8de-b4ad-4c12-9a4e-b2ba0e2b5d33 00000b1a5dba72f1cabbb0be4b1b43b8 took 870 ms of 2026-11-25T11:00:00Z',
    ]
    equal(missingLine([promised], printed), undefined)
  })

  it('is missing from the first line on that is not there, or not where it should be', () => {
    equal(missingLine(['one', 'three'], 'one\ntwo\n'), 'three')
    equal(missingLine(['two', 'one'], 'one\ntwo\n'), 'one')
    equal(missingLine(['one', 'one'], 'one\n'), 'one')
    equal(missingLine(['3 lines'], '4 lines\n'), '3 lines')
  })

  it('may be the beginning of a line', () => {
    equal(missingLine(['one ...', 'two'], 'one and more\ntwo\n'), undefined)
    equal(missingLine(['one ...'], 'and one and more\n'), 'one ...')
  })
})

describe('commands of a page', () => {
  it('may be asked again as long as they change nothing', () => {
    ok(onlyAsks('npm run follow -- $first\n'))
    ok(onlyAsks('npm run replay -- --checkout $first\n'))
    ok(!onlyAsks('first=$(place ada@example.com SAGA-MUG 2 tok_visa)\n'))
    ok(!onlyAsks('npm run replay -- --checkout $first --execute\n'))
  })
})

describe('the changes that the tutorial makes', () => {
  it('fit the files as they are', () => {
    const page = readFileSync(new URL('README.md', import.meta.url), 'utf8')
    const changes = sectionsOf(page)
      .flatMap(({ blocks }) => blocks)
      .filter((block) => block.kind === 'change')
    equal(changes.length, 2)
    // One after the other: the second changes what the first has left. Nothing is written.
    const input = changes.map(({ diff }) => diff).join('')
    const repository = new URL('../../', import.meta.url)
    const { status, stderr } = spawnSync('git', ['apply', '--check'], { cwd: repository, input })
    equal(status, 0, String(stderr))
  })
})
