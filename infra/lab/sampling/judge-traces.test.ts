import { deepEqual, equal } from 'node:assert/strict'
import type { CheckoutSeen } from './judge-traces.ts'
import { judgeTraces } from './judge-traces.ts'
import type { KeptSpan } from './trace-backend.ts'

const slowFromMillis = 2_000

const checkout = (checkoutId: string, changes: Partial<CheckoutSeen> = {}): CheckoutSeen => ({
  checkoutId,
  hasFailed: false,
  millis: 40,
  publishers: ['gateway', 'users', 'users'],
  ...changes,
})

const span = (checkoutId: string, spanId: string, changes: Partial<KeptSpan> = {}): KeptSpan => ({
  traceId: `trace of ${checkoutId}`,
  spanId,
  parentSpanId: 'root',
  traceState: '',
  service: 'users',
  isProducer: true,
  sagaId: checkoutId,
  ...changes,
})

/** A root without the checkout's id, and a producer's span for each event. */
const traceOf = (checkoutId: string, traceState = ''): KeptSpan[] => [
  span(checkoutId, 'root', {
    parentSpanId: '',
    service: 'gateway',
    isProducer: false,
    sagaId: undefined,
    traceState,
  }),
  span(checkoutId, 'requested', { service: 'gateway', traceState }),
  span(checkoutId, 'registered', { traceState }),
  span(checkoutId, 'told', { traceState }),
]

const judge = (checkouts: readonly CheckoutSeen[], spans: readonly KeptSpan[]) =>
  judgeTraces(checkouts, spans, slowFromMillis)

describe('what a sampler has left', () => {
  it('counts traces, whole ones, and those of failed and slow checkouts', () => {
    const checkouts = [
      checkout('a'),
      checkout('b', { hasFailed: true }),
      checkout('c', { hasFailed: true }),
      checkout('d', { millis: 2_000 }),
    ]
    const { offered, traced, whole, failed, slow, spans } = judge(checkouts, [
      ...traceOf('a'),
      ...traceOf('b'),
      ...traceOf('d').slice(0, 3),
    ])
    deepEqual({ offered, traced, whole, spans }, { offered: 4, traced: 3, whole: 2, spans: 11 })
    deepEqual(failed, { offered: 2, kept: 1 })
    deepEqual(slow, { offered: 1, kept: 0 })
  })

  it('takes no trace for whole that has no root, two of them, or a span whose parent is missing', () => {
    const [root, ...others] = traceOf('a')
    const wholes = [
      others,
      [...traceOf('a'), span('a', 'other', { parentSpanId: '' })],
      [...traceOf('a'), span('a', 'other', { parentSpanId: 'nobody' })],
      [root, ...others].filter((each) => each !== undefined),
    ].map((spans) => judge([checkout('a')], spans).whole)
    deepEqual(wholes, [0, 0, 0, 1])
  })

  it('takes no trace for whole in which an event was not sent by who published it', () => {
    const sentByAnother = traceOf('a').map((each) =>
      each.spanId === 'told' ? { ...each, service: 'orders' } : each,
    )
    equal(judge([checkout('a')], sentByAnother).whole, 0)
  })

  it('leaves out spans of traces that belong to no checkout of the window', () => {
    const { traced, spans } = judge([checkout('a')], [...traceOf('a'), ...traceOf('of the warm-up')])
    deepEqual({ traced, spans }, { traced: 1, spans: 4 })
  })
})

describe('what the traces that are left make one believe', () => {
  const checkouts = [
    checkout('a', { millis: 10 }),
    checkout('b', { millis: 20, hasFailed: true }),
    checkout('c', { millis: 3_000 }),
    checkout('d', { millis: 30 }),
  ]
  const estimatesOf = (spans: readonly KeptSpan[]) =>
    Object.fromEntries(judge(checkouts, spans).estimates.map(({ what, ...values }) => [what, values]))

  it('is the truth where all are left', () => {
    for (const { truth, estimate } of Object.values(
      estimatesOf(checkouts.flatMap(({ checkoutId }) => traceOf(checkoutId))),
    ))
      equal(estimate, truth)
  })

  it('counts each trace as often as its sampler says', () => {
    // th:c is three quarters of the randomness: one of four is sampled.
    const { checkouts: count } = estimatesOf(traceOf('a', 'vendor=1,ot=rv:ffffffffffffff;th:c'))
    deepEqual(count, { truth: 4, estimate: 4 })
    const { 'share that failed': failed } = estimatesOf([
      ...traceOf('a', 'ot=th:c'),
      ...traceOf('b', 'ot=th:0'),
    ])
    deepEqual(failed, { truth: 0.25, estimate: 0.2 })
  })

  it('counts a trace once whose sampler says nothing', () => {
    const { checkouts: count, 'share that was slow': slow } = estimatesOf([...traceOf('a'), ...traceOf('c')])
    deepEqual(count, { truth: 4, estimate: 2 })
    deepEqual(slow, { truth: 0.25, estimate: 0.5 })
  })

  it('is nothing but that there was nothing, where no trace is left', () => {
    deepEqual(estimatesOf([]), { checkouts: { truth: 4, estimate: 0 } })
  })
})
