import { deepEqual, equal, match } from 'node:assert/strict'
import type { TraceSpan } from '../../shared/traces/trace.ts'
import { compareSets } from '../compare/compare-sets.ts'
import { agrees, describeRow, guiltyOf } from './guilty-span.ts'

/** What a checkout's payment takes, in milliseconds. */
interface Times {
  readonly queue: number
  readonly handling: number
  readonly network: number
  readonly fails?: boolean
}

const count = 30

/** Traces of: an order is sent, waits, and is handled by payments, which asks the network; each a little different. */
const traces = ({ queue, handling, network, fails = false }: Times): TraceSpan[][] =>
  Array.from({ length: count }, (_, index) => {
    const traceId = `trace${index}`
    const times = [queue, handling, network].map((millis) =>
      Math.round(millis * 1_000 * (1 + (index % 7) / 20)),
    )
    const [waits = 0, works = 0, asks = 0] = times
    const span = (
      spanId: string,
      parentSpanId: string | undefined,
      name: string,
      kind: TraceSpan['kind'],
      startMicros: number,
      durationMicros: number,
      service = 'payments',
    ): TraceSpan => ({
      traceId,
      spanId,
      parentSpanId,
      name,
      kind,
      service,
      startMicros,
      durationMicros,
      attributes: kind === 'consumer' ? { 'messaging.destination.name': 'orders' } : {},
      links: [],
      failed: fails && spanId === 'c',
    })
    const handled = 1_000 + waits
    return [
      span('a', undefined, 'send orders', 'producer', 0, 1_000, 'orders'),
      span('b', 'a', 'process orders', 'consumer', handled, works + asks),
      span('c', 'b', 'capture payment', 'client', handled + works, asks),
      span('d', 'c', 'insert ledger', 'client', handled + works, asks),
    ]
  })

const usual: Times = { queue: 2, handling: 5, network: 3 }
const guiltyAmong = (changed: Partial<Times>) =>
  guiltyOf(compareSets(traces(usual), traces({ ...usual, ...changed })))

describe('the guilty span', () => {
  it('is none where nothing has changed', () => {
    equal(guiltyAmong({}), undefined)
  })

  it('is the slowest part of the handling when a queue grows because of it, although the queue adds most', () => {
    const guilty = guiltyAmong({ queue: 9_000, network: 2_000 })
    equal(guilty && describeRow(guilty.row), 'payments: insert ledger (within capture payment)')
    match(guilty?.because ?? '', /the queue before payments grows because handling takes \d+ times as long/)
  })

  it('is the queue itself when handling takes as long as before', () => {
    const guilty = guiltyAmong({ queue: 9_000 })
    equal(guilty && describeRow(guilty.row), 'the queue of orders before payments')
  })

  it('is not the handling that is only a little slower, as on a busy machine', () => {
    equal(guiltyAmong({ queue: 9_000, handling: 8 })?.row.kind, 'queue')
  })

  it('is the handling itself where that is what became slower', () => {
    const guilty = guiltyAmong({ queue: 300, handling: 80 })
    equal(guilty && describeRow(guilty.row), 'payments: process orders')
  })

  it('is what fails and did not before, even where something else became slower', () => {
    const guilty = guiltyAmong({ queue: 300, fails: true })
    equal(guilty?.row.name, 'capture payment')
    match(guilty.because, /it fails in 30 of 30 traces, before in 0 of 30/)
  })

  it('agrees with its name, with that of a span it is within, and with no other', () => {
    const guilty = guiltyAmong({ network: 2_000 })
    const verdicts = ['insert ledger', 'capture payment', 'send payments', undefined].map(
      (name) =>
        guilty &&
        agrees(guilty, {
          kind: 'span',
          services: ['orders', 'payments'],
          ...(name !== undefined && { name }),
        }),
    )
    deepEqual(verdicts, [true, true, false, true])
    equal(guilty && agrees(guilty, { kind: 'queue', services: ['payments'] }), false)
    equal(guilty && agrees(guilty, { kind: 'span', services: ['orders'] }), false)
  })
})
