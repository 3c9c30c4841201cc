/**
 * How context crosses a process boundary: W3C Trace Context and Baggage always; B3 is read always and
 * written only when OTEL_PROPAGATORS asks for it. Of a message that has both, W3C wins.
 */
import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api'
import { diag, trace } from '@opentelemetry/api'
import {
  CompositePropagator,
  isTracingSuppressed,
  W3CBaggagePropagator,
  W3CTraceContextPropagator,
} from '@opentelemetry/core'
import { B3InjectEncoding, B3Propagator } from '@opentelemetry/propagator-b3'
import { boundedGetter } from './carriers.ts'

const w3c = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()]
const b3 = new B3Propagator()
const b3multi = new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER })

/** W3C's stand among the known names because they are allowed, not because they could be left out. */
const known = ['tracecontext', 'baggage', 'b3', 'b3multi', 'none']

/** All headers that context may be read from, in lower case. */
export const propagationHeaders: readonly string[] = new CompositePropagator({
  propagators: [...w3c, b3, b3multi],
}).fields()
const isPropagationHeader: ReadonlySet<string> = new Set(propagationHeaders)

/**
 * @param requested OTEL_PROPAGATORS, a comma separated list; b3 and b3multi add B3 to what is written
 * @param warn told once of all names that are not known
 */
export function createPropagator(
  requested = 'tracecontext,baggage',
  warn: (message: string) => void = console.warn,
): TextMapPropagator {
  const names = new Set(requested.split(',').map((name) => name.trim()))
  const unknown = [...names].filter((name) => name !== '' && !known.includes(name))
  if (unknown.length > 0) {
    const ignored = unknown.map((name) => JSON.stringify(name)).join(', ')
    warn(`OTEL_PROPAGATORS: ${ignored} ignored; known are ${known.join(', ')}, and W3C's are always written`)
  }
  const written: TextMapPropagator[] = [...w3c]
  if (names.has('b3')) written.push(b3)
  if (names.has('b3multi')) written.push(b3multi)
  return new BoundedPropagator(
    new CompositePropagator({ propagators: written }),
    new CompositePropagator({ propagators: w3c }),
    b3,
  )
}

/**
 * Reads within bounds, and replaces what an earlier hop has written. It never throws: it is called by whoever sends,
 * receives or commits, and a message must not fail, or come back for ever, for the sake of its trace.
 */
class BoundedPropagator implements TextMapPropagator {
  readonly #writer: TextMapPropagator
  readonly #reader: TextMapPropagator
  readonly #secondReader: TextMapPropagator

  /** @param secondReader asked where the first finds no span */
  constructor(writer: TextMapPropagator, reader: TextMapPropagator, secondReader: TextMapPropagator) {
    this.#writer = writer
    this.#reader = reader
    this.#secondReader = secondReader
  }

  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    try {
      if (trace.getSpanContext(context) && !isTracingSuppressed(context)) removePropagationHeaders(carrier)
      this.#writer.inject(context, carrier, setter)
    } catch (error) {
      diag.error('trace context not written', error)
    }
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    try {
      const bounded = boundedGetter(carrier, getter)
      if (!bounded) return context
      const read = this.#reader.extract(context, carrier, bounded)
      const hasFound = trace.getSpanContext(read) !== trace.getSpanContext(context)
      return hasFound ? read : this.#secondReader.extract(read, carrier, bounded)
    } catch (error) {
      diag.error('trace context not read', error)
      return context
    }
  }

  fields(): string[] {
    return this.#writer.fields()
  }
}

/**
 * Takes the headers of another hop off a carrier that is used again. A dead letter or a replay has all of the
 * headers of the message that it came from: its tracestate, baggage or B3 must not stand beside a new traceparent.
 */
export function removePropagationHeaders(carrier: unknown): void {
  if (typeof carrier !== 'object' || carrier === null) return
  for (const name of Object.keys(carrier)) {
    if (isPropagationHeader.has(name.toLowerCase())) Reflect.deleteProperty(carrier, name)
  }
}
