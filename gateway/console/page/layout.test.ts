import { deepEqual, equal } from 'node:assert/strict'
import type { TraceSpan } from '../../../shared/traces/trace.ts'
import { layOut } from './layout.ts'

const span = (changes: Partial<TraceSpan>): TraceSpan => ({
  traceId: 't',
  spanId: 'root',
  parentSpanId: undefined,
  name: 'POST /checkouts',
  kind: 'server',
  service: 'gateway',
  startMicros: 1_000_000,
  durationMicros: 10_000,
  attributes: {},
  links: [],
  failed: false,
  ...changes,
})
const find = span({
  spanId: 'find',
  parentSpanId: 'root',
  name: 'mongodb.find',
  kind: 'client',
  startMicros: 1_001_000,
  durationMicros: 4_000,
  attributes: { 'db.system.name': 'mongodb' },
})
const send = span({
  spanId: 'send',
  parentSpanId: 'root',
  name: 'send checkouts',
  kind: 'producer',
  startMicros: 1_006_000,
  durationMicros: 2_000,
})
const line = {
  time: '1970-01-01T00:00:01.002Z',
  severity: 'info',
  service: 'gateway',
  message: 'request',
  traceId: 't',
  spanId: 'root',
  attributes: {},
}

describe('the waterfall', () => {
  it('has a row for each span, below its parent, with its log lines and its own time', () => {
    const { rows, lengthMicros } = layOut([send, find, span({})], [line], { showsStore: true })
    equal(lengthMicros, 10_000)
    deepEqual(
      rows.map((row) => [row.span.spanId, row.depth, row.offsetMicros, row.selfMicros, row.logs.length]),
      [
        ['root', 0, 0, 4_000, 1],
        ['find', 1, 1_000, 4_000, 0],
        ['send', 1, 6_000, 2_000, 0],
      ],
    )
  })

  it('hides the spans of the store, says so where they were, and never hides one that failed', () => {
    const hidden = layOut([span({}), find, send], [], { showsStore: false })
    deepEqual(
      hidden.rows.map((row) => [row.span.spanId, row.hidden]),
      [
        ['root', 1],
        ['send', 0],
      ],
    )
    const failed = layOut([span({}), { ...find, failed: true }], [], { showsStore: false })
    equal(failed.rows.length, 2)
    equal(failed.failed, 1)
  })

  it('divides the critical path, which is as long as the trace, among the services', () => {
    const other = span({
      spanId: 'o',
      parentSpanId: 'send',
      service: 'users',
      kind: 'consumer',
      startMicros: 1_020_000,
    })
    const { criticalByService, lengthMicros } = layOut([span({}), send, other], [], { showsStore: true })
    equal(
      criticalByService.reduce((sum, { micros }) => sum + micros, 0),
      lengthMicros,
    )
    deepEqual(criticalByService.map(({ service }) => service).sort(), ['gateway', 'users', 'waiting'])
  })

  it('is of no length when there are no spans', () => {
    deepEqual(layOut([], [], { showsStore: true }).rows, [])
  })
})
