/**
 * The critical path of a trace: the chain of spans that its length consists of, so that a microsecond saved on it is
 * one saved in all, and one saved elsewhere is not.
 *
 * It is found as by CRISP (Zhang et al., CRISP: Critical Path Analysis of Large-Scale Microservice Architectures,
 * USENIX ATC 2022) and by Jaeger: backwards from the end, always into the child that finished last before the point
 * that is reached, a span counting itself for what none of its children explains. Those two take a parent to outlast
 * its children, and leave out or cut off what goes on after it, which in a saga is nearly everything. Here the end is
 * that of the last span of all, and the way back from a span that began after its parent had ended leads through the
 * time between: `queue` when it handles a message, else `gap`.
 *
 * What can have come before what:
 * - a child that had finished, as its parent may have waited for it, and as siblings follow each other;
 * - of the handling of a message, nothing but its sending, and earlier attempts at the same by the same service.
 */
import { depthFirst, isAsynchronous } from './span-forest.ts'
import type { SpanNode } from './span-forest.ts'
import { endMicrosOf } from './trace.ts'

export interface PathSegment {
  /** `queue` and `gap` are the time before `node` began, in which nothing of the path was running. */
  readonly kind: 'span' | 'queue' | 'gap'
  readonly node: SpanNode
  readonly startMicros: number
  readonly endMicros: number
}

export interface CriticalPath {
  /** The first start and the last end of all spans of the trees. */
  readonly startMicros: number
  readonly endMicros: number
  /** In the order of time, each beginning where the one before it ends: together they are the whole length. */
  readonly segments: readonly PathSegment[]
}

/**
 * The SDK for JavaScript takes a span's start from a clock of milliseconds and its duration from a finer one, so what
 * truly ended just before something began may seem to have ended a millisecond too late.
 */
const toleranceMicros = 1_000

/** One span, or all roots, with how far the walk has come in it. */
interface Frame {
  readonly node: SpanNode | undefined
  readonly children: readonly SpanNode[]
  /** Where it began, or where what it is a part of did when that was later. */
  readonly floorMicros: number
  readonly endMicros: number
  cursorMicros: number
  /** The child that the walk came back from. */
  before: SpanNode | undefined
}

/** @param roots as spanForest gives them; of trees that nothing joins, each follows the one that ended before it */
export function criticalPathOf(roots: readonly SpanNode[]): CriticalPath {
  const [first] = roots
  if (first === undefined) return { startMicros: 0, endMicros: 0, segments: [] }
  const finishes = finishesOf(roots)
  const finishOf = (node: SpanNode): number => finishes.get(node) ?? endOf(node)
  // By clocks that differ, a span may begin before the root that it is below.
  const startMicros = [...finishes.keys()].reduce(
    (earliest, { span }) => Math.min(earliest, span.startMicros),
    first.span.startMicros,
  )
  const endMicros = roots.reduce((latest, root) => Math.max(latest, finishOf(root)), startMicros)

  const segments: PathSegment[] = []
  const add = (kind: PathSegment['kind'], node: SpanNode, from: number, to: number): void => {
    if (to > from) segments.push({ kind, node, startMicros: from, endMicros: to })
  }
  /** What of a frame nothing else explains: its own time up to its end, and the wait for `before` after it. */
  const explain = ({ node, endMicros, cursorMicros, before }: Frame, from: number): void => {
    const ownEnd = Math.max(from, Math.min(cursorMicros, endMicros))
    if (before) add(isAsynchronous(before) ? 'queue' : 'gap', before, ownEnd, cursorMicros)
    if (node) add('span', node, from, ownEnd)
  }
  const enter = (node: SpanNode, floorMicros: number, cursorMicros: number): Frame => ({
    node,
    children: node.children,
    floorMicros: Math.max(floorMicros, node.span.startMicros),
    endMicros: endOf(node),
    cursorMicros,
    before: undefined,
  })

  // A stack of its own: a trace may be deeper than that of the language.
  const whole: Frame = {
    node: undefined,
    children: roots,
    floorMicros: startMicros,
    endMicros: startMicros,
    cursorMicros: endMicros,
    before: undefined,
  }
  const stack = [whole]
  for (let frame = stack.at(-1); frame !== undefined; frame = stack.at(-1)) {
    const next = nextOf(frame, finishOf)
    if (next === undefined) {
      explain(frame, frame.floorMicros)
      stack.pop()
      continue
    }
    explain(frame, next.untilMicros)
    const entered = enter(next.node, frame.floorMicros, next.untilMicros)
    frame.cursorMicros = entered.floorMicros
    frame.before = next.node
    stack.push(entered)
  }
  return { startMicros, endMicros, segments: segments.reverse() }
}

/** When a span and all below it had ended. */
function finishesOf(roots: readonly SpanNode[]): ReadonlyMap<SpanNode, number> {
  const finishes = new Map<SpanNode, number>()
  for (const node of depthFirst(roots).reverse()) {
    const below = node.children.map((child) => finishes.get(child) ?? 0)
    finishes.set(
      node,
      below.reduce((latest, finish) => Math.max(latest, finish), endOf(node)),
    )
  }
  return finishes
}

const endOf = ({ span }: SpanNode): number => endMicrosOf(span)

interface Step {
  readonly node: SpanNode
  readonly untilMicros: number
}

/** Into which child the walk goes next. */
function nextOf(frame: Frame, finishOf: (node: SpanNode) => number): Step | undefined {
  const { node, children, cursorMicros, floorMicros, endMicros, before } = frame
  if (cursorMicros <= floorMicros) return undefined
  if (before === undefined && cursorMicros > endMicros) {
    // Something below went on after the span itself, and was the last.
    const last = children.find((child) => finishOf(child) === cursorMicros)
    return last && { node: last, untilMicros: cursorMicros }
  }
  // Trees that nothing joins: the one that had ended with all that is below it.
  const [finishedAt, tolerance] = node === undefined ? [finishOf, 0] : [endOf, toleranceMicros]
  const latest = (child: SpanNode): number =>
    before && isAsynchronous(before) && !isAsynchronous(child)
      ? Math.min(cursorMicros, endMicros)
      : cursorMicros
  return children
    .filter((child) => !isAsynchronous(child) || isEarlierAttempt(child, before))
    .filter((child) => child !== before && child.span.startMicros < cursorMicros)
    .filter((child) => finishedAt(child) <= latest(child) + tolerance && finishedAt(child) > floorMicros)
    .reduce<Step | undefined>(
      (best, child) =>
        best === undefined || finishedAt(child) > finishedAt(best.node)
          ? { node: child, untilMicros: Math.min(finishedAt(child), cursorMicros) }
          : best,
      undefined,
    )
}

const isEarlierAttempt = (child: SpanNode, before: SpanNode | undefined): boolean =>
  before !== undefined &&
  isAsynchronous(before) &&
  child.span.service === before.span.service &&
  child.span.name === before.span.name

/** What a span has of the critical path. */
export interface CriticalTime {
  readonly spanMicros: number
  /** Before it began: in the queue, or between it and what it followed. */
  readonly waitMicros: number
}

export const notCritical: CriticalTime = { spanMicros: 0, waitMicros: 0 }

export function criticalTimes({ segments }: CriticalPath): ReadonlyMap<SpanNode, CriticalTime> {
  const times = new Map<SpanNode, CriticalTime>()
  for (const { kind, node, startMicros, endMicros } of segments) {
    const { spanMicros, waitMicros } = times.get(node) ?? notCritical
    const micros = endMicros - startMicros
    times.set(
      node,
      kind === 'span'
        ? { spanMicros: spanMicros + micros, waitMicros }
        : { spanMicros, waitMicros: waitMicros + micros },
    )
  }
  return times
}
