/** Kafka headers as strings. */
import type { IHeaders } from 'kafkajs'

export type Headers = Readonly<Record<string, string>>

/** Of a header given more than once the first counts; bytes are read as UTF-8; one without a value is left out. */
export function readableHeaders(headers: IHeaders | undefined): Headers {
  const readable: Record<string, string> = {}
  for (const [name, value] of Object.entries(headers ?? {})) {
    const first = (Array.isArray(value) ? value[0] : value) as Buffer | string | null | undefined
    // Kafka knows headers whose value is null; kafkajs gives them, although its types do not say so.
    if (first !== undefined && first !== null) readable[name] = first.toString()
  }
  return readable
}
