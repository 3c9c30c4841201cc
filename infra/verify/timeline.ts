/** One checkout's time line: what every backend knows of it, in one order. Pure: what was read in, lines out. */
import type { EventType } from '../../shared/saga/events.ts'
import type { AnyCheckoutView } from './checkouts.ts'
import type { LogLine } from '../../shared/backends/elasticsearch.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import type { Exemplar } from '../../shared/backends/prometheus.ts'
import { treeOf } from './trace-tree.ts'

export type Weight = 'normal' | 'warning' | 'error'

export interface TimelineEntry {
  readonly source: 'step' | 'span' | 'log' | 'metric'
  /** Since the epoch, by the clock of the service. */
  readonly timeMicros: number
  /** Since the first entry. */
  readonly offsetMicros: number
  readonly service: string
  readonly text: string
  readonly weight: Weight
  /** How far to indent: a span's depth in its trace. */
  readonly depth: number
  readonly durationMicros?: number
  readonly traceId?: string
  readonly spanId?: string
}

export interface TimelineSources {
  readonly steps: AnyCheckoutView['steps']
  readonly spans: readonly TraceSpan[]
  readonly logs: readonly LogLine[]
  readonly exemplars: readonly Exemplar[]
}

type Undated = Omit<TimelineEntry, 'offsetMicros'>

/** At the same time: what was done, what came of it, what was said and counted about it. */
const sourceOrder: readonly TimelineEntry['source'][] = ['span', 'step', 'log', 'metric']

/** Every entry in the order of time; services' clocks may differ, so causes may seem to follow effects. */
export function buildTimeline({ steps, spans, logs, exemplars }: TimelineSources): TimelineEntry[] {
  const entries = [
    ...steps.map(ofStep),
    ...treeOf(spans).map(({ span, depth }) => ofSpan(span, depth)),
    ...logs.map(ofLog),
    ...exemplars.map(ofExemplar),
  ].sort(
    (a, b) => a.timeMicros - b.timeMicros || sourceOrder.indexOf(a.source) - sourceOrder.indexOf(b.source),
  )
  const start = entries[0]?.timeMicros ?? 0
  return entries.map((entry) => ({ ...entry, offsetMicros: entry.timeMicros - start }))
}

/** What went wrong, and what is taken back because of it. */
const weightOfStep: Partial<Record<EventType, Weight>> = {
  RegistrationRejected: 'error',
  OrderRejected: 'error',
  PaymentDeclined: 'error',
  CheckoutExpired: 'error',
  PaymentRefunded: 'warning',
  OrderCancelled: 'warning',
  RegistrationRevoked: 'warning',
  RegistrationKept: 'warning',
  CheckoutCompensated: 'warning',
  CheckoutRejected: 'warning',
}

function ofStep({ type, service, time }: TimelineSources['steps'][number]): Undated {
  return {
    source: 'step',
    timeMicros: microsOf(time),
    service,
    text: type,
    weight: weightOfStep[type as EventType] ?? 'normal',
    depth: 0,
  }
}

function ofSpan(span: TraceSpan, depth: number): Undated {
  const error = span.attributes['error.type'] ?? ''
  return {
    source: 'span',
    timeMicros: span.startMicros,
    service: span.service,
    text: [span.name, span.failed ? `failed ${error}`.trimEnd() : ''].filter(Boolean).join('  '),
    weight: span.failed ? 'error' : 'normal',
    depth,
    durationMicros: span.durationMicros,
    traceId: span.traceId,
    spanId: span.spanId,
  }
}

const weightOfSeverity: Readonly<Record<string, Weight>> = {
  warn: 'warning',
  error: 'error',
  fatal: 'error',
}

/** What of a line's attributes tells it from the next. */
const tellingAttributes = [
  'cloudevents.event_type',
  'http.request.method',
  'http.route',
  'http.response.status_code',
  'exception.message',
] as const

function ofLog({ time, service, severity, message, traceId, spanId, attributes }: LogLine): Undated {
  const told = tellingAttributes.map((name) => attributes[name]).filter((value) => value !== undefined)
  return {
    source: 'log',
    timeMicros: microsOf(time),
    service,
    text: [severity.padEnd(5), message, ...told.map(String)].join(' '),
    weight: weightOfSeverity[severity] ?? 'normal',
    depth: 0,
    traceId,
    spanId,
  }
}

function ofExemplar({ series, traceId, spanId, value, timeSeconds }: Exemplar): Undated {
  const bucket = series.le === undefined ? '' : `, exemplar of the bucket up to ${series.le} s`
  return {
    source: 'metric',
    timeMicros: Math.round(timeSeconds * 1e6),
    service: series.service_name ?? 'unknown',
    text: `${series.span_name ?? series.__name__ ?? ''} took ${(value * 1_000).toFixed(1)} ms${bucket}`,
    weight: 'normal',
    depth: 0,
    ...(traceId !== undefined && { traceId }),
    ...(spanId !== undefined && { spanId }),
  }
}

/** RFC 3339 to microseconds; `Date` keeps milliseconds only. */
export function microsOf(time: string): number {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? ''
  const wholeSeconds = Date.parse(time.replace(/\.\d+/, ''))
  return wholeSeconds * 1_000 + Number(fraction.padEnd(6, '0').slice(0, 6))
}

export type Paint = (style: Weight | TimelineEntry['source'], text: string) => string

const plain: Paint = (_style, text) => text

/** Lines of text: offset, source, service, what it was; `!` marks errors, so that they show without colours too. */
export function drawTimeline(entries: readonly TimelineEntry[], paint: Paint = plain): string[] {
  const traceIds = new Set(entries.flatMap(({ traceId }) => traceId ?? []))
  const widest = (texts: readonly string[]) => Math.max(0, ...texts.map((text) => text.length))
  const serviceWidth = widest(entries.map(({ service }) => service))
  const spanTexts = entries.map(({ depth, text }) => `${'  '.repeat(depth)}${text}`)
  const spanWidth = widest(spanTexts.filter((_text, index) => entries[index]?.source === 'span'))
  return entries.map((entry, index) => {
    const { source, service, weight, durationMicros, traceId } = entry
    const text = spanTexts[index] ?? ''
    const line = [
      weight === 'error' ? '!' : ' ',
      `+${millis(entry.offsetMicros)}`.padStart(13),
      ` ${source.padEnd(6)}`,
      service.padEnd(serviceWidth),
      // Of several traces, the one that the entry is in.
      ...(traceIds.size > 1 ? [(traceId ?? '').slice(0, 8).padEnd(8)] : []),
      durationMicros === undefined
        ? ` ${text}`
        : ` ${text.padEnd(spanWidth)} ${millis(durationMicros).padStart(11)}`,
    ].join(' ')
    return paint(weight === 'normal' ? source : weight, line.trimEnd())
  })
}

const millis = (micros: number): string => `${(micros / 1_000).toFixed(1)} ms`
