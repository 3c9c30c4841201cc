import { deepEqual, equal, ok } from 'node:assert/strict'
import type { LogLine } from '../../shared/backends/elasticsearch.ts'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import type { Exemplar } from '../../shared/backends/prometheus.ts'
import type { TimelineSources } from './timeline.ts'
import { buildTimeline, drawTimeline, microsOf } from './timeline.ts'

const start = '2026-11-23T12:00:00.000Z'
const startMicros = microsOf(start)
const traceId = 'a'.repeat(32)

const stepAt = (millis: number, type = 'CheckoutRequested') => ({
  id: `checkout/c1@1/${millis}`,
  type,
  service: 'checkout',
  time: new Date(Date.parse(start) + millis).toISOString(),
  sinceRequestMillis: millis,
})

const spanAt = (millis: number, changes: Partial<TraceSpan> = {}): TraceSpan => ({
  traceId,
  spanId: String(millis),
  parentSpanId: undefined,
  name: 'POST /checkouts',
  kind: 'server',
  service: 'gateway',
  startMicros: startMicros + millis * 1_000,
  durationMicros: 11_600,
  attributes: {},
  links: [],
  failed: false,
  ...changes,
})

const logAt = (time: string, changes: Partial<LogLine> = {}): LogLine => ({
  time,
  severity: 'info',
  service: 'users',
  message: 'message answered',
  traceId,
  spanId: '1',
  attributes: {},
  ...changes,
})

const exemplarAt = (timeSeconds: number): Exemplar => ({
  series: {
    __name__: 'traces_span_metrics_duration_seconds_bucket',
    service_name: 'users',
    span_name: 'process users',
    le: '0.02',
  },
  traceId,
  spanId: '1',
  value: 0.0123,
  timeSeconds,
})

const build = (sources: Partial<TimelineSources>) =>
  buildTimeline({ steps: [], spans: [], logs: [], exemplars: [], ...sources })

describe('a time line', () => {
  it('has what every backend knows, in the order of time, with offsets from the first', () => {
    const entries = build({
      exemplars: [exemplarAt(startMicros / 1e6 + 2)],
      logs: [logAt('2026-11-23T12:00:00.004567Z')],
      steps: [stepAt(3)],
      spans: [spanAt(5, { name: 'send checkouts' }), spanAt(0)],
    })
    deepEqual(
      entries.map(({ source, offsetMicros }) => [source, offsetMicros]),
      [
        ['span', 0],
        ['step', 3_000],
        ['log', 4_567],
        ['span', 5_000],
        ['metric', 2_000_000],
      ],
    )
  })

  it('puts what was done before what was said of it, at one time', () => {
    const entries = build({ logs: [logAt(start)], steps: [stepAt(0)], spans: [spanAt(0)] })
    deepEqual(
      entries.map(({ source }) => source),
      ['span', 'step', 'log'],
    )
  })

  it('has nothing of nothing', () => {
    deepEqual(build({}), [])
    deepEqual(drawTimeline([]), [])
  })

  it('marks spans that failed, lines of error, and steps after which nothing goes forward', () => {
    const entries = build({
      spans: [spanAt(0, { failed: true, attributes: { 'error.type': 'timeout' } })],
      logs: [
        logAt('2026-11-23T12:00:00.001Z', { severity: 'error' }),
        logAt('2026-11-23T12:00:00.002Z', { severity: 'warn' }),
      ],
      steps: [stepAt(3, 'PaymentDeclined'), stepAt(4, 'OrderCancelled'), stepAt(5, 'OrderPlaced')],
    })
    deepEqual(
      entries.map(({ weight }) => weight),
      ['error', 'error', 'warning', 'error', 'warning', 'normal'],
    )
    equal(entries[0]?.text, 'POST /checkouts  failed timeout')
    deepEqual(
      drawTimeline(entries).map((line) => line[0]),
      ['!', '!', ' ', '!', ' ', ' '],
    )
  })

  it('indents spans by their depth, and tells how long they took', () => {
    const entries = build({ spans: [spanAt(0), spanAt(10, { parentSpanId: '0', name: 'send checkouts' })] })
    deepEqual(drawTimeline(entries), [
      '        +0.0 ms  span   gateway  POST /checkouts      11.6 ms',
      '       +10.0 ms  span   gateway    send checkouts     11.6 ms',
    ])
  })

  it('says of a log line what tells it from the next, and of an exemplar what it stands for', () => {
    const attributes = { 'cloudevents.event_type': 'dev.sagascope.OrderPlaced.v1', 'exception.message': 'no' }
    const [line, exemplar] = build({
      logs: [logAt(start, { attributes })],
      exemplars: [exemplarAt(startMicros / 1e6 + 1)],
    })
    equal(line?.text, 'info  message answered dev.sagascope.OrderPlaced.v1 no')
    equal(exemplar?.text, 'process users took 12.3 ms, exemplar of the bucket up to 0.02 s')
  })

  it('names the trace of each entry where there are several', () => {
    const other = spanAt(1, { traceId: 'b'.repeat(32) })
    const one = drawTimeline(build({ spans: [spanAt(0)] })).join()
    const several = drawTimeline(build({ spans: [spanAt(0), other] })).join()
    ok(!one.includes('aaaaaaaa') && several.includes('aaaaaaaa') && several.includes('bbbbbbbb'))
  })

  it('paints errors as errors, and the rest by where it comes from', () => {
    const entries = build({ spans: [spanAt(0, { failed: true })], steps: [stepAt(1)] })
    const painted = drawTimeline(entries, (style, text) => `${style}:${text.length > 0}`)
    deepEqual(painted, ['error:true', 'step:true'])
  })

  it('reads times to the microsecond', () => {
    equal(microsOf('2026-11-23T12:00:00.123456789Z') - startMicros, 123_456)
    equal(microsOf('2026-11-23T12:00:00Z'), startMicros)
    equal(microsOf('2026-11-23T13:00:00.5+01:00') - startMicros, 500_000)
  })
})
