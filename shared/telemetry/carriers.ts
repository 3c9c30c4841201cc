/**
 * Headers as trace context is read from them, whoever sent them. Nothing is read from too many of them, nor from
 * one that is too long; one that is given more than once is one list, as HTTP has it (RFC 9110, 5.3), and a list
 * is no `traceparent` and no B3: libraries differ in whether the first or the last counts, so none does.
 */
import type { TextMapGetter } from '@opentelemetry/api'

const headerCountLimit = 64
/** What W3C Baggage asks everyone to pass on: https://www.w3.org/TR/baggage/#limits */
const headerBytesLimit = 8_192

const lists: ReadonlySet<string> = new Set(['tracestate', 'baggage'])

type KafkaValue = Buffer | string | null | undefined
/** Headers of a message that kafkajs has fetched. */
type KafkaCarrier = Readonly<Record<string, KafkaValue | readonly KafkaValue[]>>

// Read for every message, and of most headers nothing: what is here makes no arrays where none are.

const isList = (value: KafkaCarrier[string]): value is readonly KafkaValue[] => Array.isArray(value)

/** HTTP's headers, and those that a commit keeps, are strings; only Kafka's are bytes. */
export function isKafkaCarrier(carrier: unknown): carrier is KafkaCarrier {
  if (typeof carrier !== 'object' || carrier === null) return false
  for (const name in carrier) {
    const value = (carrier as KafkaCarrier)[name]
    if (isList(value) ? value.some((one) => Buffer.isBuffer(one)) : Buffer.isBuffer(value)) return true
  }
  return false
}

/**
 * Keys in any case: Kafka tells `traceparent` from `TraceParent`, but W3C asks readers to expect any case
 * (https://www.w3.org/TR/trace-context/#header-name) and B3's own libraries write `X-B3-TraceId`. Where there are
 * several, the one in lower case is the header, as the specifications have readers expect writers to write it.
 */
class KafkaGetter implements TextMapGetter<KafkaCarrier> {
  /** Repeated ones counted each. */
  readonly count: number
  readonly #inOtherCase: string[] = []

  constructor(carrier: KafkaCarrier) {
    let count = 0
    for (const name of Object.keys(carrier)) {
      const value = carrier[name]
      count += isList(value) ? value.length : 1
      if (name !== name.toLowerCase()) this.#inOtherCase.push(name)
    }
    this.count = count
  }

  keys(carrier: KafkaCarrier): string[] {
    return Object.keys(carrier)
  }

  get(carrier: KafkaCarrier, name: string): string | string[] | undefined {
    const value = carrier[name]
    if (value === undefined && this.#inOtherCase.length === 0) return undefined
    if (Buffer.isBuffer(value)) return value.length <= headerBytesLimit ? value.toString() : undefined
    return this.#getAny(carrier, name)
  }

  /** What is none of the usual cases: several values, or a name in another case. */
  #getAny(carrier: KafkaCarrier, name: string): string[] | undefined {
    const names = Object.hasOwn(carrier, name)
      ? [name]
      : this.#inOtherCase.filter((other) => other.toLowerCase() === name)
    const values = names.flatMap((each) => carrier[each]).filter((value) => value != null)
    const bytes = values.reduce((sum, value) => sum + value.length, 0)
    return values.length > 0 && bytes <= headerBytesLimit ? values.map(String) : undefined
  }
}

/** The way to read a carrier's headers; undefined when there are too many of them to read any. */
export function boundedGetter(carrier: unknown, getter: TextMapGetter): TextMapGetter | undefined {
  const ofKafka = isKafkaCarrier(carrier) ? new KafkaGetter(carrier) : undefined
  const reader = (ofKafka as TextMapGetter | undefined) ?? getter
  if ((ofKafka?.count ?? getter.keys(carrier).length) > headerCountLimit) return undefined
  return {
    keys: (from) => reader.keys(from),
    get: (from, name) => {
      const text = reader.get(from, name)?.toString() // of an array: its elements, joined by commas
      if (text === undefined || text.length > headerBytesLimit) return undefined
      return text.includes(',') && !lists.has(name) ? undefined : text
    },
  }
}
