/** As much of Jaeger's API as compare asks, over traces that are given; full answers are cut off, as Jaeger's are. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { TraceSpan } from '../../shared/traces/trace.ts'

export interface FakeJaeger {
  readonly url: string
  /** The windows that were searched, in milliseconds. */
  readonly searches: (readonly [from: number, to: number])[]
  close(): void
}

export async function fakeJaeger(spans: readonly TraceSpan[]): Promise<FakeJaeger> {
  const searches: (readonly [number, number])[] = []
  const traces = Map.groupBy(spans, ({ traceId }) => traceId)
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://jaeger')
    const answer = pathname === '/api/traces' ? search(searchParams) : read(pathname.split('/').at(-1) ?? '')
    response.statusCode = answer === undefined ? 404 : 200
    response.end(JSON.stringify(answer ?? {}))
  })

  function search(asked: URLSearchParams) {
    const [from, to] = [Number(asked.get('start') ?? 0), Number(asked.get('end') ?? Infinity)]
    if (asked.has('start')) searches.push([from / 1_000, to / 1_000])
    const tags = Object.entries(JSON.parse(asked.get('tags') ?? '{}') as Record<string, string>)
    const isFound = (span: TraceSpan): boolean =>
      span.service === asked.get('service') &&
      (asked.get('operation') ?? span.name) === span.name &&
      span.startMicros >= from &&
      span.startMicros <= to &&
      tags.every(([key, value]) => span.attributes[key] === value)
    const found = [...traces].filter(([, ofTrace]) => ofTrace.some(isFound))
    return { data: found.slice(0, Number(asked.get('limit'))).map(([traceID]) => ({ traceID })) }
  }

  function read(traceId: string) {
    const ofTrace = traces.get(traceId)
    if (ofTrace === undefined) return undefined
    const valued = (attributes: Readonly<Record<string, string>>) =>
      Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }))
    const resourceSpans = ofTrace.map((span) => ({
      resource: { attributes: valued({ 'service.name': span.service }) },
      scopeSpans: [
        {
          spans: [
            {
              traceId,
              spanId: span.spanId,
              parentSpanId: span.parentSpanId ?? '',
              name: span.name,
              kind: `SPAN_KIND_${span.kind.toUpperCase()}`,
              startTimeUnixNano: `${span.startMicros}000`,
              endTimeUnixNano: `${span.startMicros + span.durationMicros}000`,
              attributes: valued(span.attributes),
              links: span.links,
            },
          ],
        },
      ],
    }))
    return { result: { resourceSpans } }
  }

  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    searches,
    close: () => {
      server.close()
    },
  }
}
