/** Traces written by hand, and by chance. */
import fc from 'fast-check'
import type { SpanKind, TraceSpan } from './trace.ts'

/** A span with what is below it; times in milliseconds. */
export interface Sketch {
  /** `service name`, with a kind before it where it is not internal: `consumer users process checkouts` */
  readonly is: string
  readonly at: number
  readonly for: number
  readonly failed?: true
  readonly attributes?: Readonly<Record<string, string>>
  readonly below?: readonly Sketch[]
  /** Begins a trace of its own, that links to the span above it. */
  readonly linked?: true
}

export const beginning = 1_700_000_000_000_000

export function spansOf(sketches: readonly Sketch[], traceId = 'a'.repeat(32)): TraceSpan[] {
  const spans: TraceSpan[] = []
  const add = (sketch: Sketch, parent: TraceSpan | undefined, path: string): void => {
    const [, kind = 'internal', service = '', name = ''] =
      /^(?:(server|client|producer|consumer) )?(\S+) (.*)$/.exec(sketch.is) ?? []
    const isLinked = sketch.linked === true && parent !== undefined
    const span: TraceSpan = {
      traceId: isLinked ? `${path}${traceId.slice(path.length)}` : (parent?.traceId ?? traceId),
      spanId: path,
      parentSpanId: isLinked ? undefined : parent?.spanId,
      name,
      kind: kind as SpanKind,
      service,
      startMicros: beginning + Math.round(sketch.at * 1_000),
      durationMicros: Math.round(sketch.for * 1_000),
      attributes: sketch.attributes ?? {},
      links:
        parent !== undefined && (isLinked || kind === 'consumer')
          ? [{ traceId: parent.traceId, spanId: parent.spanId }]
          : [],
      failed: sketch.failed ?? false,
    }
    spans.push(span)
    sketch.below?.forEach((below, index) => {
      add(below, span, `${path}${index.toString(16)}`)
    })
  }
  sketches.forEach((sketch, index) => {
    add(sketch, undefined, index.toString(16))
  })
  return spans
}

/** Any spans at all: overlapping, outside of their parents, in cycles, unconnected, ending before they begin. */
export const anySpans = (minLength = 0): fc.Arbitrary<TraceSpan[]> =>
  fc
    .array(
      fc.record({
        parent: fc.option(fc.nat(11)),
        link: fc.option(fc.nat(11)),
        kind: fc.constantFrom<SpanKind>('internal', 'producer', 'consumer', 'client'),
        service: fc.constantFrom('x', 'y'),
        name: fc.constantFrom('m', 'n'),
        start: fc.nat(20_000),
        duration: fc.integer({ min: -2, max: 15_000 }),
        failed: fc.boolean(),
      }),
      { minLength, maxLength: 12 },
    )
    .map((sketches) =>
      sketches.map(({ parent, link, kind, service, name, start, duration, failed }, index): TraceSpan => ({
        traceId: 'a',
        spanId: String(index),
        parentSpanId: parent === null ? undefined : String(parent),
        name,
        kind,
        service,
        startMicros: beginning + start,
        durationMicros: duration,
        attributes: {},
        links: link === null ? [] : [{ traceId: 'a', spanId: String(link) }],
        failed,
      })),
    )

/** Spans as a saga has them: each below one before it, beginning after that has begun, none of no time. */
export const sagaSpans = (minLength = 1): fc.Arbitrary<TraceSpan[]> =>
  fc
    .array(
      fc.record({
        parent: fc.nat(),
        kind: fc.constantFrom<SpanKind>('internal', 'producer', 'consumer', 'client'),
        service: fc.constantFrom('x', 'y', 'z'),
        name: fc.constantFrom('m', 'n', 'o'),
        delay: fc.nat(5_000),
        duration: fc.integer({ min: 1, max: 5_000 }),
      }),
      { minLength, maxLength: 25 },
    )
    .map((sketches) => {
      const spans: TraceSpan[] = []
      sketches.forEach(({ parent, kind, service, name, delay, duration }, index) => {
        const above = index === 0 ? undefined : spans[parent % index]
        spans.push({
          traceId: 'a',
          spanId: String(index),
          parentSpanId: above?.spanId,
          name,
          kind,
          service,
          startMicros: (above?.startMicros ?? beginning) + delay,
          durationMicros: duration,
          attributes: {},
          links: [],
          failed: false,
        })
      })
      return spans
    })
