import { deepEqual, equal } from 'node:assert/strict'
import type { OtlpSpan } from '../../../shared/backends/otlp-spans.ts'
import type { CheckoutSeen } from './judge-traces.ts'
import { judgeTraces } from './judge-traces.ts'

const slowFromMillis = 2_000

/** Rejected at once: the gateway asks, users answers, checkout tells the end. */
const steps = (
  [
    ['CheckoutRequested', 'checkout'],
    ['RegistrationRejected', 'users'],
    ['CheckoutRejected', 'checkout'],
  ] as const
).map(([type, service], index) => ({
  id: String(index),
  type,
  service,
  time: '2026-11-27T00:00:00.000Z',
  sinceRequestMillis: index,
}))

const checkout = (checkoutId: string, changes: Partial<CheckoutSeen> = {}): CheckoutSeen => ({
  checkoutId,
  hasFailed: false,
  millis: 40,
  steps,
  ...changes,
})

const span = (
  checkoutId: string,
  spanId: string,
  changes: Omit<Partial<OtlpSpan>, 'spanId'> = {},
): OtlpSpan => ({
  traceId: `trace of ${checkoutId}`,
  spanId,
  parentSpanId: 'root',
  traceState: '',
  name: 'any',
  kind: 'producer',
  service: 'users',
  startMicros: 0,
  durationMicros: 1,
  links: [],
  failed: false,
  attributes: { 'saga.id': checkoutId },
  ...changes,
})

const consumer = (
  checkoutId: string,
  service: string,
  topic: string,
  parentSpanId: string,
  traceState: string,
) =>
  span(checkoutId, `${service} has taken ${topic}`, {
    parentSpanId,
    service,
    traceState,
    kind: 'consumer',
    attributes: { 'saga.id': checkoutId, 'messaging.destination.name': topic },
  })

/** A root without the checkout's id, and what the flow table has of such a checkout. */
const traceOf = (checkoutId: string, traceState = ''): OtlpSpan[] => [
  span(checkoutId, 'root', {
    parentSpanId: undefined,
    service: 'gateway',
    kind: 'server',
    attributes: {},
    traceState,
  }),
  span(checkoutId, 'asked', { service: 'gateway', traceState }),
  consumer(checkoutId, 'checkout', 'checkouts', 'asked', traceState), // starts its clock
  consumer(checkoutId, 'users', 'checkouts', 'asked', traceState),
  span(checkoutId, 'answered', { parentSpanId: 'users has taken checkouts', traceState }),
  consumer(checkoutId, 'checkout', 'users', 'answered', traceState),
  span(checkoutId, 'told', { parentSpanId: 'checkout has taken users', service: 'checkout', traceState }),
]

const judge = (checkouts: readonly CheckoutSeen[], spans: readonly OtlpSpan[]) =>
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
      ...traceOf('d').slice(0, 6),
    ])
    deepEqual({ offered, traced, whole, spans }, { offered: 4, traced: 3, whole: 2, spans: 20 })
    deepEqual(failed, { offered: 2, kept: 1 })
    deepEqual(slow, { offered: 1, kept: 0 })
  })

  it('leaves out spans of traces that belong to no checkout of the window', () => {
    const { traced, spans } = judge([checkout('a')], [...traceOf('a'), ...traceOf('of the warm-up')])
    deepEqual({ traced, spans }, { traced: 1, spans: 7 })
  })
})

describe('what the traces that are left make one believe', () => {
  const checkouts = [
    checkout('a', { millis: 10 }),
    checkout('b', { millis: 20, hasFailed: true }),
    checkout('c', { millis: 3_000 }),
    checkout('d', { millis: 30 }),
  ]
  const estimatesOf = (spans: readonly OtlpSpan[]) =>
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
