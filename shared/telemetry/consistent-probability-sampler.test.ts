import { equal, ok } from 'node:assert/strict'
import { ROOT_CONTEXT, trace } from '@opentelemetry/api'
import { TraceState } from '@opentelemetry/core'
import { ParentBasedSampler, SamplingDecision, TracerProvider } from '@opentelemetry/sdk-trace'
import fc from 'fast-check'
import { ConsistentProbabilitySampler, probabilityOf } from './consistent-probability-sampler.ts'

const traceIdWith = (randomness: string): string => `0123456789abcdef00${randomness}`
const traceIds = fc
  .bigInt({ min: 0n, max: (1n << 56n) - 1n })
  .map((randomness) => traceIdWith(randomness.toString(16).padStart(14, '0')))

function isSampled(probability: number, traceId: string): boolean {
  const { decision } = new ConsistentProbabilitySampler(probability).shouldSample(ROOT_CONTEXT, traceId)
  return decision === SamplingDecision.RECORD_AND_SAMPLED
}

/** The tracestate of what is sampled: the trace whose randomness reaches every threshold. */
const stateOf = (probability: number): string | undefined =>
  new ConsistentProbabilitySampler(probability)
    .shouldSample(ROOT_CONTEXT, traceIdWith('f'.repeat(14)))
    .traceState?.serialize()

/** For how many traces one stands, as a reader works it out of the threshold. */
function adjustedCountOf(tracestate: string): number {
  const threshold = BigInt(`0x${tracestate.replace('ot=th:', '').padEnd(14, '0')}`)
  return Number(1n << 56n) / Number((1n << 56n) - threshold)
}

describe('the consistent probability sampler', () => {
  it('says its threshold as the specification writes it, short and without trailing zeros', () => {
    equal(stateOf(1), 'ot=th:0')
    equal(stateOf(0.5), 'ot=th:8')
    equal(stateOf(0.25), 'ot=th:c')
    equal(stateOf(1 / 3), 'ot=th:aaab')
    equal(stateOf(0.1), 'ot=th:e666')
    equal(stateOf(0.01), 'ot=th:fd70a')
    equal(stateOf(0.001), 'ot=th:ffbe77')
  })

  it('samples what reaches its threshold and nothing below', () => {
    equal(isSampled(0.25, traceIdWith('c0000000000000')), true)
    equal(isSampled(0.25, traceIdWith('bfffffffffffff')), false)
  })

  it('samples all traces at 1 and none at 0', () => {
    fc.assert(
      fc.property(traceIds, (traceId) => {
        equal(isSampled(1, traceId), true)
        equal(isSampled(0, traceId), false)
      }),
    )
  })

  it('keeps with a probability all that it keeps with a smaller one', () => {
    const probabilities = fc.double({ min: 0, max: 1, noNaN: true })
    fc.assert(
      fc.property(probabilities, probabilities, traceIds, (one, other, traceId) => {
        if (isSampled(Math.min(one, other), traceId)) ok(isSampled(Math.max(one, other), traceId))
      }),
      { numRuns: 2_000 },
    )
  })

  it('lets a reader work out its probability, within a thousandth of it', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-6, max: 1, noNaN: true }), (probability) => {
        const tracestate = stateOf(probability)
        ok(tracestate)
        ok(Math.abs(1 / adjustedCountOf(tracestate) / probability - 1) < 1e-3, tracestate)
      }),
      { numRuns: 2_000 },
    )
  })

  it('keeps its share of the traces that the SDK begins', () => {
    const provider = new TracerProvider({ sampler: new ConsistentProbabilitySampler(0.1) })
    const tracer = provider.getTracer('tests')
    let kept = 0
    for (let count = 0; count < 20_000; count++)
      kept += tracer.startSpan('a span').spanContext().traceFlags & 1
    // Five standard deviations: this fails by chance once in a million.
    ok(Math.abs(kept - 2_000) < 5 * Math.sqrt(20_000 * 0.1 * 0.9), String(kept))
  })

  it('has all spans of a trace say its root’s threshold, under a ParentBasedSampler', () => {
    const sampler = new ParentBasedSampler({ root: new ConsistentProbabilitySampler(0.999) })
    const tracer = new TracerProvider({ sampler }).getTracer('tests')
    const root = tracer.startSpan('root')
    const child = tracer.startSpan('child', {}, trace.setSpan(ROOT_CONTEXT, root))
    equal(child.spanContext().traceFlags, root.spanContext().traceFlags)
    equal(child.spanContext().traceState?.serialize(), root.spanContext().traceState?.serialize())
  })

  it('says what it is', () => {
    equal(String(new ConsistentProbabilitySampler(0.25)), 'ConsistentProbabilitySampler{0.25}')
  })
})

describe('the probability of a trace that follows another’s decision', () => {
  const traceId = traceIdWith('48eb211c80319c')
  const carried = (tracestate?: string): string | undefined =>
    probabilityOf({
      traceId,
      spanId: 'b7ad6b7169203331',
      traceFlags: 1,
      ...(tracestate !== undefined && { traceState: new TraceState(tracestate) }),
    })?.serialize()

  it('is the other’s threshold and randomness', () => {
    equal(carried('ot=th:e666'), 'ot=th:e666;rv:48eb211c80319c')
  })

  it('is decided alike by whoever samples further', () => {
    fc.assert(
      fc.property(traceIds, (id) => {
        const state = probabilityOf({
          traceId: id,
          spanId: 'b7ad6b7169203331',
          traceFlags: 1,
          traceState: new TraceState('ot=th:8'),
        })
        equal(state?.get('ot'), `th:8;rv:${id.slice(-14)}`)
      }),
    )
  })

  it('is by a randomness that was said before', () => {
    equal(carried('ot=rv:d0000000000000;th:e666'), 'ot=rv:d0000000000000;th:e666')
  })

  it('is not known where no threshold is said', () => {
    for (const tracestate of [undefined, '', 'vendor=th:8', 'ot=p:8', 'ot=rv:d0000000000000']) {
      equal(carried(tracestate), undefined, tracestate)
    }
  })
})
