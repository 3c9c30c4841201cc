/** The backend of traces in the study of sampling: takes what the Collector has left of them, counts it and keeps it. */
import { gunzipSync } from 'node:zlib'
import type { OtlpSpan } from '../../../shared/backends/otlp-spans.ts'
import { spansOf, tracesData } from '../../../shared/backends/otlp-spans.ts'
import { startReceiver } from '../receiver.ts'

export interface TraceBackend {
  /** The base of its OTLP/HTTP address; it reads JSON. */
  readonly url: string
  /** Of requests, as they came: compressed, without HTTP's headers. */
  readonly bytes: number
  readonly spans: readonly OtlpSpan[]
  /** What was kept so far is forgotten. */
  clear(): void
  close(): Promise<void>
}

export async function startTraceBackend(): Promise<TraceBackend> {
  let bytes = 0
  let spans: OtlpSpan[] = []
  const { port, close } = await startReceiver((body, { headers }) => {
    const text = headers['content-encoding'] === 'gzip' ? gunzipSync(body) : body
    spans.push(...spansOf(tracesData.parse(JSON.parse(text.toString()))))
    bytes += body.length
    return '{}'
  })
  return {
    url: `http://127.0.0.1:${port}`,
    get bytes() {
      return bytes
    },
    get spans() {
      return spans
    },
    clear() {
      bytes = 0
      spans = []
    },
    close,
  }
}
