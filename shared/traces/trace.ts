/**
 * A trace as all that looks at traces has it. The files of this folder are pure, import nothing but each other, and
 * use nothing that only Node has: the console runs them in a browser.
 */

export interface SpanReference {
  readonly traceId: string
  readonly spanId: string
}

export type SpanKind = 'internal' | 'server' | 'client' | 'producer' | 'consumer' | 'unspecified'

export interface TraceSpan extends SpanReference {
  readonly parentSpanId: string | undefined
  readonly name: string
  readonly kind: SpanKind
  readonly service: string
  /** Since the epoch, by the clock of the service. */
  readonly startMicros: number
  readonly durationMicros: number
  readonly attributes: Readonly<Record<string, string>>
  readonly links: readonly SpanReference[]
  readonly failed: boolean
}

/** A clock that was set back leaves a span that ends before it begins: it took no time. */
export const durationMicrosOf = ({ durationMicros }: Pick<TraceSpan, 'durationMicros'>): number =>
  Math.max(0, durationMicros)

export const endMicrosOf = (span: Pick<TraceSpan, 'startMicros' | 'durationMicros'>): number =>
  span.startMicros + durationMicrosOf(span)
