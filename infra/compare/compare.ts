// `npm run compare -- <A> <B>`: two traces side by side, or two sets of them.
import { writeFile } from 'node:fs/promises'
import { styleText } from 'node:util'
import { BackendUnavailable } from '../../shared/backends/read-json.ts'
import { BadUsage } from '../../shared/process/command-line.ts'
import { compareTraces, defaultThresholds } from '../../shared/traces/compare-traces.ts'
import { breachesOf, breachesOfSets } from './breaches.ts'
import type { CompareOptions } from './compare-options.ts'
import { exitCodes, help, parseCommandLine } from './compare-options.ts'
import { compareSets, defaultSetThresholds } from './compare-sets.ts'
import { asJson, setsAsJson } from './comparison-json.ts'
import { comparisonPage, setsPage } from './comparison-page.ts'
import type { Paint } from './draw-comparison.ts'
import { drawComparison, drawSets } from './draw-comparison.ts'
import { jaegerComparisons } from './jaeger-links.ts'
import type { TraceSet } from './read-traces.ts'
import { readSet, readTraces } from './read-traces.ts'

process.exitCode = await main()

async function main(): Promise<number> {
  try {
    const options = parseCommandLine(process.argv.slice(2), process.env, new Date())
    if (options === 'help') {
      console.log(help)
      return exitCodes.within
    }
    const { what } = options
    return what.kind === 'traces' ? await compareTwo(what, options) : await compareMany(what, options)
  } catch (error) {
    if (error instanceof BackendUnavailable) {
      console.error(`${error.message}. --jaeger or JAEGER_URL says where it is.`)
      return exitCodes.incomplete
    }
    if (!(error instanceof BadUsage)) throw error
    console.error(`${error.message}\nnpm run compare -- --help tells more.`)
    return exitCodes.badUsage
  }
}

type What<Kind> = Extract<CompareOptions['what'], { readonly kind: Kind }>

async function compareTwo({ ids }: What<'traces'>, options: CompareOptions): Promise<number> {
  const { jaegerUrl, limits } = options
  const [a, b] = await Promise.all(ids.map((id) => readTraces(jaegerUrl, id)))
  if (a === undefined || b === undefined) {
    const unknown = [...new Set(ids.filter((_id, index) => [a, b][index] === undefined))]
    for (const id of unknown) console.error(`Jaeger has no trace of ${id}.`)
    return exitCodes.incomplete
  }
  const thresholds = {
    ratio: options.ratio ?? defaultThresholds.ratio,
    differenceMicros: options.differenceMicros ?? defaultThresholds.differenceMicros,
  }
  const comparison = compareTraces(a, b, thresholds)
  const breaches = breachesOf(comparison, limits, thresholds.differenceMicros)
  const links = jaegerComparisons(comparison, options.jaegerUiUrl)
  return finish(options, breaches, {
    json: { ...asJson(comparison), jaeger: links, breaches },
    lines: () => [...drawComparison(comparison, paint), '', ...links.map((link) => `Jaeger  ${link}`)],
    page: () => comparisonPage(comparison, links),
  })
}

async function compareMany({ sets, limit, seed }: What<'sets'>, options: CompareOptions): Promise<number> {
  const read: TraceSet[] = []
  for (const [index, selection] of sets.entries()) {
    const name = index === 0 ? 'A' : 'B'
    const set = await readSet(options.jaegerUrl, selection, {
      limit,
      onProgress: (done, of) => {
        if (done % 50 === 0 && done < of) console.error(`${name}: ${done} of ${of} traces read`)
      },
    })
    for (const id of set.unknown) console.error(`${name}: Jaeger has no trace of ${id}.`)
    console.error(
      `${name}: ${set.checkouts.length} taken of ${set.isCounted ? '' : 'more than '}${set.found} that there are`,
    )
    read.push(set)
  }
  const [a, b] = read.map(({ checkouts }) => checkouts)
  if (!a?.length || !b?.length) {
    console.error(`There is nothing to compare: the set ${a?.length ? 'b' : 'a'} has no trace.`)
    return exitCodes.incomplete
  }
  const thresholds = {
    ...defaultSetThresholds,
    ...(options.ratio !== undefined && { ratio: options.ratio }),
    ...(options.differenceMicros !== undefined && { differenceMicros: options.differenceMicros }),
    seed,
  }
  const comparison = compareSets(a, b, thresholds)
  const breaches = breachesOfSets(comparison, options.limits, thresholds.differenceMicros)
  const found = { a: read[0]?.found, b: read[1]?.found }
  return finish(options, breaches, {
    json: { ...setsAsJson(comparison), found, isCounted: read.every((set) => set.isCounted), breaches },
    lines: () => drawSets(comparison, paint),
    page: () => setsPage(comparison),
  })
}

interface Outcome {
  readonly json: unknown
  readonly lines: () => string[]
  readonly page: () => string
}

async function finish(
  { json, htmlFile }: CompareOptions,
  breaches: readonly string[],
  outcome: Outcome,
): Promise<number> {
  console.log(json ? JSON.stringify(outcome.json, undefined, 2) : outcome.lines().join('\n'))
  if (htmlFile !== undefined) {
    await writePage(htmlFile, outcome.page())
    console.error(`Written: ${htmlFile}`)
  }
  for (const breach of breaches) console.error(`Beyond the limits: ${breach}`)
  return breaches.length > 0 ? exitCodes.differs : exitCodes.within
}

async function writePage(file: string, page: string): Promise<void> {
  try {
    await writeFile(file, page)
  } catch (cause) {
    throw new BadUsage(`${file} cannot be written: ${(cause as Error).message}`, { cause })
  }
}

function paint(...[verdict, text]: Parameters<Paint>): string {
  const styles = {
    same: 'reset',
    slower: 'red',
    faster: 'green',
    missing: 'magenta',
    added: 'cyan',
    failed: 'yellow',
  } as const
  // Leaves colours out where the output is no terminal, or NO_COLOR is set.
  return styleText(styles[verdict], text, { stream: process.stdout })
}
