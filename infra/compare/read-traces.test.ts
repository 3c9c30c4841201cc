import { deepEqual, equal, ok, rejects } from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { BadUsage } from '../../shared/process/command-line.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { beginning, spansOf } from '../../shared/traces/traces-for-tests.ts'
import type { Selection } from './compare-options.ts'
import type { FakeJaeger } from './jaeger-for-tests.ts'
import { fakeJaeger } from './jaeger-for-tests.ts'
import { readSet, readTraces } from './read-traces.ts'

/** As random ids are, in no order of time. */
const traceIdOf = (index: number): string =>
  (Math.imul(index + 1, 0x9e3779b1) >>> 0).toString(16).padStart(8, '0').padEnd(32, 'a')

const checkout = (index: number, atMillis: number, linked?: true): TraceSpan[] =>
  spansOf(
    [
      {
        is: 'server gateway POST /checkouts',
        at: atMillis,
        for: 5,
        below: [
          {
            is: 'producer gateway send checkouts',
            at: atMillis + 1,
            for: 2,
            below: [
              { is: 'consumer users process checkouts', at: atMillis + 9, for: 3, ...(linked && { linked }) },
            ],
          },
        ],
      },
    ],
    traceIdOf(index),
  ).map((span) => ({ ...span, attributes: { 'saga.id': `checkout-${index}` } }))

const everything: Selection = {
  by: 'search',
  service: 'gateway',
  operation: 'POST /checkouts',
  attributes: {},
  fromMillis: beginning / 1_000 - 1_000,
  toMillis: beginning / 1_000 + 3_600_000,
}

describe('reading the traces that are to be compared', () => {
  let jaeger: FakeJaeger
  const serve = async (spans: readonly TraceSpan[]) => (jaeger = await fakeJaeger(spans))
  afterEach(() => {
    jaeger.close()
  })

  it('counts all of a window although an answer has 200 at most, and takes as many as it was told', async () => {
    const { url, searches } = await serve(
      Array.from({ length: 900 }, (_, index) => checkout(index, index * 100)).flat(),
    )
    const { checkouts, found, isCounted } = await readSet(url, everything, { limit: 30 })
    deepEqual([checkouts.length, found, isCounted], [30, 900, true])
    ok(searches.length > 9, `${searches.length} searches`)
    // Not the first of the time, nor the last; and the same when asked again.
    const starts = checkouts.map((spans) => ((spans[0]?.startMicros ?? 0) - beginning) / 1_000)
    ok(Math.min(...starts) < 20_000 && Math.max(...starts) > 70_000, starts.join())
    deepEqual((await readSet(url, everything, { limit: 30 })).checkouts, checkouts)
  })

  it('says that it does not know how many there are when more than it can ask for came at one time', async () => {
    const { url } = await serve(Array.from({ length: 201 }, (_, index) => checkout(index, 0)).flat())
    const { found, isCounted } = await readSet(url, everything, { limit: 1 })
    deepEqual([found, isCounted], [200, false])
  })

  it('takes only what was asked for', async () => {
    const { url } = await serve([...checkout(1, 0), ...checkout(2, 10_000)])
    const late = { ...everything, fromMillis: beginning / 1_000 + 5_000 }
    const tagged = { ...everything, attributes: { 'saga.id': 'checkout-1' } }
    for (const [selection, traceId] of [
      [late, traceIdOf(2)],
      [tagged, traceIdOf(1)],
    ] as const) {
      const { checkouts } = await readSet(url, selection, { limit: 10 })
      deepEqual(
        checkouts.map((spans) => spans[0]?.traceId),
        [traceId],
      )
    }
  })

  it('reads a checkout whole where each of its hops is a trace', async () => {
    const { url } = await serve([...checkout(1, 0, true), ...checkout(2, 50, true)])
    const { checkouts, found } = await readSet(url, everything, { limit: 10 })
    deepEqual(
      [
        found,
        checkouts.map((spans) => spans.length),
        checkouts.map((spans) => new Set(spans.map((s) => s.traceId)).size),
      ],
      [2, [3, 3], [2, 2]],
    )
    equal((await readTraces(url, 'checkout-1'))?.length, 3)
  })

  it('reads by checkout and by trace, and knows what it does not know', async () => {
    const { url } = await serve(checkout(1, 0))
    equal((await readTraces(url, traceIdOf(1).toUpperCase()))?.length, 3)
    equal((await readTraces(url, 'checkout-1'))?.length, 3)
    equal(await readTraces(url, 'checkout-2'), undefined)
    equal(await readTraces(url, traceIdOf(2)), undefined)
  })

  describe('of a file', () => {
    let file: string
    before(async () => {
      file = join(await mkdtemp(join(tmpdir(), 'compare-')), 'ids.txt')
    })
    after(() => rm(dirname(file), { recursive: true }))

    it('takes one id a line, each once, and names those that nobody knows', async () => {
      const { url } = await serve(checkout(1, 0))
      await writeFile(file, `# before\n${traceIdOf(1)}\n\nunknown-1\n${traceIdOf(1)}\n`)
      const progress: string[] = []
      const { checkouts, found, unknown } = await readSet(
        url,
        { by: 'file', file },
        { limit: 10, onProgress: (read, of) => progress.push(`${read}/${of}`) },
      )
      deepEqual([checkouts.length, found, unknown], [1, 2, ['unknown-1']])
      deepEqual(progress, ['1/2', '2/2'])
    })

    it('refuses what is no id, and a file that is not there', async () => {
      const { url } = await serve([])
      await writeFile(file, 'no id\n')
      await rejects(readSet(url, { by: 'file', file }, { limit: 1 }), BadUsage)
      await rejects(readSet(url, { by: 'file', file: `${file}.none` }, { limit: 1 }), /cannot be read/)
    })
  })
})
