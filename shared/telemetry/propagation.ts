/**
 * How context crosses a process boundary: W3C Trace Context and Baggage always; B3 is read always and
 * written only when OTEL_PROPAGATORS asks for it. Of a message that has both, W3C wins.
 */
import type { Context, TextMapGetter, TextMapPropagator, TextMapSetter } from '@opentelemetry/api'
import { CompositePropagator, W3CBaggagePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { B3InjectEncoding, B3Propagator } from '@opentelemetry/propagator-b3'

const headerCountLimit = 64
const headerLengthLimit = 8_192

/** @param requested OTEL_PROPAGATORS, a comma separated list; b3 and b3multi add B3 to what is written */
export function createPropagator(requested = 'tracecontext,baggage'): TextMapPropagator {
  const names = new Set(requested.split(',').map((name) => name.trim()))
  const w3c = [new W3CTraceContextPropagator(), new W3CBaggagePropagator()]
  const written: TextMapPropagator[] = [...w3c]
  if (names.has('b3')) written.push(new B3Propagator())
  if (names.has('b3multi')) written.push(new B3Propagator({ injectEncoding: B3InjectEncoding.MULTI_HEADER }))
  return new CappedPropagator(
    new CompositePropagator({ propagators: written }),
    new CompositePropagator({ propagators: [new B3Propagator(), ...w3c] }),
  )
}

/** Reads nothing from a carrier with too many headers, nor a header that is too long. */
export class CappedPropagator implements TextMapPropagator {
  readonly #writer: TextMapPropagator
  readonly #reader: TextMapPropagator

  constructor(writer: TextMapPropagator, reader: TextMapPropagator) {
    this.#writer = writer
    this.#reader = reader
  }

  inject(context: Context, carrier: unknown, setter: TextMapSetter): void {
    this.#writer.inject(context, carrier, setter)
  }

  extract(context: Context, carrier: unknown, getter: TextMapGetter): Context {
    if (getter.keys(carrier).length > headerCountLimit) return context
    return this.#reader.extract(context, carrier, {
      keys: (from) => getter.keys(from),
      get: (from, key) => {
        const value = getter.get(from, key)
        return typeof value === 'string' && value.length > headerLengthLimit ? undefined : value
      },
    })
  }

  fields(): string[] {
    return this.#writer.fields()
  }
}
