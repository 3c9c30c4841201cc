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

const valuesOf = (value: KafkaValue | readonly KafkaValue[]): KafkaValue[] => [value].flat()

/** HTTP's headers, and those that a commit keeps, are strings; only Kafka's are bytes. */
export const isKafkaCarrier = (carrier: unknown): carrier is KafkaCarrier =>
  typeof carrier === 'object' &&
  carrier !== null &&
  Object.values(carrier as KafkaCarrier).some((value) => valuesOf(value).some((one) => Buffer.isBuffer(one)))

/**
 * Keys in any case: Kafka tells `traceparent` from `TraceParent`, but W3C asks readers to expect any case
 * (https://www.w3.org/TR/trace-context/#header-name) and B3's own libraries write `X-B3-TraceId`. Where there are
 * several, the one in lower case is the header, as the specifications have readers expect writers to write it.
 */
const kafkaGetter: TextMapGetter<KafkaCarrier> = {
  keys: (carrier) => Object.entries(carrier).flatMap(([key, value]) => valuesOf(value).map(() => key)),
  get: (carrier, name) => {
    const keys = Object.hasOwn(carrier, name)
      ? [name]
      : Object.keys(carrier).filter((key) => key.toLowerCase() === name)
    const values = keys.flatMap((key) => valuesOf(carrier[key])).filter((value) => value != null)
    const bytes = values.reduce((sum, value) => sum + value.length, 0)
    return values.length > 0 && bytes <= headerBytesLimit ? values.map(String) : undefined
  },
}

/** The way to read a carrier's headers; undefined when there are too many of them to read any. */
export function boundedGetter(carrier: unknown, getter: TextMapGetter): TextMapGetter | undefined {
  const reader = isKafkaCarrier(carrier) ? (kafkaGetter as TextMapGetter) : getter
  if (reader.keys(carrier).length > headerCountLimit) return undefined
  return {
    keys: (from) => reader.keys(from),
    get: (from, name) => {
      const text = reader.get(from, name)?.toString() // of an array: its elements, joined by commas
      if (text === undefined || text.length > headerBytesLimit) return undefined
      return text.includes(',') && !lists.has(name) ? undefined : text
    },
  }
}
