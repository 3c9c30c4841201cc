/** The traces that are to be compared, read from Jaeger. */
import { readFile } from 'node:fs/promises'
import { fetchTrace, findTraceIds, findTracesOfSaga } from '../../shared/backends/jaeger.ts'
import { isCheckoutId } from '../../shared/saga/checkout-id.ts'
import { BadUsage } from '../../shared/process/command-line.ts'
import { depthFirst, isAsynchronous, spanForest } from '../../shared/traces/span-forest.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { isTraceId } from '../verify/follow-options.ts'
import type { Selection } from './compare-options.ts'

/**
 * The spans of a trace, or of all traces of a checkout.
 * @returns undefined when Jaeger does not know the id
 * @throws BackendUnavailable
 */
export async function readTraces(jaegerUrl: string, id: string): Promise<TraceSpan[] | undefined> {
  const trace = isTraceId(id) ? await fetchTrace(jaegerUrl, id.toLowerCase()) : undefined
  if (trace !== undefined && trace.length > 0) return trace
  // An id of 32 hexadecimal digits may be a checkout's as well.
  const spans = await findTracesOfSaga(jaegerUrl, id)
  return spans.length > 0 ? spans : undefined
}

export interface TraceSet {
  /** Each the spans of one checkout. */
  readonly checkouts: readonly (readonly TraceSpan[])[]
  /** How many there are to choose from: `checkouts` may be fewer. */
  readonly found: number
  /** False when there are more than were counted. */
  readonly isCounted: boolean
  /** Ids that Jaeger does not know. */
  readonly unknown: readonly string[]
}

export interface ReadingOptions {
  readonly limit: number
  readonly onProgress?: (read: number, of: number) => void
}

/** @throws BackendUnavailable, or BadUsage when a file cannot be read */
export async function readSet(
  jaegerUrl: string,
  selection: Selection,
  { limit, onProgress }: ReadingOptions,
): Promise<TraceSet> {
  const { ids, isCounted } =
    selection.by === 'file'
      ? { ids: await readIds(selection.file), isCounted: true }
      : await searchIds(jaegerUrl, selection)
  // Trace ids are random: the first of them in their order are as good as any picked by chance, and always the same.
  const taken = ids.toSorted().slice(0, limit)
  const read = await mapInParallel(
    taken,
    async (id) => wholeCheckout(jaegerUrl, await readTraces(jaegerUrl, id)),
    {
      parallel: 4,
      ...(onProgress && { onProgress }),
    },
  )
  return {
    checkouts: onceEach(read.filter((spans) => spans !== undefined)),
    found: ids.length,
    isCounted,
    unknown: taken.filter((_id, index) => read[index] === undefined),
  }
}

async function readIds(file: string): Promise<string[]> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (cause) {
    throw new BadUsage(`${file} cannot be read: ${(cause as Error).message}`, { cause })
  }
  const ids = text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('#'))
  const wrong = ids.find((id): boolean => !isTraceId(id) && !isCheckoutId(id))
  if (wrong !== undefined) {
    throw new BadUsage(`${file} has ${JSON.stringify(wrong)}, which is neither a checkout id nor a trace id.`)
  }
  return [...new Set(ids)]
}

/** As many as one answer of Jaeger's may have; a checkout's trace takes some tens of kilobytes. */
const pageSize = 200
/** Counted no further: what there is of them says enough. */
const mostCounted = 5_000
const narrowestMicros = 1_000

/** All of a time window: where an answer is full, the window is halved, and each half asked for. The latest first. */
async function searchIds(
  jaegerUrl: string,
  { service, operation, attributes, fromMillis, toMillis }: Selection & { readonly by: 'search' },
): Promise<{ ids: string[]; isCounted: boolean }> {
  const ids = new Set<string>()
  let isCounted = true
  const windows = [{ fromMicros: fromMillis * 1_000, toMicros: toMillis * 1_000 }]
  for (let window = windows.pop(); window !== undefined; window = windows.pop()) {
    if (ids.size >= mostCounted) return { ids: [...ids], isCounted: false }
    const { fromMicros, toMicros } = window
    const page = await findTraceIds(
      jaegerUrl,
      {
        service,
        ...(operation !== undefined && { operation }),
        attributes,
        fromMicros,
        toMicros,
        limit: pageSize,
      },
      { timeoutMillis: 30_000, answerBytes: 256 * 1_048_576 },
    )
    if (page.length >= pageSize && toMicros - fromMicros > narrowestMicros) {
      const middle = Math.floor((fromMicros + toMicros) / 2)
      windows.push({ fromMicros, toMicros: middle }, { fromMicros: middle + 1, toMicros })
      continue
    }
    if (page.length >= pageSize) isCounted = false
    for (const id of page) ids.add(id)
  }
  return { ids: [...ids], isCounted }
}

/** Where hops are links (TRACE_HOPS), a trace is one hop: the others of its checkout are read as well. */
async function wholeCheckout(
  jaegerUrl: string,
  spans: TraceSpan[] | undefined,
): Promise<TraceSpan[] | undefined> {
  const sagaId = sagaIdOf(spans)
  if (spans === undefined || sagaId === undefined || new Set(spans.map((span) => span.traceId)).size > 1)
    return spans
  const nodes = depthFirst(spanForest(spans))
  const isOneHop =
    nodes.some(({ span, parent }) => span.kind === 'consumer' && parent === undefined) ||
    (nodes.some(({ span }) => span.kind === 'producer') && !nodes.some(isAsynchronous))
  return isOneHop ? findTracesOfSaga(jaegerUrl, sagaId) : spans
}

const sagaIdOf = (spans: readonly TraceSpan[] | undefined): string | undefined =>
  spans?.map(({ attributes }) => attributes['saga.id']).find((id) => id !== undefined)

/** One checkout may have been found by several of its traces. */
const onceEach = (checkouts: readonly TraceSpan[][]): TraceSpan[][] => [
  ...new Map(checkouts.map((spans) => [sagaIdOf(spans) ?? spans[0]?.traceId, spans])).values(),
]

async function mapInParallel<Item, Result>(
  items: readonly Item[],
  read: (item: Item) => Promise<Result>,
  { parallel, onProgress }: { parallel: number; onProgress?: (read: number, of: number) => void },
): Promise<Result[]> {
  const results: Result[] = []
  let next = 0
  let done = 0
  const worker = async (): Promise<void> => {
    for (let index = next++; index < items.length; index = next++) {
      results[index] = await read(items[index] as Item)
      done += 1
      onProgress?.(done, items.length)
    }
  }
  await Promise.all(Array.from({ length: parallel }, worker))
  return results
}
